//! Mistakes chosen by somebody who doesn't know how statements are made.
//!
//! Two of that list can't be put in. A role that has expired still counts: no mapping gives a role
//! an end. RETURNING shows what is out of reach: PostgreSQL itself applies the policy for reading to
//! the rows that an UPDATE returns from, and the new row of a record given away is shown by design;
//! what stands in for it is that who may change a row also sees it.

use celador_tests::shadow::fault::Change::{After, Document, Instead, Policy, Sql};
use celador_tests::shadow::fault::Fault;

/// Copies of what the mistakes look at.
const COPIES: &str = "
CREATE SCHEMA IF NOT EXISTS fault;
GRANT USAGE ON SCHEMA fault TO PUBLIC;
DROP TABLE IF EXISTS fault.teams, fault.peers;
CREATE TABLE fault.teams AS SELECT id, parent_id FROM public.teams;
CREATE TABLE fault.peers AS SELECT a.id, b.id AS peer FROM public.users a JOIN public.users b USING (manager_id);
GRANT SELECT ON ALL TABLES IN SCHEMA fault TO PUBLIC";

pub(crate) const SAMPLE: [Fault; 23] = [
    Fault {
        name: "a group counts with those one level below",
        change: After(
            COPIES,
            &Policy(
                "campaigns",
                "celador_update",
                "celador.group_in_reach('campaigns'::text, 'update'::text, team_id)",
                "({} OR celador.group_in_reach('campaigns', 'update', (SELECT f.parent_id FROM fault.teams f WHERE f.id = campaigns.team_id)))",
            ),
        ),
    },
    Fault {
        name: "a tree of groups counts with those above it",
        change: After(
            COPIES,
            &Policy(
                "campaigns",
                "celador_read",
                "celador.group_in_reach('campaigns'::text, 'read'::text, team_id)",
                "({} OR EXISTS (SELECT FROM fault.teams f WHERE f.parent_id = campaigns.team_id AND celador.group_in_reach('campaigns', 'read', f.id)))",
            ),
        ),
    },
    Fault {
        name: "supervision counts one level too high: peers too",
        change: After(
            COPIES,
            &Policy(
                "leads",
                "celador_read",
                "celador.owner_in_reach('leads'::text, 'read'::text, 'user'::text, owner_id)",
                "({} OR EXISTS (SELECT FROM fault.peers f WHERE f.id = leads.owner_id AND celador.owner_in_reach('leads', 'read', 'user', f.peer)))",
            ),
        ),
    },
    Fault {
        name: "a share that has expired still counts",
        change: Sql(
            "UPDATE celador.shares SET expires = NULL WHERE expires = '2020-01-01' AND record = '25'",
            "UPDATE celador.shares SET expires = '2020-01-01' WHERE record = '25'",
        ),
    },
    Fault {
        name: "a flipped setting isn't told to open sessions",
        change: Sql(
            "ALTER TABLE celador.setting_values DISABLE TRIGGER USER",
            "ALTER TABLE celador.setting_values ENABLE TRIGGER USER",
        ),
    },
    Fault {
        name: "a restriction applies to reading only",
        change: Document(
            "module = \"leads\"\npredicate",
            "module = \"leads\"\nactions = [\"read\"]\npredicate",
        ),
    },
    Fault {
        name: "a restriction doesn't apply to deleting and changing",
        change: Document(
            "actions = [\"update\", \"delete\"]\npredicate",
            "actions = [\"read\"]\npredicate",
        ),
    },
    Fault {
        name: "the type column of a parent isn't looked at",
        change: Policy(
            "calls",
            "celador_read",
            "(record_id)::text, record_type)",
            "(record_id)::text, 'contact'::text)",
        ),
    },
    Fault {
        name: "who is no longer active still reads",
        change: Document("active = \"is_active\"\n", ""),
    },
    Fault {
        name: "deleting follows changing",
        change: Policy(
            "opportunities",
            "celador_delete",
            "'delete'::text",
            "'update'::text",
        ),
    },
    Fault {
        name: "a record of nobody's is everybody's",
        change: Policy(
            "accounts",
            "celador_read",
            "celador.owner_in_reach('accounts'::text, 'read'::text, 'user'::text, owner_id)",
            "({} OR owner_id IS NULL)",
        ),
    },
    Fault {
        name: "who reads a record writes what hangs on it",
        change: Policy(
            "quote_lines",
            "celador_update",
            "'update'::text",
            "'read'::text",
        ),
    },
    Fault {
        name: "a row is in reach if every scope holds",
        change: Policy(
            "accounts",
            "celador_read",
            "celador.owner_in_reach('accounts'::text, 'read'::text, 'user'::text, owner_id) OR",
            "celador.owner_in_reach('accounts'::text, 'read'::text, 'user'::text, owner_id) AND",
        ),
    },
    Fault {
        name: "a link table is read in full",
        change: Instead("contact_assignees", "celador_read", "true"),
    },
    Fault {
        name: "who may change a row sees it",
        change: Policy("quotes", "celador_read", "'read'::text", "'update'::text"),
    },
    Fault {
        name: "who may change may give away",
        change: Document(
            "opportunities.update = [\"reports\", \"shared\"]",
            "opportunities.update = [\"reports\", \"shared\"]\nopportunities.assign = [\"reports\", \"shared\"]",
        ),
    },
    Fault {
        name: "a second role takes the first one's place",
        change: Document(
            "[permissions.marketing.leads]",
            "[restrictions.first-role]\nusers = [\"sara\"]\nmodule = \"accounts\"\npredicate = \"id < 0\"\n[permissions.marketing.leads]",
        ),
    },
    Fault {
        name: "what has an owner can be claimed",
        change: Policy(
            "tickets",
            "celador_update",
            "celador.related_in_reach('tickets'::text, 'claim'::text, (id)::text)) AND (owner_id IS NULL)",
            "celador.holds('tickets', 'claim', 'unassigned'))",
        ),
    },
    Fault {
        name: "a tree of groups ends below the second level, for changing",
        change: After(
            COPIES,
            &Policy(
                "leads",
                "celador_update",
                "celador.group_in_reach('leads'::text, 'update'::text, team_id)",
                "({} AND NOT EXISTS (SELECT FROM fault.teams f JOIN fault.teams g ON g.id = f.parent_id WHERE f.id = leads.team_id AND g.parent_id IS NOT NULL))",
            ),
        ),
    },
    Fault {
        name: "who may change a record takes people off it",
        change: Policy(
            "contact_assignees",
            "celador_delete",
            "celador.may_link('contacts'::text, 'owner'::text, 0, (contact_id)::text, (user_id)::text)",
            "celador.record_in_reach('contacts', 'update', (contact_id)::text)",
        ),
    },
    Fault {
        name: "the type column of a parent isn't looked at, for creating",
        change: Policy(
            "notes",
            "celador_create",
            "(record_id)::text, record_type)",
            "(record_id)::text, 'account'::text)",
        ),
    },
    Fault {
        name: "a setting isn't inherited by a group",
        change: Sql(
            "INSERT INTO celador.setting_values VALUES ('5', 'team_records', true)",
            "DELETE FROM celador.setting_values WHERE \"group\" = '5'",
        ),
    },
    Fault {
        name: "another scope counts for creating",
        change: Document(
            "leads]\nread = [\"reports\", \"unassigned\"]\ncreate = [\"reports\"]",
            "leads]\nread = [\"reports\", \"unassigned\"]\ncreate = [\"reports\", \"unassigned\"]",
        ),
    },
];
