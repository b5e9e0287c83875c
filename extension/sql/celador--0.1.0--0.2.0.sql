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
