-- Records of the benchmark, the same in every run. psql's variables: rows (of contacts), users,
-- groups.
CREATE TABLE contacts (id int NOT NULL, name text NOT NULL, email text NOT NULL, owner_id int NOT NULL,
  group_id int NOT NULL, region text NOT NULL, amount numeric(12, 2) NOT NULL,
  created_at timestamptz NOT NULL, profile jsonb NOT NULL, search tsvector NOT NULL,
  calls int NOT NULL DEFAULT 0) WITH (fillfactor = 90);
CREATE TABLE deals (id int NOT NULL, contact_id int NOT NULL, project_id int NOT NULL, owner_id int NOT NULL,
  stage text NOT NULL, amount numeric(12, 2) NOT NULL);
CREATE TABLE projects (id int NOT NULL, name text NOT NULL, region text NOT NULL,
  amount numeric(12, 2) NOT NULL, created_at timestamptz NOT NULL);
CREATE TABLE project_owners (project_id int NOT NULL, user_id int NOT NULL);
CREATE TABLE notes (id int NOT NULL, contact_id int NOT NULL, created_at timestamptz NOT NULL,
  body text NOT NULL);
CREATE TABLE tickets (id int NOT NULL, contact_id int NOT NULL, owner_id int NOT NULL,
  created_at timestamptz NOT NULL, subject text NOT NULL);
CREATE TABLE shares (user_id int NOT NULL, contact_id int NOT NULL);

-- A number below `n` that looks like chance.
CREATE FUNCTION pg_temp.pick(i int, seed int, n int) RETURNS int LANGUAGE sql IMMUTABLE
  RETURN abs(hashint4extended(i, seed) % n)::int;
CREATE FUNCTION pg_temp.syllable(n int) RETURNS text LANGUAGE sql IMMUTABLE
  RETURN substr('bdfklmnr', n % 8 + 1, 1) || substr('aeiou', n / 8 + 1, 1);
-- A time of the last three years, another for each `i`.
CREATE FUNCTION pg_temp.moment(i int, n int) RETURNS timestamptz LANGUAGE sql IMMUTABLE
  RETURN timestamptz '2026-01-01 00:00:00+00'
    - make_interval(secs => (i::bigint * 7919 % n) * 94608000.0 / n);

INSERT INTO contacts
  SELECT i, initcap(first) || ' ' || initcap(last), last || '.' || first || i || '@example.org',
    1 + pg_temp.pick(i, 5, :users), 1 + pg_temp.pick(i, 6, :groups),
    'R' || lpad(pg_temp.pick(i, 7, 50)::text, 2, '0'), pg_temp.pick(i, 8, 100000) / 100.0,
    pg_temp.moment(i, :rows),
    jsonb_build_object('code', pg_temp.pick(i, 9, :rows / 100), 'score', pg_temp.pick(i, 10, 100)),
    to_tsvector('simple', initcap(first) || ' w' || pg_temp.pick(i, 11, :rows / 20) || ' w'
      || pg_temp.pick(i, 12, :rows / 20) || ' w' || pg_temp.pick(i, 13, :rows / 20))
  FROM generate_series(1, :rows) AS i,
    LATERAL (SELECT pg_temp.syllable(pg_temp.pick(i, 0, 40)) || pg_temp.syllable(pg_temp.pick(i, 1, 40)),
      pg_temp.syllable(pg_temp.pick(i, 2, 40)) || pg_temp.syllable(pg_temp.pick(i, 3, 40))
        || pg_temp.syllable(pg_temp.pick(i, 4, 40))) AS n (first, last);
INSERT INTO projects
  SELECT i, 'Project ' || i, 'R' || lpad(pg_temp.pick(i, 20, 50)::text, 2, '0'),
    pg_temp.pick(i, 21, 100000) / 100.0, pg_temp.moment(i, :rows / 2)
  FROM generate_series(1, :rows / 2) AS i;
INSERT INTO deals
  SELECT i, c.id, 1 + pg_temp.pick(i, 31, :rows / 2), c.owner_id,
    (ARRAY['open', 'offer', 'won', 'lost'])[1 + pg_temp.pick(i, 32, 4)], pg_temp.pick(i, 33, 100000) / 100.0
  FROM generate_series(1, :rows / 2) AS i
    JOIN contacts AS c ON c.id = 1 + pg_temp.pick(i, 30, :rows);
-- One owner each, and a second for every fifth project.
INSERT INTO project_owners SELECT i, 1 + pg_temp.pick(i, 40, :users) FROM generate_series(1, :rows / 2) AS i;
INSERT INTO project_owners
  SELECT i, 1 + (pg_temp.pick(i, 40, :users) + 1) % :users FROM generate_series(5, :rows / 2, 5) AS i;
INSERT INTO notes
  SELECT i, 1 + pg_temp.pick(i, 50, :rows), pg_temp.moment(i, :rows), 'Called, and will call again in week ' || i % 53
  FROM generate_series(1, :rows) AS i;
INSERT INTO tickets
  SELECT i, 1 + pg_temp.pick(i, 60, :rows), 1 + pg_temp.pick(i, 61, :users), pg_temp.moment(i, :rows / 5),
    'Ticket ' || i
  FROM generate_series(1, :rows / 5) AS i;
INSERT INTO shares
  SELECT DISTINCT 1 + pg_temp.pick(i, 70, :users), 1 + pg_temp.pick(i, 71, :rows)
  FROM generate_series(1, :rows / 10) AS i;
