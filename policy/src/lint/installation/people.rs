//! Rules about the directory: people, groups, roles held, shares, and reviews.

use crate::lint::Look::Installation;
use crate::lint::{Rule, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "CEL141",
        severity: Severity::Warning,
        title: "there are many administrators",
        reason: "Each of them reads and writes everything: the more there are, the less the matrix says.",
        remedy: "Take the role from those who don't need it, or set `limits.administrators`.",
        look: Installation(
            "SELECT 'administrators', format('%s active people reach everything, %s are right', count(DISTINCT h.value->>0),
               f->>'administrator_limit')
             FROM fact, jsonb_array_elements(f->'holders') AS h
             WHERE h.value->>1 IN (SELECT r.role FROM jsonb_to_recordset(f->'roles') AS r(role text, administrator boolean)
               WHERE r.administrator)
             GROUP BY f HAVING count(DISTINCT h.value->>0) > (f->>'administrator_limit')::integer",
        ),
    },
    Rule {
        code: "CEL142",
        severity: Severity::Info,
        title: "nobody holds a role",
        reason: "A role without holders is either forgotten, or its name differs from what the directory says.",
        remedy: "Give it to somebody, correct the map of `roles_held`, or remove it.",
        look: Installation(
            "SELECT r.role, 'no active person holds it' FROM fact, jsonb_to_recordset(f->'roles') AS r(role text)
             WHERE r.role NOT IN (SELECT h.value->>1 FROM jsonb_array_elements(f->'holders') AS h)",
        ),
    },
    Rule {
        code: "CEL143",
        severity: Severity::Warning,
        title: "an active user holds no role",
        reason: "Without a role a person gets no rows, and asks why.",
        remedy: "Give a role, or deactivate the user.",
        look: Installation(
            "SELECT 'users', format('%s: %s', count(DISTINCT p.user), array_to_string((array_agg(DISTINCT p.user ORDER BY p.user))[1:10], ', '))
             FROM fact, person AS p
             WHERE p.active AND p.user NOT IN (SELECT h.value->>0 FROM jsonb_array_elements(f->'holders') AS h)
             HAVING count(*) > 0",
        ),
    },
    Rule {
        code: "CEL144",
        severity: Severity::Warning,
        title: "a user whose role reaches rows by group is in no group",
        reason: "The scopes group, group_tree, colleagues and colleagues_tree reach nothing without one.",
        remedy: "Put the user into a group.",
        look: Installation(
            "SELECT concat('role ', h.value->>1), format('%s: %s', count(DISTINCT h.value->>0),
               array_to_string((array_agg(DISTINCT h.value->>0 ORDER BY h.value->>0))[1:10], ', '))
             FROM fact, jsonb_array_elements(f->'holders') AS h
             WHERE h.value->>1 IN (SELECT r.role FROM jsonb_to_recordset(f->'roles') AS r(role text, by_group boolean) WHERE r.by_group)
               AND h.value->>0 NOT IN (SELECT m.user FROM member AS m) GROUP BY h.value->>1",
        ),
    },
    Rule {
        code: "CEL145",
        severity: Severity::Warning,
        title: "a restriction names somebody who isn't there",
        reason: "A restriction applies to those whom it names: with a wrong name it narrows nobody.",
        remedy: "Correct the key, the login or the group's name.",
        look: Installation(
            "SELECT n.restriction, COALESCE('names user ' || n.user, 'names group ' || n.group)
             FROM fact, jsonb_to_recordset(f->'named') AS n(restriction text, \"user\" text, \"group\" text)
             WHERE n.user IS NOT NULL AND NOT EXISTS (SELECT FROM person AS p WHERE n.user IN (p.user, p.login))
               OR n.group IS NOT NULL AND NOT EXISTS (SELECT FROM named_group AS g WHERE n.group IN (g.group, g.name))",
        ),
    },
    Rule {
        code: "CEL146",
        severity: Severity::Info,
        title: "shares have ended and are still kept",
        reason: "They give nothing, and hide those that do when shares are reviewed.",
        remedy: "DELETE them.",
        look: Installation(
            "SELECT concat('shares of ', s.module), format('%s have ended', count(*)) FROM share AS s
             WHERE s.expires < clock_timestamp() GROUP BY s.module",
        ),
    },
    Rule {
        code: "CEL147",
        severity: Severity::Info,
        title: "shares never end",
        reason: "A share is an exception to the matrix; without an end it stays when its reason is gone.",
        remedy: "Give an expiry: celador.share(…, expires => …).",
        look: Installation(
            "SELECT concat('shares of ', s.module), format('%s have no end', count(*)) FROM share AS s
             WHERE s.expires IS NULL OR s.expires = 'infinity' GROUP BY s.module",
        ),
    },
    Rule {
        code: "CEL148",
        severity: Severity::Warning,
        title: "a share gives nothing",
        reason: "Its module or level is unknown, or whom it names is gone.",
        remedy: "Correct or DELETE it.",
        look: Installation(
            "SELECT concat('shares of ', s.module), format('%s: records %s', count(*),
               array_to_string((array_agg(s.record ORDER BY s.record))[1:10], ', '))
             FROM share AS s
             WHERE s.module NOT IN (SELECT jsonb_array_elements_text(f->'modules') FROM fact)
               OR s.level NOT IN ('read', 'update', 'delete')
               OR s.group IS NOT NULL AND s.group NOT IN (SELECT g.group FROM named_group AS g)
             GROUP BY s.module",
        ),
    },
    Rule {
        code: "CEL149",
        severity: Severity::Warning,
        title: "a deactivated user has a session open",
        reason: "The person is nobody from the next statement on, but the connection stays.",
        remedy: "SELECT pg_terminate_backend(…), and ALTER ROLE … NOLOGIN.",
        look: Installation(
            "SELECT concat('user ', p.user), format('is deactivated, and session %s is open as %s', a.pid, a.usename)
             FROM person AS p JOIN pg_stat_activity AS a ON a.usename::text = p.login
             WHERE NOT p.active AND a.datname = current_database()",
        ),
    },
    Rule {
        code: "CEL150",
        severity: Severity::Warning,
        title: "the directory names a role that the policy doesn't know",
        reason: "What is held under an unknown name grants nothing.",
        remedy: "Add it to the map of `roles_held`, or correct the value.",
        look: Installation(
            "SELECT v.value, format('%s active people hold it', count(DISTINCT v.user))
             FROM fact CROSS JOIN value_held AS v
             JOIN jsonb_to_recordset((SELECT f->'values' FROM fact)) AS k(source integer, known jsonb) ON k.source = v.source
             WHERE NOT COALESCE(k.known, (SELECT jsonb_agg(r.role) FROM jsonb_to_recordset(f->'roles') AS r(role text))) ? v.value
             GROUP BY v.value",
        ),
    },
    Rule {
        code: "CEL151",
        severity: Severity::Error,
        title: "several people have one login",
        reason: "Whoever logs in so is nobody: Celador doesn't choose between them.",
        remedy: "Give each person a login.",
        look: Installation(
            "SELECT p.login, format('is the login of users %s', string_agg(DISTINCT p.user, ', ' ORDER BY p.user)) FROM person AS p
             WHERE p.login IS NOT NULL GROUP BY p.login HAVING count(DISTINCT p.user) > 1",
        ),
    },
    Rule {
        code: "CEL152",
        severity: Severity::Info,
        title: "a person's login is no role of the database",
        reason: "Such a person can't connect under the own name; only a token can sign the person in.",
        remedy: "Create the role, or leave it if people are signed in by tokens.",
        look: Installation(
            "SELECT 'users', format('%s: %s', count(DISTINCT p.user), array_to_string((array_agg(DISTINCT p.user ORDER BY p.user))[1:10], ', '))
             FROM person AS p
             WHERE p.active AND p.login IS NOT NULL AND NOT EXISTS (SELECT FROM carrier)
               AND NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname::text = p.login AND r.rolcanlogin)
             HAVING count(*) > 0",
        ),
    },
    Rule {
        code: "CEL153",
        severity: Severity::Warning,
        title: "an access review is due",
        reason: "People change jobs; rights stay until somebody looks.",
        remedy: "Look at celador.access_review(), and SELECT celador.record_review(…).",
        look: Installation(
            "SELECT 'celador.access_review()', CASE WHEN max(r.reviewed_at) IS NULL THEN 'was never reviewed'
               ELSE format('was reviewed on %s, more than %s days ago', max(r.reviewed_at)::date, f->>'review_days') END
             FROM fact LEFT JOIN celador.review AS r ON true
             WHERE EXISTS (SELECT FROM celador.policy)
             GROUP BY f HAVING COALESCE(max(r.reviewed_at), '-infinity')
               < clock_timestamp() - make_interval(days => (f->>'review_days')::integer)",
        ),
    },
];
