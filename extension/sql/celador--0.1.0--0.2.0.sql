-- complain if the script is read by psql, not by CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION celador UPDATE TO '0.2.0'" to load this file. \quit

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
