-- Six people of Tryton, and the records that make a difference between them. Run by a superuser after
-- the CRM's own schema and data, and after CREATE EXTENSION celador. Each logs in under a name of
-- their own.
--
--   admin  (user 3)             administrator, of both companies
--   carol  (user 6, employee 3) manager of company 1; in S4 an owner
--   alice  (user 4, employee 1) seller of company 1; in S4 an agent
--   bob    (user 5, employee 2) support of company 1; in S4 an agent
--   dave   (user 7, employee 4) seller of company 2; in S4 an agent
--   erin   (user 8)             analyst of company 1; in S4 an owner and an agent

DO $$
DECLARE
  found record;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'tryton_owner') THEN
    CREATE ROLE tryton_owner NOLOGIN;
    CREATE ROLE tryton_people NOLOGIN;
    CREATE ROLE admin LOGIN IN ROLE tryton_people;
    CREATE ROLE carol LOGIN IN ROLE tryton_people;
    CREATE ROLE alice LOGIN IN ROLE tryton_people;
    CREATE ROLE bob LOGIN IN ROLE tryton_people;
    CREATE ROLE dave LOGIN IN ROLE tryton_people;
    CREATE ROLE erin LOGIN IN ROLE tryton_people;
  END IF;
  FOR found IN SELECT oid::regclass AS name FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO tryton_owner', found.name);
  END LOOP;
  GRANT USAGE ON SCHEMA public TO tryton_people;
  GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO tryton_people;
  GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO tryton_people;
  -- Reference tables and what Tryton says of itself are read, but for its log, cache and file queue.
  FOR found IN SELECT oid::regclass AS name FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
                 AND (relname LIKE 'country\_%' OR relname LIKE 'currency\_%' OR relname LIKE 'ir\_%'
                   OR relname LIKE 'product\_uom%' OR relname LIKE 'account\_invoice\_payment\_term%'
                   OR relname LIKE 'party\_address\_%')
                 AND relname NOT IN ('ir_cache', 'ir_model_log', 'ir_filestore_queue', 'ir_chat_channel',
                   'ir_chat_follower', 'ir_chat_message', 'ir_note', 'ir_note_read', 'ir_email', 'ir_email_address',
                   'ir_export', 'ir_export_line', 'ir_attachment', 'ir_avatar') LOOP
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %s FROM tryton_people', found.name);
  END LOOP;
END $$;

-- People and what they hold.
INSERT INTO res_user (id, name, login, active, administrator, company, company_filter)
  VALUES (8, 'Erin', 'erin', true, false, 1, 'one');
INSERT INTO "res_user-company_company" ("user", company) VALUES (8, 1);
INSERT INTO res_group (id, name, active) VALUES
  (101, 'Support', true), (102, 'Analysts', true), (103, 'Agents', true), (104, 'Owners', true), (105, 'Directors', true);
DELETE FROM "res_user-res_group" WHERE "group" IN (14, 15);
INSERT INTO "res_user-res_group" ("user", "group") VALUES
  (6, 15), (6, 104), (4, 14), (4, 103), (5, 101), (5, 103), (7, 14), (7, 103), (8, 102), (8, 104), (8, 103);

-- Parties and their telephone numbers, created by different people; some by nobody who is known.
UPDATE party_party SET create_uid = (ARRAY[3, 4, 5, 6, 7, 8, NULL])[1 + id % 7] WHERE id > 6;
UPDATE party_contact_mechanism SET create_uid = (ARRAY[4, 5, 6, 7, NULL])[1 + id % 5];
UPDATE sale_opportunity SET create_uid = (ARRAY[3, 4, 5, 6])[1 + id % 4];
UPDATE sale_opportunity SET employee = NULL WHERE id % 13 = 0;
UPDATE sale_opportunity SET employee = 3 WHERE id % 17 = 0 AND company = 2;

-- Tables that the seed leaves empty.
INSERT INTO sale_opportunity_line (opportunity, quantity, description)
  SELECT id, 1, 'Line of ' || id FROM sale_opportunity WHERE id % 3 = 0;
INSERT INTO product_template (id, default_uom, name, type, create_uid)
  SELECT n, 1, 'Product ' || n, 'goods', 3 FROM generate_series(1001, 1010) AS n;
INSERT INTO product_product (id, template) SELECT n, n FROM generate_series(1001, 1010) AS n;
INSERT INTO product_list_price (company, template, list_price, create_uid)
  SELECT company, template, 10, 3 FROM generate_series(1, 2) AS company, generate_series(1001, 1010) AS template;
INSERT INTO product_cost_price (company, product, cost_price, create_uid)
  SELECT 1, product, 5, 3 FROM generate_series(1001, 1010) AS product;
INSERT INTO sale_sale (id, company, currency, invoice_method, invoice_state, party, shipment_method,
    shipment_state, state, quoted_by, confirmed_by, create_uid)
  SELECT 1000 + n, 1 + n % 2, 1, 'order', 'none', 10 + n, 'order', 'none', 'draft',
    (ARRAY[1, 2, 3, 4, NULL])[1 + n % 5], (ARRAY[NULL, NULL, 3, 1])[1 + n % 4],
    (ARRAY[3, 4, 5, 6])[1 + n % 4]
  FROM generate_series(1, 60) AS n;
INSERT INTO sale_line (sale, type, quantity) SELECT id, 'line', 1 FROM sale_sale;
INSERT INTO ir_chat_channel (id, resource, create_uid)
  SELECT n, 'party.party,' || 100 + n, NULL FROM generate_series(1, 30) AS n;
INSERT INTO ir_chat_follower (channel, "user")
  SELECT id, (ARRAY[4, 5, 6, 7, 8])[1 + id % 6] FROM ir_chat_channel WHERE id % 6 <> 5;
INSERT INTO ir_chat_follower (channel, "user") SELECT id, 5 FROM ir_chat_channel WHERE id % 12 = 0;
-- A customer follows by mail: the channel still has nobody.
INSERT INTO ir_chat_follower (channel, email) SELECT id, 'someone@example.com' FROM ir_chat_channel WHERE id IN (5, 11);
INSERT INTO ir_chat_message (audience, channel, content, email, create_uid)
  SELECT 'public', id, 'Message ' || n, 'someone@example.com', NULL FROM ir_chat_channel, generate_series(1, 2) AS n;
INSERT INTO ir_note (id, resource, message, create_uid)
  SELECT n, 'party.party,' || 10 + n, 'Note ' || n, (ARRAY[3, 4, 5, 6])[1 + n % 4] FROM generate_series(1, 20) AS n;
INSERT INTO ir_note_read (note, "user") SELECT id, 4 FROM ir_note WHERE id % 2 = 0;
INSERT INTO ir_email (resource, recipients, subject, body, create_uid)
  SELECT 'party.party,' || 10 + n, 'someone@example.com', 'Mail ' || n, '', (ARRAY[3, 4, 5, 6, 7])[1 + n % 5] FROM generate_series(1, 25) AS n;
INSERT INTO ir_export (name, resource, "user", create_uid)
  SELECT 'Export of ' || login, 'party.party', id, id FROM res_user;

-- Single records given to people and to a company, one of them no longer.
INSERT INTO celador.shares (module, record, "user", level)
  SELECT 'accounts', n::text, '4', 'read' FROM generate_series(20, 40) AS n;
INSERT INTO celador.shares (module, record, "user", level)
  SELECT 'opportunities', n::text, '4', 'update' FROM generate_series(60, 75) AS n;
INSERT INTO celador.shares (module, record, "group", level)
  SELECT 'contacts', n::text, '1', 'read' FROM generate_series(50, 80) AS n;
INSERT INTO celador.shares (module, record, "user", level, expires)
  SELECT 'accounts', n::text, '7', 'read', now() - interval '1 day' FROM generate_series(100, 120) AS n;

-- Switches: company 1 has one inbox for all, company 2 lets agents claim and keeps its sellers apart.
INSERT INTO celador.setting_values ("group", setting, value) VALUES
  ('1', 'shared_inbox', true), ('2', 'manual_assignment', true), ('2', 'team_records', false);
ANALYZE;

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
