-- Seven people of BottleCRM, and the records that make a difference between them. Run by a superuser
-- after the CRM's own schema and data, and after CREATE EXTENSION celador.
--
--   adam   administrator of MicroPyramid
--   maya   manager; in S4 an owner; in Sales Team and Enterprise Sales
--   selim  seller, in S4 an agent, of Sales Team
--   suri   support, in S4 an agent, of Support Team and Enterprise Sales
--   mario  marketing, and nothing in S4; of Enterprise Sales
--   alma   analyst; in S4 an owner and an agent; in no team
--   olga   seller and agent of the other organization, of its Sales Team

-- The owner can't log in. The application is one login; who is meant it says by act_as.
DO $$
DECLARE
  found record;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bottlecrm_owner') THEN
    CREATE ROLE bottlecrm_owner NOLOGIN;
    CREATE ROLE bottlecrm_app LOGIN;
  END IF;
  FOR found IN SELECT oid::regclass AS name FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO bottlecrm_owner', found.name);
  END LOOP;
END $$;
GRANT USAGE ON SCHEMA public TO bottlecrm_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bottlecrm_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO bottlecrm_app;
-- The open tables: labels and content types are read, tokens are written and never read.
REVOKE INSERT, UPDATE, DELETE ON tags, django_content_type FROM bottlecrm_app;
REVOKE ALL ON token_blacklist_outstandingtoken FROM bottlecrm_app;
GRANT INSERT, SELECT (id) ON token_blacklist_outstandingtoken TO bottlecrm_app;
GRANT EXECUTE ON FUNCTION celador.act_as(text) TO bottlecrm_app;

-- Who has which access.
INSERT INTO auth_group (id, name) VALUES
  (1, 'Managers'), (2, 'Support'), (3, 'Analysts'), (4, 'Directors'), (5, 'Owners'), (6, 'Agents');
UPDATE profile SET has_sales_access = false, has_marketing_access = false WHERE role = 'USER';
UPDATE profile SET has_sales_access = true WHERE id IN (
  '5321a095-5676-4f9c-b0b4-e5011e9cfdb0', 'ab481351-3f68-4a0b-9655-42ba91ac6aa2');
UPDATE profile SET has_marketing_access = true WHERE id = 'ff168e0c-e8be-487c-9087-0a2bbdb8f3e4';
INSERT INTO users_groups (user_id, group_id) VALUES
  ('3903e687-5273-4212-b7bf-57de4b644f13', 1), ('3903e687-5273-4212-b7bf-57de4b644f13', 5),
  ('c2dcb655-ac64-42e5-8291-1c9a7e62dacb', 2), ('c2dcb655-ac64-42e5-8291-1c9a7e62dacb', 6),
  ('94cbbc3c-1911-487b-ba66-1217a3fd2c12', 3), ('94cbbc3c-1911-487b-ba66-1217a3fd2c12', 5),
  ('94cbbc3c-1911-487b-ba66-1217a3fd2c12', 6);

-- Records that nobody has been given.
DELETE FROM contacts_assigned_to WHERE contact_id::text LIKE '%2' OR contact_id::text LIKE '%7';
DELETE FROM accounts_assigned_to WHERE account_id::text LIKE '%3';
DELETE FROM lead_assigned_to WHERE lead_id::text LIKE '%4';
DELETE FROM case_assigned_to WHERE case_id::text LIKE '%5' OR case_id::text LIKE '%6';
DELETE FROM task_assigned_to WHERE task_id::text LIKE '%8';
DELETE FROM opportunity_assigned_to WHERE opportunity_id::text LIKE '%9';

-- The seed has one creator for nearly everything: let others have created some.
CREATE TEMPORARY VIEW maker AS
  SELECT row_number() OVER (PARTITION BY org_id ORDER BY id) - 1 AS place, org_id, id, user_id FROM profile;
CREATE FUNCTION pg_temp.maker(org uuid, record uuid) RETURNS uuid LANGUAGE sql AS $$
  SELECT user_id FROM maker WHERE org_id = org
    AND place = ('x' || right(record::text, 7))::bit(28)::integer % 6
$$;
UPDATE task SET created_by_id = pg_temp.maker(org_id, id);
UPDATE contacts SET created_by_id = pg_temp.maker(org_id, id);
UPDATE "case" SET created_by_id = pg_temp.maker(org_id, id);
UPDATE comment SET created_by_id = pg_temp.maker(org_id, id),
  commented_by_id = (SELECT p.id FROM profile AS p
    WHERE p.org_id = comment.org_id AND p.user_id = pg_temp.maker(comment.org_id, comment.id));

-- Tables that the seed leaves empty.
INSERT INTO orders (created_at, updated_at, id, name, order_number, status, currency, subtotal,
    discount_amount, tax_amount, total_amount, billing_address_line, billing_city, billing_state,
    billing_postcode, billing_country, shipping_address_line, shipping_city, shipping_state,
    shipping_postcode, shipping_country, description, account_id, opportunity_id, created_by_id, org_id)
  SELECT now(), now(), md5('order ' || o.id)::uuid, 'Order of ' || o.name, row_number() OVER (ORDER BY o.id),
    'DRAFT', 'EUR', o.amount, 0, 0, o.amount, '', '', '', '', '', '', '', '', '', '', '', o.account_id,
    CASE WHEN o.id::text < '8' THEN o.id END, pg_temp.maker(o.org_id, o.id), o.org_id
  FROM opportunity AS o WHERE o.account_id IS NOT NULL AND o.amount IS NOT NULL;
INSERT INTO order_line_item (created_at, updated_at, id, name, description, quantity, unit_price,
    discount_amount, total, sort_order, order_id, org_id)
  SELECT now(), now(), md5('line ' || o.id)::uuid, 'All of it', '', 1, o.total_amount, 0, o.total_amount, 1, o.id, o.org_id
  FROM orders AS o;
INSERT INTO email_message (created_at, updated_at, id, direction, message_id, in_reply_to, "references",
    from_address, to_addresses, cc_addresses, subject, body_text, body_html, received_at, drop_reason, case_id, org_id)
  SELECT now(), now(), md5('message ' || n || c.id::text)::uuid, 'in', n || c.id::text, '', '', 'someone@example.com', '[]', '[]',
    c.name, 'Message ' || n, '', now(), '', c.id, c.org_id
  FROM "case" AS c, generate_series(1, 2) AS n;
INSERT INTO account_email (created_at, updated_at, id, message_subject, timezone, scheduled_later,
    from_email, from_account_id, created_by_id, org_id)
  SELECT now(), now(), md5('email ' || a.id)::uuid, 'News', 'UTC', false, 'crm@example.com', a.id,
    pg_temp.maker(a.org_id, a.id), a.org_id
  FROM accounts AS a;
INSERT INTO account_email_recipients (accountemail_id, contact_id)
  SELECT e.id, c.id FROM account_email AS e JOIN contacts AS c ON c.account_id = e.from_account_id;
INSERT INTO board (created_at, updated_at, id, name, is_archived, org_id, owner_id, created_by_id)
  SELECT now(), now(), md5('board ' || p.id)::uuid, 'Board', false, p.org_id, p.id, p.user_id FROM profile AS p;
INSERT INTO board_column (created_at, updated_at, id, name, "order", color, board_id, org_id)
  SELECT now(), now(), md5('column ' || n || b.id::text)::uuid, 'Column ' || n, n, 'grey', b.id, b.org_id
  FROM board AS b, generate_series(1, 2) AS n;
INSERT INTO board_task (created_at, updated_at, id, title, "order", priority, column_id, org_id)
  SELECT now(), now(), md5('card ' || c.id)::uuid, 'Card', 1, 'low', c.id, c.org_id FROM board_column AS c;
INSERT INTO document (created_at, updated_at, id, title, document_file, status, created_by_id, org_id)
  SELECT now(), now(), md5('document ' || p.id)::uuid, 'Document', 'file.pdf', 'active', p.user_id, p.org_id FROM profile AS p;
INSERT INTO document_shared_to (document_id, profile_id)
  SELECT md5('document ' || p.id)::uuid, '5321a095-5676-4f9c-b0b4-e5011e9cfdb0' FROM profile AS p WHERE p.id::text < '8';
INSERT INTO notification (created_at, updated_at, id, verb, entity_type, entity_name, data, link, org_id, recipient_id)
  SELECT now(), now(), md5('notification ' || p.id)::uuid, 'assigned', 'Lead', '', '{}', '', p.org_id, p.id FROM profile AS p;
INSERT INTO macro (created_at, updated_at, id, title, body, scope, is_active, usage_count, org_id, owner_id)
  SELECT now(), now(), md5('macro ' || p.id)::uuid, 'Thanks', 'Thank you.', 'personal', true, 0, p.org_id, p.id FROM profile AS p;

-- Single records given to people and to a team: the first by key of each.
WITH given(module, record) AS (
  (SELECT 'accounts', id FROM accounts WHERE org_id = 'e559e293-b795-4e02-8956-7bede579b366' ORDER BY id DESC LIMIT 12)
  UNION ALL
  (SELECT 'opportunities', id FROM opportunity WHERE org_id = 'e559e293-b795-4e02-8956-7bede579b366' ORDER BY id DESC LIMIT 12))
INSERT INTO celador.shares (module, record, "user", level)
  SELECT module, record::text, '5321a095-5676-4f9c-b0b4-e5011e9cfdb0', 'read' FROM given;
INSERT INTO celador.shares (module, record, "group", level)
  (SELECT 'contacts', id::text, 'c6d9b2fe-0525-4b87-bf18-27b3c872d77f', 'update' FROM contacts
   WHERE org_id = 'e559e293-b795-4e02-8956-7bede579b366' ORDER BY id DESC LIMIT 15);
INSERT INTO celador.shares (module, record, "user", level, expires)
  (SELECT 'accounts', id::text, '7587f217-0b11-4aec-ab75-35a599ac23e9', 'read', now() - interval '1 day' FROM accounts
   WHERE org_id = 'e559e293-b795-4e02-8956-7bede579b366' ORDER BY id LIMIT 10);

-- Switches: the other organization's sellers keep their records to themselves; Support Team claims.
INSERT INTO celador.setting_values ("group", setting, value) VALUES
  ('c40eda42-00b0-4850-a25d-b64d98c459d3', 'team_records', false),
  ('c2c7b93f-f08f-4d7b-8f74-ebf62fa6c02c', 'manual_assignment', true);
ANALYZE;
