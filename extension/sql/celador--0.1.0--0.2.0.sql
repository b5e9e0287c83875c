-- complain if the script is read by psql, not by CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION celador UPDATE TO '0.2.0'" to load this file. \quit

-- Staying: versions, releases of the server, and what every version keeps.

-- Which version of the library compiled the policy: no other one reads it. NULL: 0.1.0. Changing
-- this table, as each upgrade does, also tells sessions that are open that the objects have changed.
ALTER TABLE celador.policy ADD COLUMN compiled_by text;

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

-- What each function is for: psql shows it, and docs/rights.md is made from it.
DO $$
DECLARE
  said record;
  function regprocedure;
BEGIN
  FOR said IN
    SELECT * FROM (VALUES
      ('load_policy', 'Loads a policy as a new revision; the caller is a member of the tables'' owners'),
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
      ('schema_changed', 'Event trigger: what DDL leaves behind is still protected'),
      ('covered', 'Called by row policies'),
      ('covered_support', 'Planner support of covered()'),
      ('still_readable', 'Called by plans of REPEATABLE READ and SERIALIZABLE transactions'),
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
