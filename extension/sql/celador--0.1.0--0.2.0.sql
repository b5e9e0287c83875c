-- complain if the script is read by psql, not by CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION celador UPDATE TO '0.2.0'" to load this file. \quit

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
ALTER TABLE celador.guarded_owners ENABLE ALWAYS TRIGGER policy_changed;
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
