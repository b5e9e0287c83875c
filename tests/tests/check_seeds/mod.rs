//! What is put in for each rule of `celador.check()`: on the sample CRM under S1.

/// A violation, and what was right before.
pub(crate) struct Seed {
    pub(crate) rule: &'static str,
    /// The object of the finding, or a part of what it says.
    pub(crate) object: &'static str,
    /// What is done before, which is no violation.
    pub(crate) before: &'static str,
    pub(crate) violation: &'static str,
}

const fn seed(
    rule: &'static str,
    object: &'static str,
    before: &'static str,
    violation: &'static str,
) -> Seed {
    Seed {
        rule,
        object,
        before,
        violation,
    }
}

/// Rules whose violations need a server of their own, or another session.
pub(crate) const ELSEWHERE: [&str; 10] = [
    "CEL101", "CEL103", "CEL105", "CEL106", "CEL107", "CEL114", "CEL145", "CEL150", "CEL188",
    "CEL200",
];

const NO_TRIGGER: &str = "ALTER EVENT TRIGGER celador_schema DISABLE";

pub(crate) const SEEDS: &[Seed] = &[
    seed(
        "CEL102",
        "role sergio",
        "ALTER ROLE sergio SET session_preload_libraries = 'celador'",
        "ALTER ROLE sergio SET session_preload_libraries = ''",
    ),
    seed(
        "CEL104",
        "extension celador",
        "",
        "UPDATE pg_extension SET extversion = '0.0.1' WHERE extname = 'celador'",
    ),
    seed(
        "CEL108",
        "role sergio",
        "ALTER ROLE sergio SET row_security = on",
        "ALTER ROLE sergio SET row_security = off",
    ),
    seed(
        "CEL109",
        "log_parameter_max_length",
        "GRANT EXECUTE ON FUNCTION celador.assume(text) TO crm_app; SET LOCAL log_statement = 'none';
         SET LOCAL log_min_duration_statement = -1; SET LOCAL log_parameter_max_length_on_error = 0",
        "SET LOCAL log_statement = 'all'",
    ),
    seed("CEL110", "celador_schema", "", NO_TRIGGER),
    seed(
        "CEL111",
        "public.leaky(integer)",
        "CREATE FUNCTION leaky(integer) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
        "ALTER FUNCTION leaky(integer) LEAKPROOF",
    ),
    seed(
        "CEL112",
        "public.peek(text)",
        "",
        "CREATE FUNCTION peek(text) RETURNS text LANGUAGE internal STRICT AS 'pg_read_file_all'",
    ),
    seed(
        "CEL113",
        "sergio",
        "",
        "GRANT EXECUTE ON FUNCTION pg_read_file(text) TO sergio",
    ),
    seed(
        "CEL121",
        "crm_tables",
        "CREATE ROLE crm_tables; ALTER TABLE accounts OWNER TO crm_tables",
        "ALTER ROLE crm_tables LOGIN",
    ),
    seed(
        "CEL122",
        "sergio",
        "CREATE ROLE crm_tables; ALTER TABLE accounts OWNER TO crm_tables",
        "GRANT crm_tables TO sergio",
    ),
    seed("CEL123", "chief", "CREATE ROLE chief LOGIN", "ALTER ROLE chief SUPERUSER"),
    seed(
        "CEL124",
        "job",
        "CREATE ROLE job LOGIN BYPASSRLS; SELECT celador.add_maintenance_role('job')",
        "SELECT celador.remove_maintenance_role('job')",
    ),
    seed(
        "CEL125",
        "job",
        "CREATE ROLE job LOGIN BYPASSRLS; SELECT celador.add_maintenance_role('job')",
        "ALTER ROLE job NOBYPASSRLS",
    ),
    seed("CEL126", "sergio", "", "GRANT pg_read_server_files TO sergio"),
    seed("CEL127", "sergio", "", "GRANT pg_read_all_data TO sergio"),
    seed("CEL128", "sergio", "", "ALTER ROLE sergio CREATEROLE"),
    seed("CEL129", "sergio", "", "ALTER ROLE sergio REPLICATION"),
    seed(
        "CEL130",
        "sergio",
        "GRANT EXECUTE ON FUNCTION celador.act_as(text) TO crm_app",
        "GRANT EXECUTE ON FUNCTION celador.act_as(text) TO sergio",
    ),
    seed(
        "CEL131",
        "chief",
        "CREATE ROLE chief; GRANT EXECUTE ON FUNCTION celador.act_as(text) TO chief",
        "ALTER ROLE chief SUPERUSER",
    ),
    seed(
        "CEL132",
        "celador.explain_access",
        "",
        "GRANT EXECUTE ON FUNCTION celador.explain_access(regclass, text, text, text) TO PUBLIC",
    ),
    seed("CEL133", "sergio", "", "GRANT INSERT ON celador.policy TO sergio"),
    seed("CEL134", "public.accounts", "", "GRANT REFERENCES ON accounts TO sergio"),
    seed(
        "CEL135",
        "passer",
        "CREATE ROLE passer LOGIN",
        "GRANT SELECT ON accounts TO passer",
    ),
    seed(
        "CEL136",
        "celador.maintenance_roles",
        "CREATE ROLE job BYPASSRLS; SELECT celador.add_maintenance_role('job')",
        "DELETE FROM celador.maintenance_roles",
    ),
    seed(
        "CEL141",
        "administrators",
        "",
        "INSERT INTO user_roles (user_id, role) SELECT id, 'administrator' FROM users WHERE is_active ORDER BY id LIMIT 8
         ON CONFLICT DO NOTHING",
    ),
    seed(
        "CEL142",
        "analyst",
        "",
        "DELETE FROM user_roles WHERE role = 'analyst'",
    ),
    seed(
        "CEL143",
        "users",
        "INSERT INTO user_roles (user_id, role) SELECT id, 'seller' FROM users ON CONFLICT DO NOTHING",
        "DELETE FROM user_roles WHERE user_id = 9",
    ),
    seed(
        "CEL144",
        "role seller",
        "INSERT INTO team_members (user_id, team_id) SELECT id, 3 FROM users ON CONFLICT DO NOTHING",
        "DELETE FROM team_members WHERE user_id = 9",
    ),
    seed(
        "CEL146",
        "shares of accounts",
        "SELECT celador.share('accounts', '1', '9', expires => now() + '1 day')",
        "SELECT celador.share('accounts', '2', '9', expires => now() - '1 day'::interval)",
    ),
    seed(
        "CEL147",
        "shares of accounts",
        "SELECT celador.share('accounts', '1', '9', expires => now() + '1 day')",
        "SELECT celador.share('accounts', '2', '9')",
    ),
    seed(
        "CEL148",
        "shares of phantoms",
        "SELECT celador.share('accounts', '1', '9')",
        "SELECT celador.share('phantoms', '2', '9')",
    ),
    seed(
        "CEL149",
        "user 1000",
        "INSERT INTO users (id, full_name, login, email) VALUES (1000, 'Self', 'postgres', 's@x')",
        "UPDATE users SET is_active = false WHERE id = 1000",
    ),
    seed(
        "CEL151",
        "sergio",
        "",
        "ALTER TABLE users DROP CONSTRAINT users_login_key; UPDATE users SET login = 'sergio' WHERE id = 10",
    ),
    seed(
        "CEL152",
        "users",
        "UPDATE users SET is_active = false WHERE login NOT IN (SELECT rolname FROM pg_roles)",
        "UPDATE users SET login = 'phantom' WHERE id = 9",
    ),
    seed(
        "CEL153",
        "celador.access_review()",
        "INSERT INTO celador.review (reviewer, revision) VALUES ('dba', 1)",
        "UPDATE celador.review SET reviewed_at = now() - '181 days'::interval",
    ),
    seed(
        "CEL161",
        "public.newcomer",
        "",
        "CREATE TABLE newcomer (id integer)",
    ),
    seed(
        "CEL162",
        "public.accounts",
        NO_TRIGGER,
        "ALTER TABLE accounts NO FORCE ROW LEVEL SECURITY",
    ),
    seed("CEL163", "public.accounts", NO_TRIGGER, "DROP POLICY celador_read ON accounts"),
    seed(
        "CEL164",
        "public.accounts",
        NO_TRIGGER,
        "ALTER TABLE accounts ENABLE TRIGGER \"~celador_guard\"",
    ),
    seed("CEL165", "public.accounts", "", "CREATE POLICY theirs ON accounts USING (true)"),
    seed(
        "CEL166",
        "public.accounts_below",
        NO_TRIGGER,
        "CREATE TABLE accounts_below () INHERITS (accounts)",
    ),
    seed(
        "CEL167",
        "public.accounts",
        NO_TRIGGER,
        "CREATE RULE theirs AS ON DELETE TO accounts DO ALSO NOTHING",
    ),
    seed(
        "CEL168",
        "public.accounts",
        NO_TRIGGER,
        "DROP TABLE activity_log CASCADE; ALTER TABLE accounts RENAME owner_id TO holder_id",
    ),
    seed(
        "CEL169",
        "public.far",
        "ALTER EVENT TRIGGER celador_schema DISABLE;
         CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing",
        "CREATE FOREIGN TABLE far (id integer) SERVER nowhere; GRANT SELECT ON far TO sergio",
    ),
    seed(
        "CEL170",
        "side.notes",
        "CREATE SCHEMA side",
        "CREATE TABLE side.notes (account_id bigint REFERENCES accounts)",
    ),
    seed(
        "CEL181",
        "public.accounts",
        "ANALYZE accounts; DELETE FROM activity_log",
        "DROP INDEX accounts_owner_id_idx",
    ),
    seed(
        "CEL182",
        "public.contact_assignees",
        "",
        "ALTER TABLE contact_assignees DROP CONSTRAINT contact_assignees_pkey",
    ),
    seed("CEL183", "public.accounts", "", "CREATE UNIQUE INDEX oracle ON accounts (id, name)"),
    seed(
        "CEL184",
        "public.email_templates",
        "",
        "ALTER TABLE emails DROP CONSTRAINT emails_template_id_fkey;
         ALTER TABLE emails ADD FOREIGN KEY (template_id) REFERENCES email_templates ON DELETE CASCADE",
    ),
    seed(
        "CEL185",
        "sergio may read it",
        "",
        "DO $$ BEGIN EXECUTE format('GRANT SELECT ON SEQUENCE %s TO sergio', pg_get_serial_sequence('accounts', 'id')); END $$",
    ),
    seed(
        "CEL186",
        "public.countries",
        "",
        "ALTER TABLE countries ADD account_id bigint REFERENCES accounts",
    ),
    seed(
        "CEL187",
        "public.custom_fields",
        "",
        "ALTER TABLE accounts ADD field_id bigint REFERENCES custom_fields ON DELETE SET NULL",
    ),
    seed(
        "CEL191",
        "public.shown",
        "CREATE VIEW shown WITH (security_invoker = true) AS SELECT id FROM accounts",
        "ALTER VIEW shown RESET (security_invoker)",
    ),
    seed(
        "CEL192",
        "public.shown",
        "CREATE VIEW shown AS SELECT id FROM accounts",
        "SELECT celador.register_view('shown')",
    ),
    seed(
        "CEL193",
        "public.kept",
        "",
        "CREATE MATERIALIZED VIEW kept AS SELECT id FROM accounts",
    ),
    seed(
        "CEL194",
        "public.counted()",
        "CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM public.accounts'",
        "ALTER FUNCTION counted() SECURITY DEFINER",
    ),
    seed(
        "CEL195",
        "public.accounts",
        "CREATE SCHEMA audit; CREATE TABLE audit.log (id bigint, name text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN INSERT INTO audit.log VALUES (new.id, new.name); RETURN NULL; END $$;
         CREATE TRIGGER note AFTER UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION note()",
        "GRANT USAGE ON SCHEMA audit TO sergio; GRANT SELECT ON audit.log TO sergio",
    ),
    seed(
        "CEL196",
        "public.accounts",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
         CREATE TRIGGER note AFTER UPDATE ON accounts FOR EACH ROW EXECUTE FUNCTION note()",
        "ALTER FUNCTION note() SECURITY DEFINER",
    ),
    seed(
        "CEL197",
        "publication everything",
        "CREATE PUBLICATION everything FOR TABLE countries",
        "ALTER PUBLICATION everything ADD TABLE accounts",
    ),
    seed(
        "CEL198",
        "subscription inward",
        "",
        "CREATE SUBSCRIPTION inward CONNECTION 'dbname=nowhere' PUBLICATION p WITH (connect = false)",
    ),
    seed("CEL199", "public.accounts", "", "ALTER TABLE accounts REPLICA IDENTITY FULL"),
    seed(
        "CEL137",
        "sergio",
        "",
        "SELECT celador.guard_owner('sergio')",
    ),
    seed(
        "CEL171",
        "public.accounts",
        "",
        "SELECT celador.pause('accounts', 'a column is added')",
    ),
    seed(
        "CEL172",
        "public.accounts",
        "",
        "UPDATE celador.protected SET observed = true WHERE relation = 'accounts'::regclass",
    ),
    seed(
        "CEL173",
        "public.accounts",
        "",
        "SELECT celador.unprotect('accounts')",
    ),
];
