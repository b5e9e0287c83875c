//! Words of people, groups, roles, and of the columns that name them.

/// What tables of people who sign in are called.
pub(in crate::discover) const USER: &[&str] = &["user", "account_user", "login"];
/// What tables are called in which a person has another key.
pub(in crate::discover) const STAFF: &[&str] = &[
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
pub(in crate::discover) const PASSWORD: &[&str] = &[
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
pub(in crate::discover) const LOGIN: &[&str] =
    &["login", "username", "user_name", "userid", "login_name"];
/// Columns with an address, by which some sign in.
pub(in crate::discover) const EMAIL: &[&str] = &["email", "email_address", "mail"];
/// Boolean columns that say that a row counts.
pub(in crate::discover) const ACTIVE: &[&str] = &["active", "is_active", "enabled", "is_enabled"];
/// Boolean columns that say that a row doesn't count.
pub(in crate::discover) const GONE: &[&str] = &[
    "deleted",
    "is_deleted",
    "disabled",
    "is_disabled",
    "inactive",
    "blocked",
    "suspended",
];
/// Columns with the day on which a row stops to count.
pub(in crate::discover) const ENDED: &[&str] = &[
    "end_date",
    "ended_on",
    "left_on",
    "departure_date",
    "valid_until",
    "ended_at",
];
/// Columns that name whoever supervises.
pub(in crate::discover) const SUPERVISOR: &[&str] = &[
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
pub(in crate::discover) const GROUP: &[&str] = &[
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
pub(in crate::discover) const ROLE: &[&str] = &["role", "group", "security_role", "profile"];
/// Columns that hold a role.
pub(in crate::discover) const ROLE_COLUMN: &[&str] = &[
    "role",
    "role_name",
    "user_role",
    "user_type",
    "role_type",
    "access_level",
];
/// Boolean columns that say that somebody administers.
pub(in crate::discover) const ADMINISTRATOR: &[&str] = &[
    "administrator",
    "is_admin",
    "admin",
    "is_administrator",
    "is_superuser",
];
/// What roles, and nothing else, are called.
pub(in crate::discover) const ROLE_ONLY: &[&str] = &["role"];
/// What rights of roles are called, by which roles are told from groups.
pub(in crate::discover) const ROLE_RIGHT: &[&str] =
    &["permission", "access", "acl", "privilege", "capability"];
/// What rights and rules of the application's own are called.
pub(in crate::discover) const RIGHT: &[&str] = &[
    "permission",
    "access",
    "acl",
    "privilege",
    "right",
    "capability",
    "rule",
];
/// What a role is called there, and in the presets.
pub(in crate::discover) const ROLES: &[(&str, &[&str])] = &[
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
pub(in crate::discover) const OWNER: &[&str] = &[
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
pub(in crate::discover) const PERSON: &[&str] = &[
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
pub(in crate::discover) const CREATOR: &[&str] = &[
    "created_by",
    "create_uid",
    "creator",
    "created_user",
    "created_by_user",
    "author",
];
/// Columns that say who did what a record tells of.
pub(in crate::discover) const DOER: &[&str] = &[
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
pub(in crate::discover) const CHANGER: &[&str] = &[
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
pub(in crate::discover) const CHANGED: &[&str] = &[
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
pub(in crate::discover) const CREATED: &[&str] = &[
    "created_at",
    "create_date",
    "created",
    "date_entered",
    "created_on",
    "date_created",
    "inserted_at",
];
/// What names links that give a record to people.
pub(in crate::discover) const OWNER_LINK: &[&str] = &[
    "assigned_to",
    "assigned",
    "assignee",
    "owner",
    "responsible",
    "assigned_user",
    "assignment",
];
/// What names links that give a record to people to look at.
pub(in crate::discover) const SHARE_LINK: &[&str] =
    &["shared_to", "shared_with", "share", "shared"];
