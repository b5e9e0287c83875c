//! The words that discovery knows. They are few and general: what most CRMs call things, never the
//! name of one CRM's table. Phrases are written in the singular with `_`, and best ones come first.

/// What tables of people who sign in are called.
pub(super) const USER: &[&str] = &["user", "account_user", "login"];
/// What tables are called in which a person has another key.
pub(super) const STAFF: &[&str] = &[
    "employee",
    "profile",
    "agent",
    "staff",
    "operator",
    "salesperson",
    "sales_person",
    "person",
    "rep",
];
/// Columns that only tables of people who sign in have.
pub(super) const PASSWORD: &[&str] = &[
    "password",
    "password_hash",
    "encrypted_password",
    "crypted_password",
    "password_digest",
    "hashed_password",
    "passwd",
    "pwd",
    "user_hash",
    "password_salt",
];
/// Columns with a name to sign in with.
pub(super) const LOGIN: &[&str] = &["login", "username", "user_name", "userid", "login_name"];
/// Columns with an address, by which some sign in.
pub(super) const EMAIL: &[&str] = &["email", "email_address", "mail"];
/// Boolean columns that say that a row counts.
pub(super) const ACTIVE: &[&str] = &["active", "is_active", "enabled", "is_enabled"];
/// Boolean columns that say that a row doesn't count.
pub(super) const GONE: &[&str] = &[
    "deleted",
    "is_deleted",
    "disabled",
    "is_disabled",
    "inactive",
    "blocked",
    "suspended",
];
/// Columns with the day on which a row stops to count.
pub(super) const ENDED: &[&str] = &[
    "end_date",
    "ended_on",
    "left_on",
    "departure_date",
    "valid_until",
    "ended_at",
];
/// Columns that name whoever supervises.
pub(super) const SUPERVISOR: &[&str] = &[
    "manager",
    "supervisor",
    "report_to",
    "reports_to",
    "parent",
    "boss",
    "line_manager",
    "superior",
];

/// What groups of people are called.
pub(super) const GROUP: &[&str] = &[
    "team",
    "sale_team",
    "sales_team",
    "group",
    "department",
    "business_unit",
    "unit",
    "branch",
    "division",
    "office",
    "company",
];
/// What roles are called.
pub(super) const ROLE: &[&str] = &["role", "group", "security_role", "profile"];
/// Columns that hold a role.
pub(super) const ROLE_COLUMN: &[&str] = &[
    "role",
    "role_name",
    "user_role",
    "user_type",
    "role_type",
    "access_level",
];
/// Boolean columns that say that somebody administers.
pub(super) const ADMINISTRATOR: &[&str] = &[
    "administrator",
    "is_admin",
    "admin",
    "is_administrator",
    "is_superuser",
];
/// What roles, and nothing else, are called.
pub(super) const ROLE_ONLY: &[&str] = &["role"];
/// What rights of roles are called, by which roles are told from groups.
pub(super) const ROLE_RIGHT: &[&str] = &["permission", "access", "acl", "privilege", "capability"];
/// What rights and rules of the application's own are called.
pub(super) const RIGHT: &[&str] = &[
    "permission",
    "access",
    "acl",
    "privilege",
    "right",
    "capability",
    "rule",
];
/// What a role is called there, and in the presets.
pub(super) const ROLES: &[(&str, &[&str])] = &[
    (
        "administrator",
        &[
            "administrator",
            "admin",
            "superuser",
            "system_administrator",
            "super_admin",
            "super_administrator",
        ],
    ),
    (
        "manager",
        &[
            "manager",
            "sales_manager",
            "sale_manager",
            "sale_administrator",
            "supervisor",
            "team_lead",
            "lead",
        ],
    ),
    (
        "seller",
        &[
            "seller",
            "sales",
            "sale",
            "sales_rep",
            "sale_rep",
            "salesperson",
            "sales_user",
            "sale_user",
            "salesman",
            "user",
            "regular",
            "standard",
        ],
    ),
    (
        "support",
        &["support", "service", "helpdesk", "support_agent"],
    ),
    ("agent", &["agent"]),
    ("marketing", &["marketing", "marketer"]),
    ("analyst", &["analyst", "reporting", "data_analyst"]),
    (
        "chief_executive",
        &["chief_executive", "ceo", "executive", "director"],
    ),
    ("customer_service", &["customer_service"]),
    ("owner", &["owner"]),
    ("member", &["member"]),
    ("standard", &["standard"]),
    (
        "read",
        &["read", "viewer", "read_only", "readonly", "guest"],
    ),
];

/// Columns that say whose a record is, beyond doubt.
pub(super) const OWNER: &[&str] = &[
    "owner",
    "assigned_to",
    "assignee",
    "assigned_user",
    "assigned",
    "responsible",
    "responsible_user",
    "salesperson",
    "sales_person",
    "sale_person",
    "sales_rep",
    "sale_rep",
    "salesman",
    "account_manager",
    "owner_user",
];
/// Columns that name a person without saying how.
pub(super) const PERSON: &[&str] = &[
    "user",
    "employee",
    "agent",
    "profile",
    "person",
    "staff",
    "member",
    "rep",
    "seller",
    "recipient",
];
/// Columns that say who created a record, beyond doubt.
pub(super) const CREATOR: &[&str] = &[
    "created_by",
    "create_uid",
    "creator",
    "created_user",
    "created_by_user",
    "author",
];
/// Columns that say who did what a record tells of.
pub(super) const DOER: &[&str] = &[
    "entered_by",
    "added_by",
    "registered_by",
    "commented_by",
    "posted_by",
    "uploaded_by",
    "written_by",
    "sender",
    "requested_by",
    "reported_by",
    "actor",
    "performed_by",
];
/// Columns that say who changed a record last.
pub(super) const CHANGER: &[&str] = &[
    "updated_by",
    "modified_by",
    "write_uid",
    "last_modified_by",
    "changed_by",
    "modified_user",
    "updater",
    "edited_by",
    "last_updated_by",
];
/// Columns that say when a record was changed or made.
pub(super) const CHANGED: &[&str] = &[
    "updated_at",
    "write_date",
    "modified_at",
    "updated",
    "date_modified",
    "modified_on",
    "updated_on",
    "modified",
    "last_modified",
    "date_updated",
];
/// Columns that say when a record was made.
pub(super) const CREATED: &[&str] = &[
    "created_at",
    "create_date",
    "created",
    "date_entered",
    "created_on",
    "date_created",
    "inserted_at",
];
/// What names links that give a record to people.
pub(super) const OWNER_LINK: &[&str] = &[
    "assigned_to",
    "assigned",
    "assignee",
    "owner",
    "responsible",
    "assigned_user",
    "assignment",
];
/// What names links that give a record to people to look at.
pub(super) const SHARE_LINK: &[&str] = &["shared_to", "shared_with", "share", "shared"];

/// Reference tables: what the world says, nobody's.
pub(super) const REFERENCE: &[&str] = &[
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
pub(super) const REGISTRY: &[&str] = &["content_type", "model", "entity_type", "object_type"];
/// Tables of the machinery, by how their names end.
pub(super) const MACHINERY: &[&str] = &[
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
pub(super) const MACHINERY_FAMILY: &[&str] = &[
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
pub(super) const CONFIGURATION: &[&str] = &[
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
pub(super) const SETTING: &[&str] = &[
    "configuration",
    "config",
    "setting",
    "preference",
    "template",
];
/// Words of tables that only tell what was.
pub(super) const HISTORY: &[&str] = &[
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
pub(super) const PART: &[&str] = &["line", "item", "detail", "line_item", "entry", "part"];

/// Modules that the presets know, or that CRMs share: the module's name, what its table is called,
/// and whether it is configuration. Of two words that fit, the earlier one is the better.
pub(super) const MODULES: &[(&str, &[&str])] = &[
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
pub(super) const HUBS: &[&str] = &[
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
pub(super) const CONFIGURATION_MODULES: &[&str] = &[
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
pub(super) const KIND: &[&str] = &["type", "model", "content_type", "module", "kind", "class"];
/// Columns that hold a record's kind and key in one value.
pub(super) const JOINED: &[&str] = &[
    "resource",
    "reference",
    "origin",
    "target",
    "record",
    "related_to",
];
/// Columns that hold what nobody should read, wherever the word stands.
pub(super) const SECRET: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "credential",
    "apikey",
];
/// Tables of what one person's screen looked like.
pub(super) const SCREEN: &[&str] = &[
    "favorite",
    "favourite",
    "state",
    "width",
    "optional",
    "search",
    "bookmark",
];
