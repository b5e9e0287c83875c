-- What the shadow test adds to Tryton's data: two more people and more variety. Run by a superuser
-- after the CRM and its people, before anything is protected.

SET timezone = 'UTC';
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fred') THEN
    CREATE ROLE fred LOGIN IN ROLE tryton_people;
    CREATE ROLE gina LOGIN IN ROLE tryton_people;
  END IF;
END $$;

-- Nobody is employee 6 until somebody becomes it.
INSERT INTO company_employee (id, company, party) VALUES (5, 1, 7), (6, 2, 8);
INSERT INTO res_user (id, name, login, active, administrator, company, company_filter) VALUES
  (9, 'Fred', 'fred', true, false, 1, 'all'), (10, 'Gina', 'gina', true, false, 2, 'one');
INSERT INTO "res_user-company_company" ("user", company) VALUES (9, 1), (10, 2);
INSERT INTO "res_user-company_employee" ("user", employee) VALUES (9, 5);
INSERT INTO "res_user-res_group" ("user", "group") VALUES (9, 101), (9, 104), (10, 105), (10, 103);

-- Fewer parties: those that nothing else names.
DELETE FROM party_contact_mechanism WHERE party > 150;
DELETE FROM party_address WHERE party > 150
  AND party NOT IN (SELECT party FROM sale_opportunity WHERE party IS NOT NULL UNION SELECT party FROM sale_sale);
DELETE FROM party_party_lang WHERE id % 3 <> 0;
DELETE FROM party_party_location WHERE id % 4 <> 0;
DELETE FROM party_party_account WHERE id % 4 <> 0;
DELETE FROM party_party_payment_term WHERE id % 5 <> 0;

UPDATE party_party SET create_uid = 9 WHERE id % 23 = 0;
UPDATE sale_opportunity SET employee = 5 WHERE id % 11 = 0;
UPDATE sale_opportunity SET employee = 6 WHERE id % 10 = 3;
UPDATE sale_opportunity SET state = (ARRAY['lead', 'opportunity', 'lost', 'converted', 'lead'])[1 + id % 5];
UPDATE sale_sale SET state = (ARRAY['draft', 'quotation', 'confirmed'])[1 + id % 3];
UPDATE sale_sale SET create_uid = 7 WHERE id % 7 = 0;
UPDATE sale_sale SET create_uid = NULL WHERE id % 9 = 0;
UPDATE ir_note SET create_uid = (ARRAY[4, 7, 9, 10])[1 + id % 4] WHERE id % 2 = 0;
INSERT INTO party_category (id, name, create_uid, parent)
  SELECT n, 'Category ' || n, (ARRAY[3, 4, 5, 7])[1 + n % 4], CASE WHEN n > 3 THEN n / 3 END FROM generate_series(1, 16) AS n;
INSERT INTO "party_party-party_category" (party, category) SELECT 10 + n, 1 + n % 16 FROM generate_series(1, 60) AS n;
INSERT INTO ir_export_line (export, name) SELECT id, 'Column ' || n FROM ir_export, generate_series(1, 2) AS n;
INSERT INTO ir_email_address (email, address) SELECT id, 'someone@example.com' FROM ir_email;
INSERT INTO celador.shares (module, record, "user", level)
  SELECT 'opportunities', id::text, '7', 'read' FROM sale_opportunity WHERE id BETWEEN 20 AND 35;
ANALYZE;
