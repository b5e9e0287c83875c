-- Data of the sample CRM: the same at every load (hashes of row numbers, no random(), no now()).
-- Run once, after schema.sql, by a superuser.

SET client_encoding = 'UTF8';
SET client_min_messages = warning;
SET timezone = 'UTC';
BEGIN;
SET LOCAL ROLE crm_owner;

-- A number from 0 to n - 1 that looks like chance and depends on i and salt alone. None of these
-- is declared IMMUTABLE: the planner would copy the calls out of the sub-selects below.
CREATE FUNCTION pg_temp.roll(i bigint, salt text, n integer) RETURNS integer
LANGUAGE sql AS $$ SELECT (('x' || substr(md5(salt || i), 1, 7))::bit(28)::integer) % n $$;
CREATE FUNCTION pg_temp.one_of(i bigint, salt text, choices anyarray) RETURNS anyelement
LANGUAGE sql AS $$ SELECT choices[1 + pg_temp.roll(i, salt, cardinality(choices))] $$;
-- A time up to so many days before the end of the data.
CREATE FUNCTION pg_temp.moment(i bigint, salt text, days integer) RETURNS timestamptz
LANGUAGE sql AS $$
  SELECT timestamptz '2026-06-30 18:00+00' - pg_temp.roll(i, salt, days * 1440) * interval '1 min'
$$;
CREATE FUNCTION pg_temp.first_name(i bigint) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.one_of(i, 'first', ARRAY['Adela', 'Anton', 'Beatriz', 'Bruno', 'Carmen', 'Clara',
    'Daniel', 'Elsa', 'Emil', 'Fatima', 'Greta', 'Henrik', 'Ines', 'Joana', 'Karim', 'Laura',
    'Marco', 'Nadia', 'Olivia', 'Pedro', 'Quentin', 'Rita', 'Stefan', 'Teresa', 'Ugo', 'Vera',
    'Wim', 'Yara', 'Zoe']) $$;
CREATE FUNCTION pg_temp.last_name(i bigint) RETURNS text LANGUAGE sql AS $$
  SELECT pg_temp.one_of(i, 'last', ARRAY['Aguilar', 'Almeida', 'Bauer', 'Bennett', 'Castro',
    'Costa', 'Delmas', 'Duarte', 'Engel', 'Ferrari', 'Fischer', 'Garnier', 'Gomes', 'Hughes',
    'Ibarra', 'Jansen', 'Keller', 'Lambert', 'Lopes', 'Marin', 'Moreau', 'Navarro', 'Ortega',
    'Parker', 'Quiroga', 'Ricci', 'Santos', 'Turner', 'Urrutia', 'Vidal', 'Weber', 'Zapata']) $$;
-- Somebody who sells in that team.
CREATE FUNCTION pg_temp.seller(i bigint, salt text, team bigint) RETURNS bigint
LANGUAGE sql AS $$
  SELECT CASE team
    WHEN 3 THEN pg_temp.one_of(i, salt, ARRAY[9, 9, 10, 11, 12, 39])
    WHEN 4 THEN pg_temp.one_of(i, salt, ARRAY[13, 14, 15, 6])
    WHEN 5 THEN pg_temp.one_of(i, salt, ARRAY[16, 17, 18, 19, 7])
    WHEN 6 THEN pg_temp.one_of(i, salt, ARRAY[20, 21, 22, 23, 24, 8])
    ELSE pg_temp.one_of(i, salt, ARRAY[4, 5])
  END::bigint $$;

INSERT INTO public.countries (code, name) VALUES
  ('ES', 'Spain'), ('PT', 'Portugal'), ('FR', 'France'), ('DE', 'Germany'), ('IT', 'Italy'),
  ('GB', 'United Kingdom'), ('NL', 'Netherlands');
INSERT INTO public.schema_migrations (version, applied_at) VALUES
  ('0001_initial', '2025-01-10 09:00+00'), ('0002_conversations', '2025-06-02 09:00+00'),
  ('0003_billing', '2025-11-20 09:00+00');

-- People: dario leads marta, who leads tomas, who leads sergio. ramon has left; pilar is new
-- and in no team yet.

INSERT INTO public.users (id, login, full_name, title, region, manager_id, is_active, email,
                          created_by, created_at, updated_at)
SELECT id, login, full_name, title,
       CASE WHEN id IN (4, 6, 9, 10, 11, 12, 13, 14, 15, 32, 39, 40) THEN 'north'
            WHEN id IN (5, 8, 20, 21, 22, 23, 24, 29, 33, 36, 37) THEN 'south'
            ELSE 'central' END, manager_id, login <> 'ramon', login || '@crm.example',
       1, '2025-01-10 09:00+00', '2025-01-10 09:00+00'
FROM (VALUES
  (1, 'ana', 'Ana Ruiz', 'Administrator', 2), (2, 'dario', 'Dario Vega', 'Chief executive', NULL),
  (3, 'hugo', 'Hugo Prieto', 'Administrator', 1), (4, 'marta', 'Marta Soler', 'Sales manager', 2),
  (5, 'olga', 'Olga Reyes', 'Sales manager', 2), (6, 'tomas', 'Tomas Gil', 'Team lead', 4),
  (7, 'irene', 'Irene Mora', 'Team lead', 4), (8, 'pablo', 'Pablo Cano', 'Team lead', 5),
  (9, 'sergio', 'Sergio Pons', 'Seller', 6), (10, 'lucia', 'Lucia Vila', 'Seller', 6),
  (11, 'nuria', 'Nuria Bosch', 'Seller', 6), (12, 'javier', 'Javier Rey', 'Seller', 6),
  (13, 'raquel', 'Raquel Sanz', 'Seller', 6), (14, 'ivan', 'Ivan Roca', 'Seller', 6),
  (15, 'celia', 'Celia Paz', 'Seller', 6), (16, 'victor', 'Victor Luna', 'Seller', 7),
  (17, 'noelia', 'Noelia Cruz', 'Seller', 7), (18, 'adrian', 'Adrian Saez', 'Seller', 7),
  (19, 'paula', 'Paula Nieto', 'Seller', 7), (20, 'oscar', 'Oscar Leon', 'Seller', 8),
  (21, 'gloria', 'Gloria Campos', 'Seller', 8), (22, 'felix', 'Felix Rubio', 'Seller', 8),
  (23, 'rosa', 'Rosa Molina', 'Seller', 8), (24, 'manuel', 'Manuel Pardo', 'Seller', 8),
  (25, 'alba', 'Alba Serra', 'Analyst', 2), (26, 'quique', 'Quique Mir', 'Analyst', 25),
  (27, 'mario', 'Mario Blasco', 'Head of marketing', 2),
  (28, 'eva', 'Eva Torres', 'Marketing', 27), (29, 'luis', 'Luis Arias', 'Marketing', 27),
  (30, 'elena', 'Elena Duran', 'Head of customer service', 2),
  (31, 'sara', 'Sara Lozano', 'Support', 30), (32, 'jorge', 'Jorge Abad', 'Support', 30),
  (33, 'lola', 'Lola Herrero', 'Support', 30), (34, 'ines', 'Ines Pastor', 'Agent', 31),
  (35, 'bruno', 'Bruno Calvo', 'Agent', 31), (36, 'carla', 'Carla Ramos', 'Agent', 32),
  (37, 'diego', 'Diego Fuentes', 'Agent', 32), (38, 'teresa', 'Teresa Galan', 'Accountant', 2),
  (39, 'ramon', 'Ramon Ortiz', 'Seller', 6), (40, 'pilar', 'Pilar Oliva', 'Trainee', 4)
) AS person (id, login, full_name, title, manager_id) ORDER BY id;

INSERT INTO public.teams (id, name, parent_id, created_by, created_at)
SELECT id, name, parent_id, 1, '2025-01-10 09:00+00'
FROM (VALUES
  (1, 'Company', NULL), (2, 'Sales', 1), (3, 'Sales North', 2), (4, 'Sales Coast', 2),
  (5, 'Sales Central', 2), (6, 'Sales South', 2), (7, 'Customer Service', 1),
  (8, 'Support Desk', 7), (9, 'Chat Morning', 7), (10, 'Chat Evening', 7), (11, 'Marketing', 1),
  (12, 'Back Office', 1)
) AS team (id, name, parent_id) ORDER BY id;

INSERT INTO public.team_members (team_id, user_id, added_at)
SELECT team, member, '2025-01-10 09:00+00'
FROM (VALUES
  (1, ARRAY[2]), (2, ARRAY[4, 5]), (3, ARRAY[6, 9, 10, 11, 12, 39]), (4, ARRAY[6, 13, 14, 15]),
  (5, ARRAY[7, 16, 17, 18, 19]), (6, ARRAY[8, 20, 21, 22, 23, 24]), (7, ARRAY[30]),
  (8, ARRAY[31, 32, 33]), (9, ARRAY[34, 35]), (10, ARRAY[36, 37]), (11, ARRAY[27, 28, 29]),
  (12, ARRAY[1, 3, 25, 26, 38])
) AS membership (team, members), unnest(members) AS member;

-- The roles of all five presets at once; a matrix looks only at its own.
INSERT INTO public.user_roles (user_id, role, granted_at)
SELECT holder, role, '2025-01-10 09:00+00'
FROM (VALUES
  ('administrator', ARRAY[1, 3]), ('chief_executive', ARRAY[2]), ('manager', ARRAY[4, 5]),
  ('seller', ARRAY(SELECT generate_series(6, 24)) || 39),
  ('standard', ARRAY(SELECT generate_series(6, 24)) || ARRAY[4, 31, 39, 40]),
  ('member', ARRAY(SELECT generate_series(6, 24)) || ARRAY[4, 31, 32, 39]),
  ('support', ARRAY[30, 31, 32, 33]), ('customer_service', ARRAY[30, 31, 32, 33]),
  ('analyst', ARRAY[25, 26]), ('read', ARRAY[2, 25, 26, 38]), ('owner', ARRAY[1, 2]),
  ('agent', ARRAY[1])
) AS held (role, holders), unnest(holders) AS holder;
-- Held by a team: each member has it, later ones too.
INSERT INTO public.user_roles (team_id, role, granted_at) VALUES
  (9, 'agent', '2025-01-10 09:00+00'), (10, 'agent', '2025-01-10 09:00+00'),
  (11, 'marketing', '2025-01-10 09:00+00');

INSERT INTO public.agent_settings (user_id, max_chats, greeting, updated_at)
SELECT id, 4 + pg_temp.roll(id, 'chats', 4), 'Hello, this is ' || split_part(full_name, ' ', 1),
       '2025-06-02 09:00+00'
FROM public.users WHERE title = 'Agent' ORDER BY id;

-- Customers.

INSERT INTO public.accounts (id, name, sector, region, country, website, phone, annual_revenue,
  employees, parent_account, group_id, owner_id, created_by, custom, created_at, updated_at)
SELECT i, root || ' ' || initcap(sector) || ' ' || legal_form, sector,
       CASE team WHEN 3 THEN 'north' WHEN 4 THEN 'north' WHEN 5 THEN 'central'
                 WHEN 6 THEN 'south' ELSE 'abroad' END,
       country, 'https://www.' || lower(replace(root, ' & ', '-')) || i || '.example',
       '+34 9' || (10000000 + pg_temp.roll(i, 'account phone', 89999999)),
       (1 + pg_temp.roll(i, 'revenue', 400)) * 25000, 3 + pg_temp.roll(i, 'employees', 900),
       CASE WHEN i > 100 AND pg_temp.roll(i, 'daughter', 20) = 0
            THEN 1 + pg_temp.roll(i, 'mother', 100) END,
       CASE WHEN pg_temp.roll(i, 'no group', 33) <> 0 THEN team END,
       CASE WHEN pg_temp.roll(i, 'no owner', 20) <> 0 THEN pg_temp.seller(i, 'owner', team) END,
       CASE WHEN pg_temp.roll(i, 'made by', 4) = 0 THEN 28
            ELSE pg_temp.seller(i, 'owner', team) END,
       jsonb_build_object('segment', pg_temp.one_of(i, 'segment', ARRAY['A', 'B', 'C']),
                          'newsletter', pg_temp.roll(i, 'newsletter', 2) = 0),
       made, made + pg_temp.roll(i, 'touched', 200) * interval '1 hour'
FROM (
  SELECT i, pg_temp.moment(i, 'account', 540) AS made,
         CASE WHEN chance < 25 THEN 3 WHEN chance < 45 THEN 4 WHEN chance < 65 THEN 5
              WHEN chance < 90 THEN 6 ELSE 2 END AS team,
         pg_temp.last_name(i) || CASE WHEN pg_temp.roll(i, 'partners', 3) = 0
           THEN ' & ' || pg_temp.last_name(i + 5000) ELSE '' END AS root,
         pg_temp.one_of(i, 'sector', ARRAY['logistics', 'foods', 'energy', 'health', 'textiles',
           'software', 'construction', 'furniture']) AS sector,
         CASE WHEN chance < 90 THEN 'ES' ELSE
           pg_temp.one_of(i, 'country', ARRAY['PT', 'FR', 'DE', 'IT', 'GB', 'NL']) END AS country,
         pg_temp.one_of(i, 'form', ARRAY['Ltd', 'Group', 'Partners', 'S.L.', 'S.A.']) AS legal_form
  FROM (SELECT i, pg_temp.roll(i, 'team', 100) AS chance FROM generate_series(1, 2000) i) drawn
) drawn ORDER BY i;

INSERT INTO public.contacts (id, account_id, first_name, last_name, job_title, email, phone,
  birth_date, team_id, created_by, created_at, updated_at)
SELECT i, a.id, pg_temp.first_name(i), pg_temp.last_name(i),
       pg_temp.one_of(i, 'job', ARRAY['Buyer', 'Owner', 'Director', 'Accountant', 'Engineer',
         'Office manager', 'Head of purchasing', 'Assistant']),
       lower(pg_temp.first_name(i) || '.' || pg_temp.last_name(i)) || i || '@'
         || coalesce(substr(a.website, 13), 'mail.example'),
       '+34 6' || (10000000 + pg_temp.roll(i, 'contact phone', 89999999)),
       date '1955-01-01' + pg_temp.roll(i, 'birth', 17000), a.group_id,
       coalesce(a.created_by, 28), made, made + pg_temp.roll(i, 'touched', 200) * interval '1 hour'
FROM (SELECT i, pg_temp.moment(i, 'contact', 500) AS made,
             CASE WHEN pg_temp.roll(i, 'single', 25) <> 0
                  THEN 1 + pg_temp.roll(i, 'account', 2000) END AS account
      FROM generate_series(1, 5000) i) drawn
LEFT JOIN public.accounts a ON a.id = drawn.account ORDER BY i;

-- Most contacts are looked after by their account's owner, some by an agent or by two, some by
-- nobody.
INSERT INTO public.contact_assignees (contact_id, user_id, assigned_at)
SELECT c.id, who, c.created_at
FROM public.contacts c LEFT JOIN public.accounts a ON a.id = c.account_id,
     pg_temp.roll(c.id, 'looked after', 100) AS chance,
     unnest(ARRAY[
       CASE WHEN chance < 10 THEN NULL
            WHEN chance < 18 THEN 34 + pg_temp.roll(c.id, 'agent', 4)
            ELSE coalesce(a.owner_id, 31 + pg_temp.roll(c.id, 'desk', 3)) END,
       CASE WHEN chance >= 90 THEN pg_temp.seller(c.id, 'second', c.team_id) END]) AS who
WHERE who IS NOT NULL
ORDER BY 1, 2 ON CONFLICT DO NOTHING;

INSERT INTO public.campaigns (id, name, channel, status, budget, starts_on, ends_on, owner_id,
  team_id, created_by, created_at, updated_at)
SELECT i, pg_temp.one_of(i, 'theme', ARRAY['Spring launch', 'Webinar', 'Trade fair', 'Win back',
         'Newsletter', 'Partner day']) || ' ' || (2024 + i / 16) || '/' || i,
       pg_temp.one_of(i, 'channel', ARRAY['email', 'web', 'fair', 'phone', 'social']),
       CASE WHEN i < 30 THEN 'done' WHEN i < 37 THEN 'running' ELSE 'planned' END,
       (1 + pg_temp.roll(i, 'budget', 40)) * 500, starts, starts + 20,
       27 + pg_temp.roll(i, 'who', 3), 11, 27, starts - interval '30 days',
       starts - interval '20 days'
FROM (SELECT i, date '2025-01-15' + i * 14 AS starts FROM generate_series(1, 40) i) planned;

INSERT INTO public.leads (id, company, full_name, email, phone, source, status, region,
  campaign_id, owner_id, team_id, created_by, created_at, updated_at)
SELECT i, pg_temp.last_name(i + 9000) || ' ' || pg_temp.one_of(i, 'firm', ARRAY['Trading', 'Studio',
         'Works', 'Services', 'Supplies']),
       pg_temp.first_name(i + 9000) || ' ' || pg_temp.last_name(i + 9500),
       'lead' || i || '@prospect.example',
       '+34 7' || (10000000 + pg_temp.roll(i, 'lead phone', 89999999)),
       pg_temp.one_of(i, 'source', ARRAY['web', 'fair', 'referral', 'campaign', 'cold call']),
       pg_temp.one_of(i, 'status', ARRAY['new', 'new', 'contacted', 'contacted', 'qualified',
         'converted', 'lost']),
       CASE team WHEN 5 THEN 'central' WHEN 6 THEN 'south' ELSE 'north' END,
       CASE WHEN pg_temp.roll(i, 'campaign', 3) = 0 THEN 1 + pg_temp.roll(i, 'which', 40) END,
       CASE WHEN pg_temp.roll(i, 'unowned', 8) <> 0 THEN pg_temp.seller(i, 'lead owner', team) END,
       team,
       CASE WHEN pg_temp.roll(i, 'by', 3) = 0 THEN 29 ELSE pg_temp.seller(i, 'lead by', team) END,
       made, made + pg_temp.roll(i, 'touched', 300) * interval '1 hour'
FROM (SELECT i, 3 + pg_temp.roll(i, 'lead team', 4) AS team, pg_temp.moment(i, 'lead', 300) AS made
      FROM generate_series(1, 1500) i) drawn;

-- Sales. What is sold belongs to the account's owner, now and then to a colleague.

INSERT INTO public.pipeline_stages (code, name, position, probability, is_open) VALUES
  ('new', 'New', 1, 10, true), ('qualified', 'Qualified', 2, 25, true),
  ('proposal', 'Proposal', 3, 50, true), ('negotiation', 'Negotiation', 4, 75, true),
  ('won', 'Won', 5, 100, false), ('lost', 'Lost', 6, 0, false);

INSERT INTO public.opportunities (id, name, account_id, contact_id, stage, amount, close_date,
  owner_id, team_id, created_by, created_at, updated_at)
SELECT i, a.name || ': ' || pg_temp.one_of(i, 'what', ARRAY['renewal', 'new site', 'extension',
         'first order', 'service contract']), a.id,
       (SELECT min(c.id) FROM public.contacts c WHERE c.account_id = a.id),
       pg_temp.one_of(i, 'stage', ARRAY['new', 'new', 'qualified', 'qualified', 'proposal',
         'proposal', 'negotiation', 'won', 'won', 'lost']),
       500 + pg_temp.roll(i, 'amount', 800) * 100,
       drawn.made::date + 30 + pg_temp.roll(i, 'close', 120), who, a.group_id, coalesce(who, 5),
       drawn.made, drawn.made + pg_temp.roll(i, 'touched', 400) * interval '1 hour'
FROM (SELECT i, 1 + pg_temp.roll(i, 'deal', 2000) AS account, pg_temp.moment(i, 'deal', 360) AS made
      FROM generate_series(1, 3000) i) drawn
JOIN public.accounts a ON a.id = drawn.account,
LATERAL (SELECT CASE WHEN pg_temp.roll(i, 'colleague', 7) = 0
                     THEN pg_temp.seller(i, 'colleague', a.group_id) ELSE a.owner_id END AS who) o
ORDER BY i;

INSERT INTO public.products (id, sku, name, family, is_active, created_at)
SELECT i, upper(left(family, 2)) || '-' || lpad(i::text, 4, '0'),
       pg_temp.one_of(i, 'line', ARRAY['Basic', 'Plus', 'Pro', 'Compact', 'Outdoor']) || ' '
         || pg_temp.one_of(i, 'thing', ARRAY['scanner', 'terminal', 'cabinet', 'licence', 'support',
           'printer', 'sensor', 'training']) || ' ' || i,
       family, pg_temp.roll(i, 'sold', 12) <> 0, '2025-01-10 09:00+00'
FROM (SELECT i, pg_temp.one_of(i, 'family', ARRAY['hardware', 'software', 'services']) AS family
      FROM generate_series(1, 200) i) drawn;
INSERT INTO public.price_lists (id, name, currency, valid_from) VALUES
  (1, 'Standard', 'EUR', '2026-01-01'), (2, 'Partners', 'EUR', '2026-01-01'),
  (3, 'Export', 'USD', '2026-01-01');
INSERT INTO public.price_list_items (price_list_id, product_id, unit_price)
SELECT l, p, round((20 + pg_temp.roll(p, 'price', 900)) * (ARRAY[1, 0.85, 1.1])[l], 2)
FROM generate_series(1, 3) l, generate_series(1, 200) p ORDER BY l, p;

INSERT INTO public.quotes (id, number, opportunity_id, status, valid_until, sent_at, owner_id,
  team_id, created_by, created_at, updated_at)
SELECT i, 'Q-' || lpad(i::text, 5, '0'), o.id, status, made::date + 45,
       CASE WHEN status <> 'draft' THEN made + interval '1 day' END, o.owner_id, o.team_id,
       coalesce(o.owner_id, 5), made, made + interval '1 day'
FROM (SELECT i, 1 + pg_temp.roll(i, 'quoted', 3000) AS deal,
             pg_temp.one_of(i, 'quote', ARRAY['draft', 'sent', 'sent', 'accepted', 'rejected'])
               AS status
      FROM generate_series(1, 2000) i) drawn
JOIN public.opportunities o ON o.id = drawn.deal,
LATERAL (SELECT o.created_at + interval '5 days' AS made) m ORDER BY i;
INSERT INTO public.quote_lines (quote_id, product_id, quantity, unit_price, discount)
SELECT q, product, 1 + pg_temp.roll(line, 'quantity', 20), p.unit_price,
       pg_temp.roll(line, 'discount', 4) * 5
FROM (SELECT q, q * 10 + n AS line, 1 + pg_temp.roll(q * 10 + n, 'product', 200) AS product
      FROM generate_series(1, 2000) q, generate_series(0, pg_temp.roll(q, 'lines', 5)) n) drawn
JOIN public.price_list_items p ON p.price_list_id = 1 AND p.product_id = product ORDER BY line;

INSERT INTO public.orders (id, number, account_id, quote_id, status, ordered_on, owner_id, team_id,
  created_by, created_at, updated_at)
SELECT row_number() OVER (ORDER BY q.id), 'O-' || lpad(q.id::text, 5, '0'), o.account_id, q.id,
       pg_temp.one_of(q.id, 'order', ARRAY['open', 'shipped', 'delivered', 'cancelled']),
       q.created_at::date + 7, q.owner_id, q.team_id, q.created_by,
       q.created_at + interval '7 days', q.created_at + interval '9 days'
FROM public.quotes q JOIN public.opportunities o ON o.id = q.opportunity_id
WHERE q.status = 'accepted' OR q.id % 3 = 0;
INSERT INTO public.order_lines (order_id, product_id, quantity, unit_price)
SELECT o.id, l.product_id, l.quantity, round(l.unit_price * (100 - l.discount) / 100, 2)
FROM public.orders o JOIN public.quote_lines l ON l.quote_id = o.quote_id ORDER BY o.id, l.id;
INSERT INTO public.sales_summary (month, team_id, stage, deals, amount)
SELECT date_trunc('month', created_at)::date, team_id, stage, count(*), sum(amount)
FROM public.opportunities WHERE team_id IS NOT NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

ANALYZE public.accounts, public.contacts, public.contact_assignees, public.opportunities;

-- Activities.

INSERT INTO public.tasks (id, subject, status, priority, due_on, account_id, opportunity_id,
  created_by, created_at, updated_at)
SELECT i, pg_temp.one_of(i, 'subject', ARRAY['Call back', 'Send catalogue', 'Prepare quote',
         'Check stock', 'Visit', 'Ask for references']) || ': ' || a.name,
       pg_temp.one_of(i, 'task', ARRAY['open', 'open', 'done', 'cancelled']),
       1 + pg_temp.roll(i, 'priority', 3), made::date + pg_temp.roll(i, 'due', 40), a.id,
       (SELECT min(o.id) FROM public.opportunities o
        WHERE o.account_id = a.id AND pg_temp.roll(i, 'deal', 2) = 0),
       CASE WHEN pg_temp.roll(i, 'by', 5) = 0 THEN 4 ELSE coalesce(a.owner_id, 5) END, made,
       made + interval '3 hours'
FROM (SELECT i, 1 + pg_temp.roll(i, 'task of', 2000) AS account,
             pg_temp.moment(i, 'task', 120) AS made FROM generate_series(1, 4000) i) drawn
JOIN public.accounts a ON a.id = drawn.account ORDER BY i;
INSERT INTO public.task_assignees (task_id, user_id)
SELECT t.id, who FROM public.tasks t JOIN public.accounts a ON a.id = t.account_id,
     unnest(ARRAY[CASE WHEN pg_temp.roll(t.id, 'taken', 15) <> 0 THEN a.owner_id END,
                  CASE WHEN pg_temp.roll(t.id, 'helped', 6) = 0
                       THEN pg_temp.seller(t.id, 'helper', a.group_id) END]) AS who
WHERE who IS NOT NULL ORDER BY 1, 2 ON CONFLICT DO NOTHING;

INSERT INTO public.events (id, title, starts_at, ends_at, place, account_id, owner_id, created_by,
  created_at, updated_at)
SELECT i, pg_temp.one_of(i, 'event', ARRAY['Visit', 'Demo', 'Review', 'Kick-off', 'Lunch']) || ' '
         || a.name, starts, starts + (1 + pg_temp.roll(i, 'long', 4)) * interval '30 min',
       pg_temp.one_of(i, 'place', ARRAY['Customer''s', 'Office', 'Video']), a.id,
       coalesce(a.owner_id, 31), coalesce(a.owner_id, 31), starts - interval '9 days',
       starts - interval '8 days'
FROM (SELECT i, 1 + pg_temp.roll(i, 'event of', 2000) AS account,
             date_trunc('hour', pg_temp.moment(i, 'event', 200)) + interval '40 days' AS starts
      FROM generate_series(1, 3000) i) drawn
JOIN public.accounts a ON a.id = drawn.account ORDER BY i;
INSERT INTO public.event_attendees (event_id, contact_id, answer)
SELECT e.id, c.id, pg_temp.one_of(e.id * 7 + c.id, 'answer', ARRAY['yes', 'yes', 'no', 'maybe'])
FROM public.events e JOIN public.contacts c ON c.account_id = e.account_id
WHERE pg_temp.roll(e.id + c.id, 'invited', 2) = 0 ORDER BY 1, 2;

INSERT INTO public.email_templates (id, name, subject, body, owner_id, created_by)
SELECT i, 'Template ' || i, pg_temp.one_of(i, 'mail', ARRAY['Our offer', 'Thank you', 'News']),
       'Dear {first_name}, …', 27 + pg_temp.roll(i, 'writer', 3), 27
FROM generate_series(1, 20) i;
INSERT INTO public.emails (id, contact_id, opportunity_id, template_id, direction, subject, body,
  sent_at, owner_id, created_by)
SELECT i, c.id, deal.id,
       CASE WHEN direction = 'out' AND i % 4 = 0 THEN 1 + i % 20 END, direction,
       pg_temp.one_of(i, 'mail', ARRAY['Your quote', 'Delivery', 'Meeting', 'Invoice', 'Question']),
       'Dear ' || c.first_name || ', …', pg_temp.moment(i, 'mail', 200), who.user_id, who.user_id
FROM (SELECT i, 1 + pg_temp.roll(i, 'mail of', 5000) AS contact,
             pg_temp.one_of(i, 'direction', ARRAY['in', 'out']) AS direction
      FROM generate_series(1, 6000) i) drawn
JOIN public.contacts c ON c.id = drawn.contact
LEFT JOIN LATERAL (SELECT min(l.user_id) AS user_id FROM public.contact_assignees l
                   WHERE l.contact_id = c.id) who ON true
LEFT JOIN (SELECT contact_id, min(id) AS id FROM public.opportunities GROUP BY 1) deal
       ON deal.contact_id = c.id ORDER BY i;

-- Support.

INSERT INTO public.tickets (id, subject, status, priority, account_id, contact_id, owner_id,
  team_id, created_by, created_at, updated_at)
SELECT i, pg_temp.one_of(i, 'ticket', ARRAY['Broken scanner', 'Wrong invoice', 'Late delivery',
         'Cannot sign in', 'Missing part', 'Question about licence', 'Return']) || ' #' || i,
       pg_temp.one_of(i, 'state', ARRAY['new', 'open', 'open', 'waiting', 'resolved', 'closed',
         'closed'])::public.ticket_status,
       1 + pg_temp.roll(i, 'priority', 3), c.account_id, c.id,
       CASE WHEN pg_temp.roll(i, 'taken', 8) <> 0 THEN 31 + pg_temp.roll(i, 'desk', 3) END, 8,
       CASE WHEN pg_temp.roll(i, 'by', 3) <> 0 THEN 31 + pg_temp.roll(i, 'desk', 3)
            ELSE coalesce(c.created_by, 28) END,
       made, made + interval '2 days'
FROM (SELECT i, 1 + pg_temp.roll(i, 'ticket of', 5000) AS contact,
             pg_temp.moment(i, 'ticket', 250) AS made FROM generate_series(1, 3000) i) drawn
JOIN public.contacts c ON c.id = drawn.contact ORDER BY i;
INSERT INTO public.ticket_history (ticket_id, old_status, new_status, changed_at)
SELECT t.id, lag(step) OVER (PARTITION BY t.id ORDER BY step), step,
       t.created_at + row_number() OVER (PARTITION BY t.id ORDER BY step) * interval '9 hours'
FROM public.tickets t, unnest(enum_range(NULL, t.status)) AS step ORDER BY t.id, step;

INSERT INTO public.conversations (id, contact_id, channel, status, owner_id, team_id, created_at,
  updated_at)
SELECT md5('conversation ' || i)::uuid, 1 + pg_temp.roll(i, 'talk', 5000),
       pg_temp.one_of(i, 'channel', ARRAY['web', 'whatsapp', 'whatsapp', 'email', 'phone']),
       pg_temp.one_of(i, 'talking', ARRAY['open', 'closed', 'closed']),
       CASE WHEN pg_temp.roll(i, 'taken', 10) <> 0 THEN agent END,
       CASE WHEN agent < 36 THEN 9 ELSE 10 END, made, made + interval '1 hour'
FROM (SELECT i, 34 + pg_temp.roll(i, 'agent', 4) AS agent, pg_temp.moment(i, 'talk', 90) AS made
      FROM generate_series(1, 1500) i) drawn ORDER BY i;
INSERT INTO public.messages (conversation_id, author_id, body, sent_at)
SELECT c.id, CASE WHEN n % 2 = 0 THEN c.owner_id END,
       (ARRAY['Hello, is my order on its way?', 'Let me look, one moment.', 'Thank you.',
              'It arrives tomorrow.', 'Great, bye.'])[n], c.created_at + n * interval '4 min'
FROM generate_series(1, 1500) i
JOIN public.conversations c ON c.id = md5('conversation ' || i)::uuid,
     generate_series(1, 3 + pg_temp.roll(i, 'messages', 3)) n ORDER BY i, n;
INSERT INTO public.agent_status (user_id, status, open_conversations, last_seen_at)
SELECT s.user_id, pg_temp.one_of(s.user_id, 'status', ARRAY['online', 'away', 'offline']),
       count(c.id) FILTER (WHERE c.status = 'open'), max(c.updated_at)
FROM public.agent_settings s LEFT JOIN public.conversations c ON c.owner_id = s.user_id
GROUP BY s.user_id ORDER BY s.user_id;

-- What hangs on records of several kinds.

INSERT INTO public.notes (id, record_type, record_id, body, created_by, created_at)
SELECT i, kind, record, pg_temp.one_of(i, 'note', ARRAY['Prefers to be called in the morning.',
         'Asked for a discount.', 'Moves office in autumn.', 'Sent the brochure.']),
       CASE kind WHEN 'ticket' THEN 31 + i % 3 ELSE 6 + i % 19 END, pg_temp.moment(i, 'note', 200)
FROM (SELECT i, kind, 1 + pg_temp.roll(i, 'noted', CASE kind WHEN 'account' THEN 2000
               WHEN 'contact' THEN 5000 WHEN 'lead' THEN 1500 ELSE 3000 END) AS record
      FROM (SELECT i, pg_temp.one_of(i, 'kind', ARRAY['account', 'contact', 'lead', 'opportunity',
                     'ticket']) AS kind FROM generate_series(1, 6000) i) k) drawn ORDER BY i;
INSERT INTO public.calls (id, record_type, record_id, direction, seconds, outcome, called_at,
  owner_id, created_by)
SELECT i, kind, record, pg_temp.one_of(i, 'direction', ARRAY['in', 'out']),
       pg_temp.roll(i, 'seconds', 1200), pg_temp.one_of(i, 'outcome', ARRAY['reached', 'no answer',
         'call back']), pg_temp.moment(i, 'call', 150), coalesce(who, 32), coalesce(who, 32)
FROM (SELECT i, kind, 1 + pg_temp.roll(i, 'called', CASE kind WHEN 'account' THEN 2000
               WHEN 'contact' THEN 5000 ELSE 1500 END) AS record
      FROM (SELECT i, pg_temp.one_of(i, 'kind', ARRAY['account', 'contact', 'contact', 'lead'])
                   AS kind FROM generate_series(1, 4000) i) k) drawn,
LATERAL (SELECT CASE kind
           WHEN 'account' THEN (SELECT owner_id FROM public.accounts WHERE id = record)
           WHEN 'lead' THEN (SELECT owner_id FROM public.leads WHERE id = record)
           ELSE (SELECT min(user_id) FROM public.contact_assignees WHERE contact_id = record)
         END AS who) w ORDER BY i;

-- Marketing, reporting, configuration.

INSERT INTO public.mailing_lists (id, name, owner_id, created_by, created_at)
SELECT i, 'List ' || i || ': ' || pg_temp.one_of(i, 'list', ARRAY['customers', 'partners']),
       27 + pg_temp.roll(i, 'who', 3), 27, '2025-09-01 09:00+00' FROM generate_series(1, 20) i;
INSERT INTO public.mailing_list_members (list_id, contact_id, added_at)
SELECT DISTINCT 1 + pg_temp.roll(i, 'list', 20), 1 + pg_temp.roll(i, 'subscriber', 5000),
       timestamptz '2025-10-01 09:00+00' FROM generate_series(1, 4000) i ORDER BY 1, 2;
INSERT INTO public.dashboards (id, name, layout, owner_id, created_by, updated_at)
SELECT i, 'Dashboard ' || i, '["pipeline", "activity"]', who, who, pg_temp.moment(i, 'board', 100)
FROM generate_series(1, 40) i, pg_temp.one_of(i, 'board of', ARRAY[2, 4, 5, 25, 26, 27]) AS who;
INSERT INTO public.reports (id, name, query, owner_id, created_by, updated_at)
SELECT i, 'Report ' || i, 'SELECT stage, count(*) FROM opportunities GROUP BY stage', who, who,
       pg_temp.moment(i, 'report', 100)
FROM generate_series(1, 60) i, pg_temp.one_of(i, 'report of', ARRAY[2, 4, 5, 25, 26, 27]) AS who;
INSERT INTO public.charts (id, dashboard_id, report_id, kind, title)
SELECT i, 1 + pg_temp.roll(i, 'board', 40), 1 + pg_temp.roll(i, 'report', 60),
       pg_temp.one_of(i, 'chart', ARRAY['bar', 'line', 'pie', 'number']), 'Chart ' || i
FROM generate_series(1, 100) i;
INSERT INTO public.forms (id, name, definition, created_by)
VALUES (1, 'Contact us', '{"fields": ["name", "email"]}', 1), (2, 'Survey', '{}', 1);
INSERT INTO public.workflows (id, name, event, created_by) VALUES
  (1, 'Greet leads', 'lead created', 1), (2, 'Ask for a rating', 'ticket closed', 1);
INSERT INTO public.workflow_steps (workflow_id, position, action) VALUES
  (1, 1, 'assign'), (1, 2, 'send mail'), (2, 1, 'send mail');
INSERT INTO public.custom_fields (id, table_name, name, type) VALUES
  (1, 'accounts', 'segment', 'choice'), (2, 'accounts', 'newsletter', 'choice');
INSERT INTO public.mail_accounts (id, user_id, address, server, last_sync_at)
SELECT id, id, email, 'imap.crm.example', pg_temp.moment(id, 'sync', 2)
FROM public.users WHERE is_active ORDER BY id;

-- Billing.

INSERT INTO public.billing_profiles (account_id, tax_number, iban)
SELECT i, 'B' || lpad(pg_temp.roll(i, 'tax', 99999999)::text, 8, '0'),
       'ES00' || lpad(pg_temp.roll(i, 'bank', 99999999)::text, 20, '0')
FROM generate_series(1, 1200) i;
INSERT INTO public.invoices (id, number, account_id, order_id, status, issued_on, due_on, total)
SELECT o.id, 'F-' || lpad(o.id::text, 5, '0'), o.account_id, o.id,
       pg_temp.one_of(o.id, 'invoice', ARRAY['issued', 'paid', 'paid', 'overdue']),
       o.ordered_on + 3, o.ordered_on + 33, l.total
FROM public.orders o, LATERAL (SELECT coalesce(sum(round(quantity * unit_price, 2)), 0) AS total
                               FROM public.order_lines WHERE order_id = o.id) l
WHERE o.status <> 'cancelled' AND l.total > 0 ORDER BY o.id;
INSERT INTO public.invoice_lines (invoice_id, description, amount)
SELECT i.id, p.name, round(l.quantity * l.unit_price, 2)
FROM public.invoices i JOIN public.order_lines l USING (order_id)
JOIN public.products p ON p.id = l.product_id ORDER BY i.id, l.id;
INSERT INTO public.payments (invoice_id, amount, paid_on, method)
SELECT id, total, issued_on + 20, pg_temp.one_of(id, 'method', ARRAY['transfer', 'card', 'debit'])
FROM public.invoices WHERE status = 'paid' ORDER BY id;
INSERT INTO public.account_statements (account_id, month, balance)
SELECT a, date '2026-01-01' + n * interval '1 month', pg_temp.roll(a * 10 + n, 'owed', 90000) / 10.0
FROM generate_series(1, 300) a, generate_series(0, 5) n ORDER BY a, n;

INSERT INTO public.activity_log (id, occurred_at, actor, verb, record_type, record_id)
SELECT i, moment, u.login, verb, 'account', record
FROM (SELECT i, pg_temp.moment(i, 'log', 240) AS moment, 1 + pg_temp.roll(i, 'log by', 39) AS actor,
             pg_temp.one_of(i, 'verb', ARRAY['viewed', 'viewed', 'edited', 'created']) AS verb,
             1 + pg_temp.roll(i, 'log of', 2000) AS record FROM generate_series(1, 20000) i) drawn
JOIN public.users u ON u.id = drawn.actor ORDER BY i;

-- Identity columns go on after the rows loaded above; every person logs in by name.
DO $$ DECLARE col record; top bigint;
BEGIN
  FOR col IN SELECT attrelid::regclass::text AS tab FROM pg_attribute
             WHERE attidentity <> '' AND attrelid::regclass::text !~ '^pg_|\.' ORDER BY 1
  LOOP
    EXECUTE format('SELECT max(id) FROM public.%I', col.tab) INTO top;
    PERFORM setval(pg_get_serial_sequence(format('public.%I', col.tab), 'id'), top);
  END LOOP;
END $$;
RESET ROLE;
DO $$ DECLARE person text;
BEGIN
  FOR person IN SELECT login FROM public.users ORDER BY login LOOP
    IF to_regrole(quote_ident(person)) IS NULL THEN
      EXECUTE format('CREATE ROLE %I LOGIN', person);
    END IF;
    EXECUTE format('GRANT crm_users TO %I', person);
  END LOOP;
END $$;
COMMIT;
ANALYZE;
RESET timezone;
RESET client_min_messages;
