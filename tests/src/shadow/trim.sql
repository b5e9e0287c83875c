-- The sample CRM, made small, and the same in every session: no clock, no chance.
-- Run by a superuser on the plain sample, before anything is protected.

SET timezone = 'UTC';
DELETE FROM invoices WHERE account_id > 100;
DELETE FROM contacts WHERE account_id > 100 OR (account_id IS NULL AND id % 8 <> 0);
DELETE FROM accounts WHERE id > 100;
DELETE FROM leads WHERE id > 150;
DELETE FROM tickets WHERE account_id IS NULL AND contact_id IS NULL OR id % 2 = 0;
DELETE FROM events WHERE account_id IS NULL;
DELETE FROM emails WHERE contact_id IS NULL;
DELETE FROM conversations WHERE contact_id IS NULL;
DELETE FROM notes WHERE id % 4 <> 0 OR record_id > 400;
DELETE FROM calls WHERE id % 4 <> 0 OR record_id > 400;
DELETE FROM activity_log WHERE id > 200;
DELETE FROM account_statements WHERE id % 4 <> 0;
DELETE FROM sales_summary WHERE id % 3 <> 0;
DELETE FROM products WHERE id > 40 AND id NOT IN (SELECT product_id FROM quote_lines
  UNION SELECT product_id FROM order_lines);
DELETE FROM price_list_items WHERE product_id > 40;

CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := timestamptz '2026-07-01 00:00+00';
  RETURN NEW;
END $$;

-- Not all that support sees is support's own.
UPDATE tickets SET owner_id = 34 WHERE id % 5 = 0 AND owner_id IS NOT NULL;
-- Campaigns are filed all over the tree.
UPDATE campaigns SET team_id = (ARRAY[1, 2, 3, 5, 6, 11])[1 + id % 6];

DO $$
DECLARE clock record;
BEGIN
  FOR clock IN
    SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
    WHERE c.table_schema = 'public' AND c.column_default ~* 'now\(\)|current_|random'
  LOOP
    EXECUTE format('ALTER TABLE public.%I ALTER COLUMN %I SET DEFAULT %s',
      clock.table_name, clock.column_name,
      CASE clock.data_type
        WHEN 'date' THEN 'date ''2026-07-01'''
        WHEN 'uuid' THEN 'uuid ''00000000-0000-0000-0000-000000000001'''
        ELSE 'timestamptz ''2026-07-01 00:00+00''' END);
  END LOOP;
END $$;
