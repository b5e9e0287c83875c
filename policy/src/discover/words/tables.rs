//! Words of tables, and of the columns that tell what a record hangs on.

/// Reference tables: what the world says, nobody's.
pub(in crate::discover) const REFERENCE: &[&str] = &[
    "country",
    "currency",
    "language",
    "lang",
    "locale",
    "time_zone",
    "timezone",
    "unit_of_measure",
    "uom",
    "unit",
    "region",
    "province",
    "subdivision",
    "state_province",
    "city",
    "postal_code",
    "zip_code",
    "content_type",
    "payment_term",
    "uom_category",
    "calendar_month",
    "calendar_day",
    "subdivision_type",
    "address_format",
    "currency_rate",
    "country_state",
    "industry",
    "salutation",
];
/// Tables in which an application lists its own kinds of records.
pub(in crate::discover) const REGISTRY: &[&str] =
    &["content_type", "model", "entity_type", "object_type"];
/// Tables of the machinery, by how their names end.
pub(in crate::discover) const MACHINERY: &[&str] = &[
    "session",
    "migration",
    "token",
    "job",
    "cron",
    "cron_log",
    "queue",
    "lock",
    "nonce",
    "cache",
    "login_attempt",
    "device",
    "blacklist",
    "blacklisted_email",
    "blacklistedtoken",
    "internal_metadata",
    "alembic_version",
    "schema_version",
    "oauth_client",
    "key_value",
    "session_wizard",
    "error",
    "user_application",
    "user_warning",
    "credential",
    "password_reset",
    "permission",
    "otp",
    "config_wizard_item",
    "login_history",
    "button_click",
    "job_log",
    "unique_id",
    "system_data",
];
/// Tables of the machinery, by how their names begin.
pub(in crate::discover) const MACHINERY_FAMILY: &[&str] = &[
    "django",
    "auth",
    "oauth",
    "flyway",
    "alembic",
    "knex",
    "celery",
    "schema",
    "delayed",
    "pg",
    "sequelize",
    "doctrine",
];
/// Tables of settings and rules, by how their names end.
pub(in crate::discover) const CONFIGURATION: &[&str] = &[
    "pipeline",
    "stage",
    "rule",
    "policy",
    "workflow",
    "template",
    "sequence",
    "sequence_strict",
    "sequence_type",
    "custom_field",
    "custom_field_definition",
    "field_definition",
    "form",
    "dashboard",
    "dashboard_element",
    "board",
    "widget",
    "chart",
    "report",
    "export",
    "macro",
    "automation",
    "trigger",
    "business_calendar",
    "holiday",
    "mailbox",
    "mail_account",
    "inbound_email",
    "canned_response",
    "sla",
    "webhook",
    "integration",
    "category",
    "tax",
    "journal",
    "fiscalyear",
    "filter",
    "priority",
    "inbox",
    "lost_reason",
    "activity_type",
    "application",
    "email_account",
];
/// Words that make a table one of settings wherever they stand.
pub(in crate::discover) const SETTING: &[&str] = &[
    "configuration",
    "config",
    "setting",
    "preference",
    "template",
];
/// Words of tables that only tell what was.
pub(in crate::discover) const HISTORY: &[&str] = &[
    "history",
    "audit",
    "log",
    "version",
    "archive",
    "revision",
    "audit_log",
    "trail",
];
/// Words of tables that a parent's rows are made of.
pub(in crate::discover) const PART: &[&str] =
    &["line", "item", "detail", "line_item", "entry", "part"];

/// Modules that the presets know, or that CRMs share: the module's name, what its table is called,
/// and whether it is configuration. Of two words that fit, the earlier one is the better.
pub(in crate::discover) const MODULES: &[(&str, &[&str])] = &[
    (
        "accounts",
        &[
            "customer",
            "party",
            "partner",
            "client",
            "account",
            "organization",
            "organisation",
            "company",
        ],
    ),
    ("contacts", &["contact", "contact_person"]),
    ("leads", &["lead", "prospect"]),
    ("opportunities", &["opportunity", "deal"]),
    ("quotes", &["quote", "quotation", "estimate", "proposal"]),
    ("orders", &["order", "sale_order", "sales_order", "sale"]),
    ("products", &["product_template", "product"]),
    (
        "price_lists",
        &["price_list", "pricelist", "list_price", "price_book"],
    ),
    ("tasks", &["task", "todo"]),
    (
        "events",
        &[
            "event",
            "meeting",
            "appointment",
            "calendar_event",
            "activity",
        ],
    ),
    ("notes", &["note", "comment"]),
    ("calls", &["call", "phone_call"]),
    ("emails", &["email", "mail_message"]),
    ("email_templates", &["email_template", "mail_template"]),
    ("tickets", &["ticket", "case", "issue"]),
    (
        "conversations",
        &["conversation", "chat_channel", "channel", "thread"],
    ),
    (
        "messages",
        &[
            "message",
            "chat_message",
            "email_message",
            "article",
            "ticket_article",
        ],
    ),
    ("campaigns", &["campaign"]),
    ("mailing_lists", &["mailing_list", "target_list"]),
    ("reports", &["report"]),
    ("dashboards", &["dashboard", "board"]),
    ("forms", &["form", "web_form"]),
    ("workflows", &["workflow", "automation_rule"]),
    (
        "custom_fields",
        &[
            "custom_field",
            "custom_field_definition",
            "object_manager_attribute",
            "custom_attribute_definition",
        ],
    ),
    ("pipeline", &["pipeline"]),
    ("invoices", &["invoice"]),
    ("payments", &["payment"]),
    ("documents", &["document"]),
    ("attachments", &["attachment"]),
    ("notifications", &["notification"]),
];
/// Modules that records hang on, and not as an aside.
pub(in crate::discover) const HUBS: &[&str] = &[
    "accounts",
    "contacts",
    "leads",
    "opportunities",
    "orders",
    "invoices",
    "tickets",
    "conversations",
    "dashboards",
    "quotes",
];
/// Modules that are configuration.
pub(in crate::discover) const CONFIGURATION_MODULES: &[&str] = &[
    "email_templates",
    "reports",
    "dashboards",
    "forms",
    "workflows",
    "custom_fields",
    "pipeline",
];
/// Columns that tell what kind of record a key is of, and columns that hold the key, in pairs of
/// endings: `record_type` and `record_id`.
pub(in crate::discover) const KIND: &[&str] =
    &["type", "model", "content_type", "module", "kind", "class"];
/// Columns that hold a record's kind and key in one value.
pub(in crate::discover) const JOINED: &[&str] = &[
    "resource",
    "reference",
    "origin",
    "target",
    "record",
    "related_to",
];
/// Columns that hold what nobody should read, wherever the word stands.
pub(in crate::discover) const SECRET: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
];
/// Tables of what one person's screen looked like.
pub(in crate::discover) const SCREEN: &[&str] = &[
    "favorite",
    "favourite",
    "state",
    "width",
    "optional",
    "search",
    "bookmark",
];
