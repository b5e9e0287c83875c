-- complain if the script is read by psql, not by CREATE or ALTER EXTENSION
\echo Use "ALTER EXTENSION celador UPDATE TO '0.2.0'" to load this file. \quit

-- Knowing: what is worth a second look, who may what, who reaches a record. All of it reads.

-- Who looked at people's access, and when.
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

REVOKE ALL ON FUNCTION celador.lint(text), celador.check() FROM PUBLIC;
