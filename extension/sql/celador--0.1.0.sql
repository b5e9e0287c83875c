-- complain if the script is read by psql, not by CREATE EXTENSION
\echo Use "CREATE EXTENSION celador" to load this file. \quit

REVOKE ALL ON SCHEMA celador FROM PUBLIC;
GRANT USAGE ON SCHEMA celador TO PUBLIC;

-- The policy: each load is a revision, the highest is live.
CREATE TABLE celador.policy (
  revision integer PRIMARY KEY,
  document text NOT NULL,
  compiled text NOT NULL,
  loaded_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  loaded_by name NOT NULL DEFAULT SESSION_USER,
  reason text
);

-- The tables that are protected, and what was found on them.
CREATE TABLE celador.protected (
  relation regclass PRIMARY KEY,
  had_row_security boolean NOT NULL,
  had_force boolean NOT NULL,
  policies text NOT NULL,
  -- What must be there after every DDL: policy → its expressions, names of triggers.
  expressions jsonb NOT NULL DEFAULT '{}',
  triggers text NOT NULL DEFAULT ''
);

-- Views and materialized views of exempt owners that may show protected rows.
CREATE TABLE celador.registered_views (
  view regclass PRIMARY KEY,
  registered_by name NOT NULL DEFAULT SESSION_USER,
  registered_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

-- Roles with BYPASSRLS that see rows as stored: migrations, dumps, jobs.
CREATE TABLE celador.maintenance_roles (
  role regrole PRIMARY KEY,
  named_by name NOT NULL DEFAULT SESSION_USER,
  named_at timestamptz NOT NULL DEFAULT pg_catalog.now()
);

-- pg_read_all_data and pg_write_all_data reach every table that has no row security: these are for
-- superusers, and for Celador's own functions.
ALTER TABLE celador.policy ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.protected ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.registered_views ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.maintenance_roles ENABLE ROW LEVEL SECURITY;

-- Never holds a row: its invalidation tells all backends that the directory has changed.
CREATE TABLE celador.directory_version ();

-- The directory, for CRMs that have none of their own. Keys are text.
CREATE TABLE celador.users (
  "user" text PRIMARY KEY,
  login text UNIQUE,
  active boolean NOT NULL DEFAULT true,
  supervisor text REFERENCES celador.users ON DELETE SET NULL,
  CHECK (supervisor <> "user")
);
CREATE TABLE celador.user_keys (
  "user" text NOT NULL REFERENCES celador.users ON DELETE CASCADE,
  name text NOT NULL CHECK (name <> 'user'),
  value text NOT NULL,
  PRIMARY KEY ("user", name, value),
  UNIQUE (name, value)
);
CREATE TABLE celador.user_attributes (
  "user" text NOT NULL REFERENCES celador.users ON DELETE CASCADE,
  name text NOT NULL,
  value text NOT NULL,
  PRIMARY KEY ("user", name)
);
CREATE TABLE celador.groups (
  "group" text PRIMARY KEY,
  name text NOT NULL UNIQUE,
  parent text REFERENCES celador.groups
);
-- Not foreign keys: people and groups may be the CRM's own.
CREATE TABLE celador.memberships (
  "user" text NOT NULL,
  "group" text NOT NULL,
  PRIMARY KEY ("user", "group")
);
CREATE INDEX ON celador.memberships ("group");
CREATE TABLE celador.roles_held (
  "user" text,
  "group" text,
  role text NOT NULL,
  CHECK (("user" IS NULL) <> ("group" IS NULL)),
  UNIQUE ("user", "group", role)
);
CREATE UNIQUE INDEX ON celador.roles_held ("user", role) WHERE "group" IS NULL;
CREATE UNIQUE INDEX ON celador.roles_held ("group", role) WHERE "user" IS NULL;
CREATE TABLE celador.shares (
  module text NOT NULL,
  record text NOT NULL,
  "user" text,
  "group" text,
  level text NOT NULL CHECK (level IN ('read', 'update', 'delete')),
  expires timestamptz,
  given_by text,
  CHECK (("user" IS NULL) <> ("group" IS NULL))
);
CREATE UNIQUE INDEX ON celador.shares (module, record, "user") WHERE "group" IS NULL;
CREATE UNIQUE INDEX ON celador.shares (module, record, "group") WHERE "user" IS NULL;
CREATE INDEX ON celador.shares ("user");
CREATE INDEX ON celador.shares ("group");
CREATE TABLE celador.setting_values (
  "group" text,
  setting text NOT NULL,
  value boolean NOT NULL
);
CREATE UNIQUE INDEX ON celador.setting_values (setting, "group") WHERE "group" IS NOT NULL;
CREATE UNIQUE INDEX ON celador.setting_values (setting) WHERE "group" IS NULL;

-- People reach the directory under row security only; until a policy is loaded, not at all.
ALTER TABLE celador.users ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.user_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.user_attributes ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.groups ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.memberships ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.roles_held ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.shares ENABLE ROW LEVEL SECURITY;
ALTER TABLE celador.setting_values ENABLE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON celador.users, celador.user_keys, celador.user_attributes,
  celador.groups, celador.memberships, celador.roles_held, celador.shares, celador.setting_values
  TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('celador.policy', '');
SELECT pg_catalog.pg_extension_config_dump('celador.protected', '');
SELECT pg_catalog.pg_extension_config_dump('celador.registered_views', '');
SELECT pg_catalog.pg_extension_config_dump('celador.maintenance_roles', '');
SELECT pg_catalog.pg_extension_config_dump('celador.users', '');
SELECT pg_catalog.pg_extension_config_dump('celador.user_keys', '');
SELECT pg_catalog.pg_extension_config_dump('celador.user_attributes', '');
SELECT pg_catalog.pg_extension_config_dump('celador.groups', '');
SELECT pg_catalog.pg_extension_config_dump('celador.memberships', '');
SELECT pg_catalog.pg_extension_config_dump('celador.roles_held', '');
SELECT pg_catalog.pg_extension_config_dump('celador.shares', '');
SELECT pg_catalog.pg_extension_config_dump('celador.setting_values', '');

-- What generated policies call. All answer for whoever asks, and for nobody else.
CREATE FUNCTION celador.covered_support(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'covered_support' LANGUAGE c STRICT;
CREATE FUNCTION celador.covered() RETURNS boolean
  AS 'MODULE_PATHNAME', 'covered' LANGUAGE c STABLE LEAKPROOF PARALLEL SAFE SUPPORT celador.covered_support;
-- Stands in plans of REPEATABLE READ and SERIALIZABLE transactions.
CREATE FUNCTION celador.still_readable(relation oid, version tid, changed_by xid) RETURNS boolean
  AS 'MODULE_PATHNAME', 'still_readable_wrapper' LANGUAGE c STABLE STRICT PARALLEL UNSAFE COST 100;
-- Stands in plans that lock or write rows: those may go on to versions that are newer than their snapshot.
CREATE FUNCTION celador.readable_now(relation oid, version tid, made_by xid) RETURNS boolean
  AS 'MODULE_PATHNAME', 'readable_now_wrapper' LANGUAGE c STABLE STRICT PARALLEL UNSAFE COST 100;
-- LEAKPROOF: these may run before a policy has let a row through, so they say nothing of what they are asked with.
CREATE FUNCTION celador.all_in_reach(module text, cell text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'all_in_reach_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.holds(module text, cell text, what text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'holds_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.restricted(restriction text, cell text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'restricted_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;

CREATE FUNCTION celador.owner_in_reach(module text, cell text, key text, owner integer) RETURNS boolean
  AS 'MODULE_PATHNAME', 'owner_in_reach_int4_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.owner_in_reach(module text, cell text, key text, owner bigint) RETURNS boolean
  AS 'MODULE_PATHNAME', 'owner_in_reach_int8_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.owner_in_reach(module text, cell text, key text, owner uuid) RETURNS boolean
  AS 'MODULE_PATHNAME', 'owner_in_reach_uuid_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.owner_in_reach(module text, cell text, key text, owner text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'owner_in_reach_text_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.group_in_reach(module text, cell text, "group" integer) RETURNS boolean
  AS 'MODULE_PATHNAME', 'group_in_reach_int4_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.group_in_reach(module text, cell text, "group" bigint) RETURNS boolean
  AS 'MODULE_PATHNAME', 'group_in_reach_int8_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.group_in_reach(module text, cell text, "group" uuid) RETURNS boolean
  AS 'MODULE_PATHNAME', 'group_in_reach_uuid_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.group_in_reach(module text, cell text, "group" text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'group_in_reach_text_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.creator_in_reach(module text, cell text, key text, creator integer) RETURNS boolean
  AS 'MODULE_PATHNAME', 'creator_in_reach_int4_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.creator_in_reach(module text, cell text, key text, creator bigint) RETURNS boolean
  AS 'MODULE_PATHNAME', 'creator_in_reach_int8_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.creator_in_reach(module text, cell text, key text, creator uuid) RETURNS boolean
  AS 'MODULE_PATHNAME', 'creator_in_reach_uuid_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.creator_in_reach(module text, cell text, key text, creator text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'creator_in_reach_text_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.creator_is_me(key text, creator integer) RETURNS boolean
  AS 'MODULE_PATHNAME', 'creator_is_me_int4_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.creator_is_me(key text, creator bigint) RETURNS boolean
  AS 'MODULE_PATHNAME', 'creator_is_me_int8_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.creator_is_me(key text, creator uuid) RETURNS boolean
  AS 'MODULE_PATHNAME', 'creator_is_me_uuid_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.creator_is_me(key text, creator text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'creator_is_me_text_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.share_in_reach(module text, cell text, record integer) RETURNS boolean
  AS 'MODULE_PATHNAME', 'share_in_reach_int4_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.share_in_reach(module text, cell text, record bigint) RETURNS boolean
  AS 'MODULE_PATHNAME', 'share_in_reach_int8_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.share_in_reach(module text, cell text, record uuid) RETURNS boolean
  AS 'MODULE_PATHNAME', 'share_in_reach_uuid_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;
CREATE FUNCTION celador.share_in_reach(module text, cell text, record text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'share_in_reach_text_wrapper' LANGUAGE c STABLE STRICT LEAKPROOF PARALLEL RESTRICTED;

-- These look at other rows.
CREATE FUNCTION celador.record_in_reach(module text, cell text, record text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'record_in_reach_wrapper' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100;
CREATE FUNCTION celador.child_in_reach(schema text, "table" text, cell text, "row" text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'child_in_reach_wrapper' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100;
CREATE FUNCTION celador.parent_in_reach(module text, cell text, place integer, record text, kind text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'parent_in_reach_wrapper' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100;
CREATE FUNCTION celador.related_in_reach(module text, cell text, record text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'related_in_reach_wrapper' LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 100;
CREATE FUNCTION celador.link_in_reach(module text, cell text, kind text, place integer, record text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'link_in_reach_wrapper' LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 100;
CREATE FUNCTION celador.unlinked_in_reach(module text, cell text, place integer, record text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'unlinked_in_reach_wrapper' LANGUAGE c STABLE STRICT PARALLEL RESTRICTED COST 100;
CREATE FUNCTION celador.may_link(module text, kind text, place integer, record text, other text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'may_link_wrapper' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100;
CREATE FUNCTION celador.may_hang(module text, place integer, record text, above text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'may_hang_wrapper' LANGUAGE c STABLE PARALLEL RESTRICTED COST 100;

CREATE FUNCTION celador.is_known() RETURNS boolean
  AS 'MODULE_PATHNAME', 'is_known_wrapper' LANGUAGE c STABLE PARALLEL RESTRICTED;
CREATE FUNCTION celador.my_key(key text) RETURNS text
  AS 'MODULE_PATHNAME', 'my_key_wrapper' LANGUAGE c STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION celador.my_attribute(name text) RETURNS text
  AS 'MODULE_PATHNAME', 'my_attribute_wrapper' LANGUAGE c STABLE STRICT PARALLEL RESTRICTED;
CREATE FUNCTION celador.has_role(role text) RETURNS boolean
  AS 'MODULE_PATHNAME', 'has_role_wrapper' LANGUAGE c STABLE STRICT PARALLEL RESTRICTED;

-- Triggers.
CREATE FUNCTION celador.guard() RETURNS trigger
  AS 'MODULE_PATHNAME', 'guard_wrapper' LANGUAGE c;
CREATE FUNCTION celador.guard_roles() RETURNS trigger
  AS 'MODULE_PATHNAME', 'guard_roles_wrapper' LANGUAGE c;
CREATE FUNCTION celador.guard_truncate() RETURNS trigger
  AS 'MODULE_PATHNAME', 'guard_truncate_wrapper' LANGUAGE c;
CREATE FUNCTION celador.directory_changed() RETURNS trigger
  AS 'MODULE_PATHNAME', 'directory_changed_wrapper' LANGUAGE c;
CREATE FUNCTION celador.policy_changed() RETURNS trigger
  AS 'MODULE_PATHNAME', 'policy_changed_wrapper' LANGUAGE c;
CREATE FUNCTION celador.schema_changed() RETURNS event_trigger
  AS 'MODULE_PATHNAME', 'schema_changed_wrapper' LANGUAGE c;

CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON celador.policy
  FOR EACH STATEMENT EXECUTE FUNCTION celador.policy_changed();
CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON celador.registered_views
  FOR EACH STATEMENT EXECUTE FUNCTION celador.policy_changed();
CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON celador.maintenance_roles
  FOR EACH STATEMENT EXECUTE FUNCTION celador.policy_changed();
CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON celador.protected
  FOR EACH STATEMENT EXECUTE FUNCTION celador.policy_changed();
ALTER TABLE celador.policy ENABLE ALWAYS TRIGGER policy_changed;
ALTER TABLE celador.registered_views ENABLE ALWAYS TRIGGER policy_changed;
ALTER TABLE celador.maintenance_roles ENABLE ALWAYS TRIGGER policy_changed;
ALTER TABLE celador.protected ENABLE ALWAYS TRIGGER policy_changed;

CREATE EVENT TRIGGER celador_schema ON ddl_command_end EXECUTE FUNCTION celador.schema_changed();
ALTER EVENT TRIGGER celador_schema ENABLE ALWAYS;

-- The policy.
CREATE FUNCTION celador.load_policy(document text, reason text DEFAULT NULL, base integer DEFAULT NULL) RETURNS integer
  AS 'MODULE_PATHNAME', 'load_policy_wrapper' LANGUAGE c;
CREATE FUNCTION celador.restore_revision(revision integer, reason text DEFAULT NULL) RETURNS integer
  AS 'MODULE_PATHNAME', 'restore_revision_wrapper' LANGUAGE c;
CREATE FUNCTION celador.plan_policy(document text, OUT step integer, OUT change text, OUT relation text, OUT lock text, OUT ddl text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'plan_policy_wrapper' LANGUAGE c STRICT;
CREATE FUNCTION celador.revisions(OUT revision integer, OUT live boolean, OUT loaded_at timestamptz, OUT loaded_by name,
    OUT reason text)
  RETURNS SETOF record LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
  AS $$
    SELECT p.revision, p.revision = max(p.revision) OVER (), p.loaded_at, p.loaded_by, p.reason
    FROM celador.policy AS p ORDER BY p.revision
  $$;
CREATE FUNCTION celador.export_policy(revision integer DEFAULT NULL) RETURNS text
  AS 'MODULE_PATHNAME', 'export_policy_wrapper' LANGUAGE c STABLE;
CREATE FUNCTION celador.explain_access(relation regclass, record text, "user" text, action text,
    OUT kind text, OUT name text, OUT result text, OUT source text)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'explain_access_wrapper' LANGUAGE c STRICT;

-- Who asks.
CREATE FUNCTION celador.whoami(OUT "user" text, OUT source text, OUT reason text, OUT roles text[], OUT groups text[])
  RETURNS SETOF record ROWS 1
  AS 'MODULE_PATHNAME', 'whoami_wrapper' LANGUAGE c STABLE;
CREATE FUNCTION celador.assume(token text) RETURNS void
  AS 'MODULE_PATHNAME', 'assume_wrapper' LANGUAGE c;
CREATE FUNCTION celador.act_as("user" text) RETURNS void
  AS 'MODULE_PATHNAME', 'act_as_wrapper' LANGUAGE c;
CREATE FUNCTION celador.end_identity() RETURNS void
  AS 'MODULE_PATHNAME', 'end_identity_wrapper' LANGUAGE c;

-- Views and roles with rights of their own: superusers register them.
CREATE FUNCTION celador.register_view(view regclass) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.registered_views (view) VALUES (view) ON CONFLICT DO NOTHING $$;
CREATE FUNCTION celador.unregister_view(view regclass) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ DELETE FROM celador.registered_views AS r WHERE r.view = unregister_view.view $$;
CREATE FUNCTION celador.add_maintenance_role(role regrole) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.maintenance_roles (role) VALUES (role) ON CONFLICT DO NOTHING $$;
CREATE FUNCTION celador.remove_maintenance_role(role regrole) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ DELETE FROM celador.maintenance_roles AS m WHERE m.role = remove_maintenance_role.role $$;

-- State. These run with the rights of whoever calls them, under row security: the matrix says
-- who may.
CREATE FUNCTION celador.add_user("user" text, login text DEFAULT NULL, supervisor text DEFAULT NULL) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.users ("user", login, supervisor) VALUES ("user", login, supervisor) $$;
CREATE FUNCTION celador.set_user_active("user" text, active boolean) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ UPDATE celador.users AS u SET active = set_user_active.active WHERE u."user" = set_user_active."user" $$;
CREATE FUNCTION celador.set_supervisor("user" text, supervisor text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ UPDATE celador.users AS u SET supervisor = set_supervisor.supervisor WHERE u."user" = set_supervisor."user" $$;
CREATE FUNCTION celador.set_user_key("user" text, name text, value text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.user_keys ("user", name, value) VALUES ("user", name, value) ON CONFLICT DO NOTHING $$;
CREATE FUNCTION celador.set_user_attribute("user" text, name text, value text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.user_attributes AS a ("user", name, value) VALUES ("user", name, value)
        ON CONFLICT ("user", name) DO UPDATE SET value = excluded.value $$;
CREATE FUNCTION celador.add_group("group" text, name text, parent text DEFAULT NULL) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.groups ("group", name, parent) VALUES ("group", name, parent) $$;
CREATE FUNCTION celador.remove_group("group" text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ DELETE FROM celador.groups AS g WHERE g."group" = remove_group."group" $$;
CREATE FUNCTION celador.set_user_groups("user" text, groups text[]) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$
    DELETE FROM celador.memberships AS m
      WHERE m."user" = set_user_groups."user" AND m."group" <> ALL (set_user_groups.groups);
    INSERT INTO celador.memberships ("user", "group")
      SELECT set_user_groups."user", given.g FROM unnest(set_user_groups.groups) AS given(g)
      ON CONFLICT DO NOTHING;
  $$;
CREATE FUNCTION celador.give_role("user" text, role text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.roles_held ("user", role) VALUES ("user", role) ON CONFLICT DO NOTHING $$;
CREATE FUNCTION celador.take_role("user" text, role text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ DELETE FROM celador.roles_held AS r WHERE r."user" = take_role."user" AND r.role = take_role.role $$;
CREATE FUNCTION celador.give_role_to_group("group" text, role text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.roles_held ("group", role) VALUES ("group", role) ON CONFLICT DO NOTHING $$;
CREATE FUNCTION celador.take_role_from_group("group" text, role text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ DELETE FROM celador.roles_held AS r WHERE r."group" = take_role_from_group."group" AND r.role = take_role_from_group.role $$;
CREATE FUNCTION celador.share(module text, record text, "user" text, level text DEFAULT 'read', expires timestamptz DEFAULT NULL) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.shares (module, record, "user", level, expires) VALUES (module, record, "user", level, expires) $$;
CREATE FUNCTION celador.share_with_group(module text, record text, "group" text, level text DEFAULT 'read', expires timestamptz DEFAULT NULL) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ INSERT INTO celador.shares (module, record, "group", level, expires) VALUES (module, record, "group", level, expires) $$;
CREATE FUNCTION celador.unshare(module text, record text, "user" text) RETURNS void
  LANGUAGE sql SET search_path = pg_catalog, pg_temp
  AS $$ DELETE FROM celador.shares AS s WHERE s.module = unshare.module AND s.record = unshare.record AND s."user" = unshare."user" $$;
CREATE FUNCTION celador.set_setting(setting text, value boolean, "group" text DEFAULT NULL) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  AS $$
  BEGIN
    UPDATE celador.setting_values AS s SET value = set_setting.value
      WHERE s.setting = set_setting.setting AND s."group" IS NOT DISTINCT FROM set_setting."group";
    IF NOT FOUND THEN
      INSERT INTO celador.setting_values ("group", setting, value)
        VALUES (set_setting."group", set_setting.setting, set_setting.value);
    END IF;
  END
  $$;

-- The row triggers' functions stay open: PostgreSQL clones row triggers to new partitions with the
-- rights of whoever makes those. On a table that isn't protected they refuse.

-- For nobody but the extension's owner, unless granted: what loads a policy, changes who is
-- asked for, or looks through another person's eyes.
REVOKE ALL ON FUNCTION
  celador.guard_truncate(), celador.directory_changed(),
  celador.policy_changed(), celador.schema_changed(),
  celador.load_policy(text, text, integer), celador.restore_revision(integer, text), celador.plan_policy(text),
  celador.revisions(), celador.export_policy(integer),
  celador.explain_access(regclass, text, text, text),
  celador.assume(text), celador.act_as(text),
  celador.register_view(regclass), celador.unregister_view(regclass),
  celador.add_maintenance_role(regrole), celador.remove_maintenance_role(regrole)
  FROM PUBLIC;
