-- complain if the script is read by psql, not by CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION celador UPDATE TO '0.2.0'" to load this file. \quit

-- Staying: versions, releases of the server, and what every version keeps.

-- Which version of the library compiled the policy: no other one reads it. NULL: 0.1.0. Changing
-- this table, as each upgrade does, also tells sessions that are open that the objects have changed.
ALTER TABLE celador.policy ADD COLUMN compiled_by text;

CREATE FUNCTION celador.server_minor_ok() RETURNS boolean
  AS 'MODULE_PATHNAME', 'server_minor_ok_wrapper' LANGUAGE c STABLE;
REVOKE ALL ON FUNCTION celador.server_minor_ok() FROM PUBLIC;
