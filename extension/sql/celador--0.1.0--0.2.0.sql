-- complain if the script is read by psql, not by CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION celador UPDATE TO '0.2.0'" to load this file. \quit

-- Staying: versions, releases of the server, and what every version keeps.

-- Which version of the library compiled the policy: no other one reads it. NULL: 0.1.0. Changing
-- this table, as each upgrade does, also tells sessions that are open that the objects have changed.
ALTER TABLE celador.policy ADD COLUMN compiled_by text;

-- The document in a form that is read fast; its text is NULL where celador.change_cell made it.
ALTER TABLE celador.policy ADD COLUMN parsed text, ALTER COLUMN document DROP NOT NULL,
  ADD CHECK (document IS NOT NULL OR parsed IS NOT NULL);

-- Sessions that hold the library of 0.1.0 don't say whom a change concerns, and can't run this.
CREATE OR REPLACE FUNCTION celador.directory_changed() RETURNS trigger
  AS 'MODULE_PATHNAME', 'directory_rows_changed_wrapper' LANGUAGE c;

CREATE FUNCTION celador.change_cell(role text, module text, action text, scopes jsonb, reason text DEFAULT NULL,
    base integer DEFAULT NULL) RETURNS integer
  AS 'MODULE_PATHNAME', 'change_cell_wrapper' LANGUAGE c;
REVOKE ALL ON FUNCTION celador.change_cell(text, text, text, jsonb, text, integer) FROM PUBLIC;

CREATE FUNCTION celador.server_minor_ok() RETURNS boolean
  AS 'MODULE_PATHNAME', 'server_minor_ok_wrapper' LANGUAGE c STABLE;
REVOKE ALL ON FUNCTION celador.server_minor_ok() FROM PUBLIC;

-- A session keeps the libraries that it began with: one that a pool has held open since before the
-- library was preloaded gets errors on protected tables.
CREATE FUNCTION celador.sessions_from_before(moment timestamptz DEFAULT NULL,
    OUT pid integer, OUT role name, OUT application text, OUT client inet, OUT begun timestamptz)
  RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
    SELECT a.pid, a.usename, a.application_name, a.client_addr, a.backend_start
    FROM pg_stat_activity AS a
    WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.pid <> pg_backend_pid()
      AND a.backend_start < COALESCE(moment, (SELECT min(p.loaded_at) FROM celador.policy AS p))
    ORDER BY a.backend_start
  $$;
REVOKE ALL ON FUNCTION celador.sessions_from_before(timestamptz) FROM PUBLIC;

-- Trying and watching.

-- Every change of policy and protection: who, when, what, why. Rows are added, and stay. A restore adds
-- those that were dumped beside those that it makes itself, so numbers may come twice.
CREATE TABLE celador.changes (
  change bigint GENERATED ALWAYS AS IDENTITY,
  at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  by name NOT NULL DEFAULT SESSION_USER,
  kind text NOT NULL,
  object text NOT NULL,
  reason text
);
SELECT pg_catalog.pg_extension_config_dump('celador.changes', '');
SELECT pg_catalog.pg_extension_config_dump('celador.changes_change_seq', '');

CREATE FUNCTION celador.changes_stay() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  AS $$
  BEGIN
    RAISE EXCEPTION 'celador.changes keeps what was noted'
      USING ERRCODE = 'insufficient_privilege', HINT = 'Rows can be added, and not changed or removed.';
  END
  $$;
CREATE TRIGGER changes_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON celador.changes
  FOR EACH STATEMENT EXECUTE FUNCTION celador.changes_stay();
ALTER TABLE celador.changes ENABLE ALWAYS TRIGGER changes_stay;

-- What is written to the tables that the policy consists of is noted, by whatever way it came.
CREATE FUNCTION celador.note_change() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$
  DECLARE
    what text := lower(TG_OP);
    it jsonb;
  BEGIN
    -- A revision is large, and little of it is noted.
    IF TG_TABLE_NAME = 'policy' AND what IN ('insert', 'update') THEN
      it := jsonb_build_object('revision', NEW.revision, 'reason', NEW.reason);
    ELSIF what IN ('insert', 'update') THEN
      it := to_jsonb(NEW);
    ELSIF what = 'delete' THEN
      it := to_jsonb(OLD);
    END IF;
    INSERT INTO celador.changes (kind, object, reason)
    SELECT
      CASE
        WHEN what = 'truncate' THEN 'empty'
        WHEN TG_TABLE_NAME = 'policy' AND what = 'insert' THEN 'load'
        WHEN TG_TABLE_NAME = 'policy' THEN what || ' revision'
        WHEN TG_TABLE_NAME = 'protected' THEN CASE what WHEN 'insert' THEN 'protect' ELSE 'unprotect' END
        WHEN TG_TABLE_NAME = 'guarded_owners' THEN
          CASE what WHEN 'insert' THEN 'guard owner' WHEN 'delete' THEN 'unguard owner' ELSE 'update guarded owner' END
        WHEN TG_TABLE_NAME = 'registered_views' THEN
          CASE what WHEN 'insert' THEN 'register view' WHEN 'delete' THEN 'unregister view' ELSE 'update view' END
        ELSE
          CASE what WHEN 'insert' THEN 'add maintenance role' WHEN 'delete' THEN 'remove maintenance role'
            ELSE 'update maintenance role' END
      END,
      coalesce(CASE WHEN TG_TABLE_NAME = 'policy' THEN 'revision ' || (it->>'revision')
        ELSE coalesce(it->>'relation', it->>'view', it->>'role') END, TG_TABLE_NAME),
      CASE WHEN TG_TABLE_NAME = 'policy' THEN it->>'reason' END;
    RETURN NULL;
  END
  $$;
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON celador.policy
  FOR EACH ROW EXECUTE FUNCTION celador.note_change();
CREATE TRIGGER note_change AFTER INSERT OR DELETE ON celador.protected
  FOR EACH ROW EXECUTE FUNCTION celador.note_change();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON celador.registered_views
  FOR EACH ROW EXECUTE FUNCTION celador.note_change();
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON celador.maintenance_roles
  FOR EACH ROW EXECUTE FUNCTION celador.note_change();
CREATE TRIGGER note_emptied AFTER TRUNCATE ON celador.policy
  FOR EACH STATEMENT EXECUTE FUNCTION celador.note_change();
CREATE TRIGGER note_emptied AFTER TRUNCATE ON celador.protected
  FOR EACH STATEMENT EXECUTE FUNCTION celador.note_change();
CREATE TRIGGER note_emptied AFTER TRUNCATE ON celador.registered_views
  FOR EACH STATEMENT EXECUTE FUNCTION celador.note_change();
CREATE TRIGGER note_emptied AFTER TRUNCATE ON celador.maintenance_roles
  FOR EACH STATEMENT EXECUTE FUNCTION celador.note_change();
ALTER TABLE celador.policy ENABLE ALWAYS TRIGGER note_change, ENABLE ALWAYS TRIGGER note_emptied;
ALTER TABLE celador.protected ENABLE ALWAYS TRIGGER note_change, ENABLE ALWAYS TRIGGER note_emptied;
ALTER TABLE celador.registered_views ENABLE ALWAYS TRIGGER note_change, ENABLE ALWAYS TRIGGER note_emptied;
ALTER TABLE celador.maintenance_roles ENABLE ALWAYS TRIGGER note_change, ENABLE ALWAYS TRIGGER note_emptied;
REVOKE ALL ON FUNCTION celador.changes_stay(), celador.note_change() FROM PUBLIC;

-- Modules that are observed: nothing is enforced on their tables, and what would be is counted.
ALTER TABLE celador.protected ADD COLUMN observed boolean NOT NULL DEFAULT false;
CREATE FUNCTION celador.observes_nobody(module text, action text, writing boolean) RETURNS boolean
  AS 'MODULE_PATHNAME', 'observes_nobody_wrapper' LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 100;
CREATE FUNCTION celador.observe(module text, action text, writing boolean, allowed boolean) RETURNS boolean
  AS 'MODULE_PATHNAME', 'observe_wrapper' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100;
CREATE FUNCTION celador.observed(OUT "user" text, OUT login text, OUT module text, OUT action text,
    OUT rows_hidden bigint, OUT writes_refused bigint, OUT statements bigint,
    OUT first_seen timestamptz, OUT last_seen timestamptz)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'observed_wrapper' LANGUAGE c;
CREATE FUNCTION celador.reset_observed() RETURNS void
  AS 'MODULE_PATHNAME', 'reset_observed_wrapper' LANGUAGE c;

-- For monitoring.
CREATE FUNCTION celador.stats(OUT name text, OUT value bigint, OUT scope text) RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'stats_wrapper' LANGUAGE c;
CREATE FUNCTION celador.denials(OUT first_at timestamptz, OUT last_at timestamptz, OUT times bigint,
    OUT "user" text, OUT login text, OUT kind text, OUT module text, OUT relation text, OUT action text, OUT scope text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'denials_wrapper' LANGUAGE c;

-- Before a change goes live: whoever may call these may read as anybody.
CREATE FUNCTION celador.simulate("user" text, sql text) RETURNS SETOF jsonb
  AS 'MODULE_PATHNAME', 'simulate_wrapper' LANGUAGE c;
CREATE FUNCTION celador.simulate_plan("user" text, sql text) RETURNS SETOF text
  AS 'MODULE_PATHNAME', 'simulate_plan_wrapper' LANGUAGE c;
CREATE FUNCTION celador.explain_plan("user" text, sql text, OUT kind text, OUT relation text, OUT condition text, OUT result text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'explain_plan_wrapper' LANGUAGE c;
CREATE FUNCTION celador.simulate_policy(document text, users text[] DEFAULT NULL,
    OUT relation text, OUT "user" text, OUT action text, OUT before bigint, OUT after bigint)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'simulate_policy_wrapper' LANGUAGE c;
REVOKE ALL ON FUNCTION
  celador.observed(), celador.reset_observed(), celador.stats(), celador.denials(),
  celador.simulate(text, text), celador.simulate_plan(text, text), celador.explain_plan(text, text), celador.simulate_policy(text, text[])
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION celador.stats() TO pg_monitor;

-- Ownership and leaving ------------------------------------------------------------------------

-- What celador.adopt found: owners, rights, and what it granted instead.
CREATE TABLE celador.adopted (
  schema name NOT NULL,
  kind text NOT NULL,
  identity text NOT NULL,
  relation regclass,
  owner regrole NOT NULL,
  app regrole NOT NULL,
  found_owner regrole NOT NULL,
  -- As the catalog held it; NULL where it did.
  acl text,
  -- By number of column: the rights found, and the letters of those granted.
  columns jsonb NOT NULL DEFAULT '{}',
  -- By role: the letters of the rights granted.
  granted jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (schema, kind, identity)
);

-- Owners that log in, and define nothing but temporary objects.
CREATE TABLE celador.guarded_owners (
  role regrole PRIMARY KEY,
  named_by name NOT NULL DEFAULT SESSION_USER,
  named_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

-- Tables that are closed for a migration.
CREATE TABLE celador.paused (
  relation regclass PRIMARY KEY REFERENCES celador.protected ON DELETE CASCADE,
  paused_by name NOT NULL DEFAULT SESSION_USER,
  paused_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  reason text
);

-- Tables that a superuser has unprotected, until the next load.
CREATE TABLE celador.left_out (
  relation regclass PRIMARY KEY,
  left_out_by name NOT NULL DEFAULT SESSION_USER,
  left_out_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON celador.adopted
  FOR EACH STATEMENT EXECUTE FUNCTION celador.policy_changed();
CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON celador.guarded_owners
  FOR EACH STATEMENT EXECUTE FUNCTION celador.policy_changed();
CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON celador.paused
  FOR EACH STATEMENT EXECUTE FUNCTION celador.policy_changed();
ALTER TABLE celador.adopted ENABLE ALWAYS TRIGGER policy_changed;
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON celador.guarded_owners
  FOR EACH ROW EXECUTE FUNCTION celador.note_change();
CREATE TRIGGER note_emptied AFTER TRUNCATE ON celador.guarded_owners
  FOR EACH STATEMENT EXECUTE FUNCTION celador.note_change();
ALTER TABLE celador.guarded_owners ENABLE ALWAYS TRIGGER policy_changed,
  ENABLE ALWAYS TRIGGER note_change, ENABLE ALWAYS TRIGGER note_emptied;
ALTER TABLE celador.paused ENABLE ALWAYS TRIGGER policy_changed;

SELECT pg_catalog.pg_extension_config_dump('celador.adopted', '');
SELECT pg_catalog.pg_extension_config_dump('celador.guarded_owners', '');
SELECT pg_catalog.pg_extension_config_dump('celador.paused', '');
SELECT pg_catalog.pg_extension_config_dump('celador.left_out', '');

CREATE FUNCTION celador.adopt(schemas text[], owner text, app text, create_owner boolean DEFAULT false) RETURNS bigint
  AS 'MODULE_PATHNAME', 'adopt_wrapper' LANGUAGE c STRICT;
CREATE FUNCTION celador.adopt(schema text, owner text, app text, create_owner boolean DEFAULT false) RETURNS bigint
  LANGUAGE sql STRICT SET search_path = pg_catalog, pg_temp
  AS $$ SELECT celador.adopt(ARRAY[schema], owner, app, create_owner) $$;
CREATE FUNCTION celador.plan_adopt(schemas text[], owner text, app text, create_owner boolean DEFAULT false,
    OUT step integer, OUT change text, OUT relation text, OUT lock text, OUT ddl text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'plan_adopt_wrapper' LANGUAGE c STRICT;
CREATE FUNCTION celador.plan_adopt(schema text, owner text, app text, create_owner boolean DEFAULT false,
    OUT step integer, OUT change text, OUT relation text, OUT lock text, OUT ddl text)
  RETURNS SETOF record LANGUAGE sql STRICT SET search_path = pg_catalog, pg_temp
  AS $$ SELECT * FROM celador.plan_adopt(ARRAY[schema], owner, app, create_owner) $$;
CREATE FUNCTION celador.release(schema text) RETURNS bigint
  AS 'MODULE_PATHNAME', 'release_wrapper' LANGUAGE c STRICT;
CREATE FUNCTION celador.plan_release(schema text,
    OUT step integer, OUT change text, OUT relation text, OUT lock text, OUT ddl text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'plan_release_wrapper' LANGUAGE c STRICT;

CREATE FUNCTION celador.guard_owner(role regrole) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.guarded_owners (role) VALUES (role) ON CONFLICT DO NOTHING $$;
CREATE FUNCTION celador.unguard_owner(role regrole) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  AS $$
  DECLARE
    served regclass;
  BEGIN
    SELECT x.relation INTO served FROM celador.protected AS x JOIN pg_class AS c ON c.oid = x.relation
      JOIN pg_roles AS r ON r.oid = c.relowner
      WHERE c.relowner = unguard_owner.role AND r.rolcanlogin AND NOT r.rolsuper LIMIT 1;
    IF FOUND THEN
      RAISE EXCEPTION '% owns %, which is protected, and can log in', unguard_owner.role, served
        USING ERRCODE = 'object_not_in_prerequisite_state',
          HINT = 'Adopt its schemas first: SELECT celador.adopt(schema, owner, app).';
    END IF;
    DELETE FROM celador.guarded_owners AS g WHERE g.role = unguard_owner.role;
  END
  $$;

CREATE FUNCTION celador.pause("table" regclass, reason text DEFAULT NULL) RETURNS void
  AS 'MODULE_PATHNAME', 'pause_wrapper' LANGUAGE c;
CREATE FUNCTION celador.resume("table" regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'resume_wrapper' LANGUAGE c;
CREATE FUNCTION celador.paused(OUT relation regclass, OUT paused_by name, OUT paused_at timestamptz, OUT reason text)
  RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$ SELECT z.relation, z.paused_by, z.paused_at, z.reason FROM celador.paused AS z ORDER BY z.relation::text $$;

CREATE FUNCTION celador.unprotect("table" regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'unprotect_wrapper' LANGUAGE c STRICT;
CREATE FUNCTION celador.uninstall() RETURNS void
  AS 'MODULE_PATHNAME', 'uninstall_wrapper' LANGUAGE c;
CREATE FUNCTION celador.plan_uninstall(OUT step integer, OUT change text, OUT relation text, OUT lock text, OUT ddl text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'plan_uninstall_wrapper' LANGUAGE c;

REVOKE ALL ON FUNCTION
  celador.adopt(text[], text, text, boolean), celador.adopt(text, text, text, boolean),
  celador.plan_adopt(text[], text, text, boolean), celador.plan_adopt(text, text, text, boolean),
  celador.release(text), celador.plan_release(text),
  celador.guard_owner(regrole), celador.unguard_owner(regrole),
  celador.pause(regclass, text), celador.resume(regclass), celador.paused(),
  celador.unprotect(regclass), celador.uninstall(), celador.plan_uninstall()
  FROM PUBLIC;

-- Discovery: proposes a mapping, with the caller's rights.

CREATE FUNCTION celador.discover(VARIADIC schemas text[])
  RETURNS TABLE (relation text, what text, value text, certainty text, reason text)
  AS 'MODULE_PATHNAME', 'discover_wrapper' LANGUAGE c STRICT;
CREATE FUNCTION celador.discover_mapping(VARIADIC schemas text[]) RETURNS text
  AS 'MODULE_PATHNAME', 'discover_mapping_wrapper' LANGUAGE c STRICT;
REVOKE ALL ON FUNCTION celador.discover(text[]), celador.discover_mapping(text[]) FROM PUBLIC;

-- Plans
CREATE FUNCTION celador.reach_support(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'reach_support_wrapper' LANGUAGE c STRICT;
ALTER FUNCTION celador.owner_in_reach(text, text, text, integer) SUPPORT celador.reach_support;
ALTER FUNCTION celador.owner_in_reach(text, text, text, bigint) SUPPORT celador.reach_support;
ALTER FUNCTION celador.owner_in_reach(text, text, text, uuid) SUPPORT celador.reach_support;
ALTER FUNCTION celador.owner_in_reach(text, text, text, text) SUPPORT celador.reach_support;
ALTER FUNCTION celador.group_in_reach(text, text, integer) SUPPORT celador.reach_support;
ALTER FUNCTION celador.group_in_reach(text, text, bigint) SUPPORT celador.reach_support;
ALTER FUNCTION celador.group_in_reach(text, text, uuid) SUPPORT celador.reach_support;
ALTER FUNCTION celador.group_in_reach(text, text, text) SUPPORT celador.reach_support;
ALTER FUNCTION celador.share_in_reach(text, text, integer) SUPPORT celador.reach_support;
ALTER FUNCTION celador.share_in_reach(text, text, bigint) SUPPORT celador.reach_support;
ALTER FUNCTION celador.share_in_reach(text, text, uuid) SUPPORT celador.reach_support;
ALTER FUNCTION celador.share_in_reach(text, text, text) SUPPORT celador.reach_support;

-- Fields: what is left of a value for those who don't see it. None of them tells of its argument, and none
-- fails, but for render_by where the owner's function does.

CREATE FUNCTION celador.render_partial(value text, "left" integer, "right" integer) RETURNS text
  AS 'MODULE_PATHNAME', 'render_partial_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_email(value text) RETURNS text
  AS 'MODULE_PATHNAME', 'render_email_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_year(value date) RETURNS date
  AS 'MODULE_PATHNAME', 'render_year_date_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_year(value timestamp) RETURNS timestamp
  AS 'MODULE_PATHNAME', 'render_year_time_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_year(value timestamptz) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'render_year_time_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_month(value date) RETURNS date
  AS 'MODULE_PATHNAME', 'render_month_date_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_month(value timestamp) RETURNS timestamp
  AS 'MODULE_PATHNAME', 'render_month_time_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_month(value timestamptz) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'render_month_time_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_round(value smallint, step integer) RETURNS smallint
  AS 'MODULE_PATHNAME', 'render_round_int2_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_round(value integer, step integer) RETURNS integer
  AS 'MODULE_PATHNAME', 'render_round_int4_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_round(value bigint, step integer) RETURNS bigint
  AS 'MODULE_PATHNAME', 'render_round_int8_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_round(value real, step integer) RETURNS real
  AS 'MODULE_PATHNAME', 'render_round_float4_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_round(value double precision, step integer) RETURNS double precision
  AS 'MODULE_PATHNAME', 'render_round_float8_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_round(value numeric, step integer) RETURNS numeric
  AS 'MODULE_PATHNAME', 'render_round_numeric_wrapper' LANGUAGE c IMMUTABLE STRICT LEAKPROOF PARALLEL SAFE;
-- No statement has a value of type internal: nobody hashes guesses, or has a function render them.
CREATE FUNCTION celador.render_hash_text(value internal) RETURNS text
  AS 'MODULE_PATHNAME', 'render_hash_text_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_hash_uuid(value internal) RETURNS uuid
  AS 'MODULE_PATHNAME', 'render_hash_uuid_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_hash_int8(value internal) RETURNS bigint
  AS 'MODULE_PATHNAME', 'render_hash_int8_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL SAFE;
CREATE FUNCTION celador.render_by(schema text, name text, owner oid, field text, value internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'render_by_wrapper' LANGUAGE c STABLE PARALLEL SAFE COST 100;
CREATE FUNCTION celador.written_back(written anyelement, shown anyelement, stored anyelement, may_write boolean, field text)
  RETURNS anyelement
  AS 'MODULE_PATHNAME', 'written_back_wrapper' LANGUAGE c STABLE PARALLEL SAFE;

-- What COPY reads, for the statement that inserts it.
CREATE FUNCTION celador.copied_rows(kind anyelement) RETURNS SETOF anyelement
  AS 'MODULE_PATHNAME', 'copied_rows_wrapper' LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 1000;

-- Knowing: what is worth a second look, who may what, who reaches a record. All of it reads.

-- Who looked at people''s access, and when.
CREATE TABLE celador.review (
  review integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  reviewed_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  reviewer text NOT NULL,
  recorded_by name NOT NULL DEFAULT SESSION_USER,
  revision integer NOT NULL,
  note text
);
SELECT pg_catalog.pg_extension_config_dump('celador.review', '');
SELECT pg_catalog.pg_extension_config_dump('celador.review_review_seq', '');

CREATE FUNCTION celador.lint(document text DEFAULT NULL, OUT rule text, OUT severity text, OUT object text,
    OUT finding text, OUT reason text, OUT remedy text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'lint_wrapper' LANGUAGE c STABLE;
-- The rules are SQL without qualified operators: these settings say what they mean.
CREATE FUNCTION celador.check(OUT rule text, OUT severity text, OUT object text,
    OUT finding text, OUT reason text, OUT remedy text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'check_wrapper' LANGUAGE c STABLE
  SET search_path = pg_catalog, pg_temp SET standard_conforming_strings = on;

CREATE FUNCTION celador.who_can(relation regclass, record text, action text, OUT "user" text, OUT login text,
    OUT scope text, OUT role text, OUT "group" text, OUT "when" text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'who_can_wrapper' LANGUAGE c STABLE STRICT;

CREATE FUNCTION celador.explain_set(relation regclass, "user" text, action text, OUT kind text, OUT name text,
    OUT rows bigint, OUT alone bigint, OUT source text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'explain_set_wrapper' LANGUAGE c STRICT;

CREATE FUNCTION celador.matrix(OUT role text, OUT module text, OUT action text, OUT scopes text[], OUT "when" text,
    OUT depth text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'matrix_wrapper' LANGUAGE c STABLE;
CREATE FUNCTION celador.matrix_svg() RETURNS text
  AS 'MODULE_PATHNAME', 'matrix_svg_wrapper' LANGUAGE c STABLE;

CREATE FUNCTION celador.access_review(OUT "user" text, OUT login text, OUT active boolean, OUT roles text[],
    OUT groups text[], OUT settings text[], OUT restrictions text[], OUT reads text[], OUT writes text[])
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'access_review_wrapper' LANGUAGE c STABLE;
CREATE FUNCTION celador.administrators(OUT "user" text, OUT login text, OUT role text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'administrators_wrapper' LANGUAGE c STABLE;
CREATE FUNCTION celador.personal_data(OUT module text, OUT field text, OUT tags text[], OUT role text, OUT scopes text[],
    OUT depth text, OUT people bigint, OUT rendering text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'personal_data_wrapper' LANGUAGE c STABLE;
-- With the extension's rights: whoever may record or read reviews needs none on the table.
CREATE FUNCTION celador.record_review(reviewer text, note text DEFAULT NULL) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$
  DECLARE
    live integer := (SELECT max(p.revision) FROM celador.policy AS p);
    recorded integer;
  BEGIN
    IF live IS NULL THEN
      RAISE EXCEPTION 'no policy is loaded' USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = 'Run SELECT celador.load_policy(document).';
    END IF;
    IF COALESCE(btrim(record_review.reviewer), '') = '' THEN
      RAISE EXCEPTION 'a review has a reviewer' USING ERRCODE = 'invalid_parameter_value',
        HINT = 'Say who looked: SELECT celador.record_review(''name'', ''note'').';
    END IF;
    INSERT INTO celador.review (reviewer, revision, note)
      VALUES (record_review.reviewer, live, record_review.note) RETURNING review INTO recorded;
    RETURN recorded;
  END
  $$;
CREATE FUNCTION celador.reviews(OUT review integer, OUT reviewed_at timestamptz, OUT reviewer text, OUT recorded_by name,
    OUT revision integer, OUT note text)
  RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$
    SELECT r.review, r.reviewed_at, r.reviewer, r.recorded_by, r.revision, r.note FROM celador.review AS r ORDER BY r.review
  $$;

REVOKE ALL ON TABLE celador.review FROM PUBLIC;
REVOKE ALL ON FUNCTION celador.lint(text), celador.check(), celador.who_can(regclass, text, text),
  celador.explain_set(regclass, text, text), celador.matrix(), celador.matrix_svg(), celador.access_review(),
  celador.administrators(), celador.personal_data(), celador.record_review(text, text), celador.reviews()
  FROM PUBLIC;

-- Whoever reads a number of rows at once: rows that no result shows one by one.
CREATE FUNCTION celador.row_counts(module text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'row_counts_wrapper' LANGUAGE c VOLATILE STRICT PARALLEL RESTRICTED;

-- What each function is for: psql shows it, and docs/rights.md is made from it.
DO $$
DECLARE
  said record;
  function regprocedure;
BEGIN
  FOR said IN
    SELECT * FROM (VALUES
      ('load_policy', 'Loads a policy as a new revision; the caller is a member of the tables'' owners'),
      ('change_cell', 'Changes one cell of the live matrix, as a new revision; the caller is a member of the tables'' owners'),
      ('restore_revision', 'Loads an earlier revision again; the caller is a member of the tables'' owners'),
      ('plan_policy', 'What a load would change, the statements, the locks; changes nothing'),
      ('export_policy', 'The document of a revision, or of the live one, sorted'),
      ('revisions', 'The revisions: who loaded them, when, why'),
      ('explain_access', 'Why a person reaches a record or doesn''t: a line for each scope and restriction'),
      ('whoami', 'For whom the session acts, or why for nobody'),
      ('assume', 'Acts for the person of a token; whoever may call it has no person by login'),
      ('act_as', 'Acts for any person; whoever may call it has no person by login'),
      ('end_identity', 'Ends what assume or act_as began'),
      ('register_view', 'Lets a view of an exempt owner show protected rows'),
      ('unregister_view', 'Takes that back'),
      ('add_maintenance_role', 'Names a role with BYPASSRLS that sees rows as stored'),
      ('remove_maintenance_role', 'Takes that back'),
      ('server_minor_ok', 'Whether the server''s release has no known hole in row security'),
      ('sessions_from_before', 'Sessions from before a moment, or the first load: they may lack the library'),
      ('lint', 'What is worth a second look in a document, or in the live policy'),
      ('check', 'What is worth a second look in this installation, most severe first'),
      ('who_can', 'Everybody who reaches a record for an action, and through what'),
      ('explain_set', 'How many rows of a table each scope and restriction gives a person or takes away'),
      ('matrix', 'The matrix: role, module, action, scopes, and how far they reach'),
      ('matrix_svg', 'The same as a picture'),
      ('access_review', 'What everybody may do: a line for each person'),
      ('administrators', 'The active people who reach everything, and by which role'),
      ('personal_data', 'How which roles see tagged fields, in which rows, and how many people'),
      ('record_review', 'Notes that somebody has looked at people''s access'),
      ('reviews', 'Who looked at people''s access, and when'),
      ('observed', 'What the policy would hide or refuse on observed tables'),
      ('reset_observed', 'Begins that count anew'),
      ('stats', 'Counters for monitoring'),
      ('denials', 'What has been refused: to whom, where, how often'),
      ('simulate', 'Runs a query as a person and returns its rows; changes nothing'),
      ('simulate_plan', 'The plan of a query as a person'),
      ('explain_plan', 'That plan, what each condition of the policies became in it, and which searches may use an index'),
      ('simulate_policy', 'How many rows people would reach under another document; changes nothing'),
      ('adopt', 'Gives the objects of schemas to an owner that nobody logs in as, and grants the application what it needs'),
      ('plan_adopt', 'What adopt would do: the statements, the locks; changes nothing'),
      ('release', 'Gives the objects of a schema back to their former owners'),
      ('plan_release', 'What release would do: the statements, the locks; changes nothing'),
      ('guard_owner', 'Guards an owner that logs in: it defines nothing but temporary objects'),
      ('unguard_owner', 'Takes that back'),
      ('pause', 'Closes a protected table for a migration'),
      ('resume', 'Opens it again, once it is protected as before'),
      ('paused', 'The tables that are paused: by whom, since when, why'),
      ('unprotect', 'Takes Celador''s policies and triggers off a table until the next load'),
      ('uninstall', 'Takes Celador''s policies and triggers off all tables'),
      ('plan_uninstall', 'What uninstall would do: the statements, the locks; changes nothing'),
      ('discover', 'What a mapping of schemas could be, how certain, and why'),
      ('discover_mapping', 'That mapping, as a document'),
      ('add_user', 'Adds a person to Celador''s own directory'),
      ('set_user_active', 'Activates or deactivates a person'),
      ('set_supervisor', 'Says who supervises a person'),
      ('set_user_key', 'Adds a key by which records name a person'),
      ('set_user_attribute', 'Sets an attribute that rules may use'),
      ('add_group', 'Adds a group'),
      ('remove_group', 'Removes a group'),
      ('set_user_groups', 'Replaces a person''s groups'),
      ('give_role', 'Gives a person a role'),
      ('take_role', 'Takes a role from a person'),
      ('give_role_to_group', 'Gives a role to all members of a group'),
      ('take_role_from_group', 'Takes a role from a group'),
      ('share', 'Shares a record with a person'),
      ('share_with_group', 'Shares a record with a group'),
      ('unshare', 'Takes a share from a person'),
      ('set_setting', 'Flips a switch, for a group or for all'),
      ('guard', 'Trigger of protected tables'),
      ('guard_roles', 'Trigger of protected tables'),
      ('guard_truncate', 'Trigger of protected tables'),
      ('directory_changed', 'Trigger of tables that the directory is read from'),
      ('policy_changed', 'Trigger of Celador''s own tables'),
      ('note_change', 'Trigger of Celador''s own tables'),
      ('changes_stay', 'Trigger of Celador''s own tables'),
      ('schema_changed', 'Event trigger: what DDL leaves behind is still protected'),
      ('covered', 'Called by row policies'),
      ('covered_support', 'Planner support of covered()'),
      ('still_readable', 'Called by plans of REPEATABLE READ and SERIALIZABLE transactions'),
      ('readable_now', 'Called by plans of REPEATABLE READ and SERIALIZABLE transactions'),
      ('all_in_reach', 'Called by row policies'),
      ('holds', 'Called by row policies'),
      ('restricted', 'Called by row policies'),
      ('owner_in_reach', 'Called by row policies'),
      ('group_in_reach', 'Called by row policies'),
      ('creator_in_reach', 'Called by row policies'),
      ('creator_is_me', 'Called by row policies'),
      ('share_in_reach', 'Called by row policies'),
      ('record_in_reach', 'Called by row policies'),
      ('child_in_reach', 'Called by row policies'),
      ('parent_in_reach', 'Called by row policies'),
      ('related_in_reach', 'Called by row policies'),
      ('link_in_reach', 'Called by row policies'),
      ('unlinked_in_reach', 'Called by row policies'),
      ('may_link', 'Called by row policies'),
      ('may_hang', 'Called by row policies'),
      ('render_partial', 'Called by masks: the ends of a text'),
      ('render_email', 'Called by masks: a letter and the domain of an e-mail address'),
      ('render_year', 'Called by masks: the beginning of the year'),
      ('render_month', 'Called by masks: the beginning of the month'),
      ('render_round', 'Called by masks: a number without what is below the step'),
      ('render_hash_text', 'Called by masks: a keyed hash'),
      ('render_hash_uuid', 'Called by masks: a keyed hash'),
      ('render_hash_int8', 'Called by masks: a keyed hash'),
      ('render_by', 'Called by masks: what a function of the table''s owner makes of a value'),
      ('copied_rows', 'Called by COPY into a protected table: the rows that it reads'),
      ('written_back', 'Called where a masked column is set: what is stored stays if what is shown is written'),
      ('row_counts', 'Called where rows are put together: an error beyond what the person may read by one statement'),
      ('reach_support', 'Planner support of the functions that look a value up'),
      ('observes_nobody', 'Called by statements over observed tables'),
      ('observe', 'Called by statements over observed tables'),
      ('is_known', 'Called by row policies'),
      ('my_key', 'The session''s person''s key of that name'),
      ('my_attribute', 'The session''s person''s attribute of that name'),
      ('has_role', 'Whether the session''s person holds the role')
    ) AS said(name, text)
  LOOP
    FOR function IN SELECT p.oid FROM pg_proc AS p
      WHERE p.pronamespace = 'celador'::regnamespace AND p.proname = said.name
    LOOP
      EXECUTE format('COMMENT ON FUNCTION %s IS %L', function, said.text);
    END LOOP;
  END LOOP;
END
$$;
