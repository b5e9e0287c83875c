-- complain if the script is read by psql, not by CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION celador UPDATE TO '0.2.0'" to load this file. \quit

-- Discovery: proposes a mapping, with the caller's rights.

CREATE FUNCTION celador.discover(VARIADIC schemas text[])
  RETURNS TABLE (relation text, what text, value text, certainty text, reason text)
  AS 'MODULE_PATHNAME', 'discover_wrapper' LANGUAGE c STRICT;
CREATE FUNCTION celador.discover_mapping(VARIADIC schemas text[]) RETURNS text
  AS 'MODULE_PATHNAME', 'discover_mapping_wrapper' LANGUAGE c STRICT;
REVOKE ALL ON FUNCTION celador.discover(text[]), celador.discover_mapping(text[]) FROM PUBLIC;
