-- complain if the script is read by psql, not by CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION celador UPDATE TO '0.2.0'" to load this file. \quit

-- Trying and watching.

-- Every change of policy and protection: who, when, what, why. Rows are added, and stay.
CREATE TABLE celador.changes (
  change bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
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
    it jsonb := CASE TG_OP WHEN 'TRUNCATE' THEN NULL WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
  BEGIN
    INSERT INTO celador.changes (kind, object, reason)
    SELECT
      CASE
        WHEN what = 'truncate' THEN 'empty'
        WHEN TG_TABLE_NAME = 'policy' AND what = 'insert' THEN 'load'
        WHEN TG_TABLE_NAME = 'policy' THEN what || ' revision'
        WHEN TG_TABLE_NAME = 'protected' THEN CASE what WHEN 'insert' THEN 'protect' ELSE 'unprotect' END
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
CREATE FUNCTION celador.simulate_policy(document text, users text[] DEFAULT NULL,
    OUT relation text, OUT "user" text, OUT action text, OUT before bigint, OUT after bigint)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'simulate_policy_wrapper' LANGUAGE c;
REVOKE ALL ON FUNCTION
  celador.observed(), celador.reset_observed(), celador.stats(), celador.denials(),
  celador.simulate(text, text), celador.simulate_plan(text, text), celador.simulate_policy(text, text[])
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION celador.stats() TO pg_monitor;
