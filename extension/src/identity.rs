//! Who asks: the person of a signed token, or the person whom the login is mapped to.
//!
//! The token is in a hidden setting, so that it follows a session into its parallel workers.
//! Nothing believes it before it is verified. SQL without a key can end an identity, and never
//! become another.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};

use celador_identity::{Claims, Expected};
use celador_policy::PolicySet;
use celador_policy::directory::sql;
use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};
use pgrx::prelude::*;

use crate::catalog::Catalog;
use crate::hooks::injected::mistake;
use crate::session::{self, Nobody};
use crate::spi::{self, Reads};
use crate::watch::{self, Counter, Kind};
use crate::{errors, key_file, plan_stamp, relations};

/// How long an identity that `act_as` makes lasts, in seconds.
const ACT_AS_SECONDS: u64 = 12 * 60 * 60;

/// How a session came to its person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// By a token.
    Token,
    /// The database role that logged in is mapped.
    Login,
    /// Looked through by `explain_access`.
    Lent,
}

/// Who asks.
pub(crate) enum Who {
    /// The person with this `user` key.
    User(String, Source),
}

struct Verified {
    text: String,
    user: String,
    expires: u64,
}

static KEY_FILE: GucSetting<Option<std::ffi::CString>> =
    GucSetting::<Option<std::ffi::CString>>::new(None);
static mut TOKEN: *mut c_char = std::ptr::null_mut();

thread_local! {
    static ALLOWED: Cell<bool> = const { Cell::new(false) };
    static EPOCH: Cell<u64> = const { Cell::new(1) };
    static LOGIN: Cell<pg_sys::Oid> = const { Cell::new(pg_sys::InvalidOid) };
    /// The identity was changed in a transaction that was rolled back.
    static VOID: Cell<bool> = const { Cell::new(false) };
    /// At which nesting of transactions the identity was last changed; 0: before this one.
    static CHANGED_AT: Cell<i32> = const { Cell::new(0) };
    /// The epoch in which a statement over protected tables last began.
    static CURSORS_OF: Cell<u64> = const { Cell::new(0) };
    /// Cursors of an earlier epoch may be left.
    static OLD_CURSORS: Cell<bool> = const { Cell::new(false) };
    static LAST_SERIAL: Cell<u64> = const { Cell::new(0) };
    static VERIFIED: RefCell<Option<Verified>> = const { RefCell::new(None) };
}

/// Defines the settings. Called once, when the library is loaded.
pub(crate) fn define_settings() {
    GucRegistry::define_string_guc(
        c"celador.key_file",
        c"The file with the keys that identities are signed with.",
        c"It lies outside the data directory, belongs to the server's user and has mode 0600.",
        &KEY_FILE,
        GucContext::Sighup,
        GucFlags::SUPERUSER_ONLY,
    );
    // SAFETY: the variable lives as long as the process; the hooks are plain functions.
    unsafe {
        pg_sys::DefineCustomStringVariable(
            c"celador.identity".as_ptr(),
            c"The signed identity of this session.".as_ptr(),
            std::ptr::null(),
            &raw mut TOKEN,
            c"".as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            (pg_sys::GUC_NO_SHOW_ALL
                | pg_sys::GUC_NOT_IN_SAMPLE
                | pg_sys::GUC_DISALLOW_IN_FILE
                | pg_sys::GUC_SUPERUSER_ONLY) as i32,
            Some(check_token),
            Some(token_assigned),
            Some(hide_token),
        );
        crate::hooks::injected::define_settings();
        crate::fold::define_setting();
        crate::hooks::searches::define_setting();
        watch::define_settings();
        pg_sys::MarkGUCPrefixReserved(c"celador".as_ptr());
        pg_sys::RegisterXactCallback(Some(transaction_ended), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(subtransaction_ended), std::ptr::null_mut());
    }
}

/// Only Celador's own functions set an identity; everybody may end one.
unsafe extern "C-unwind" fn check_token(
    value: *mut *mut c_char,
    _: *mut *mut c_void,
    _: pg_sys::GucSource::Type,
) -> bool {
    // SAFETY: PostgreSQL passes a pointer to a string or to NULL.
    // Nor does anything that is tried through other eyes.
    unsafe {
        !session::is_lent()
            && ((*value).is_null()
                || **value == 0
                || ALLOWED.get()
                || pg_sys::InitializingParallelWorker)
    }
}

unsafe extern "C-unwind" fn token_assigned(_: *const c_char, _: *mut c_void) {
    changed();
}

/// Whatever was answered for the one before isn't any more.
fn changed() {
    EPOCH.set(EPOCH.get() + 1);
    session::changed();
    if !mistake("plans outlive an identity") {
        plan_stamp::forget_marked();
    }
}

unsafe extern "C-unwind" fn hide_token() -> *const c_char {
    c"(hidden)".as_ptr()
}

unsafe extern "C-unwind" fn transaction_ended(event: pg_sys::XactEvent::Type, _: *mut c_void) {
    let aborted = event == pg_sys::XactEvent::XACT_EVENT_ABORT;
    let ended = event == pg_sys::XactEvent::XACT_EVENT_COMMIT
        || event == pg_sys::XactEvent::XACT_EVENT_PREPARE;
    if !aborted && !ended {
        return;
    }
    let changed = CHANGED_AT.replace(0) > 0;
    if aborted && changed {
        void();
    }
}

unsafe extern "C-unwind" fn subtransaction_ended(
    event: pg_sys::SubXactEvent::Type,
    _: pg_sys::SubTransactionId,
    _: pg_sys::SubTransactionId,
    _: *mut c_void,
) {
    // SAFETY: reads a counter.
    let level = unsafe { pg_sys::GetCurrentTransactionNestLevel() };
    if event == pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB {
        crate::hooks::maintenance::end();
        crate::hooks::executor::forget_running();
    }
    if CHANGED_AT.get() < level {
        return;
    }
    match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => {
            CHANGED_AT.set(0);
            void();
        }
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => CHANGED_AT.set(level - 1),
        _ => {}
    }
}

/// A ROLLBACK would bring the previous person back: nobody instead, until the next `assume`.
fn void() {
    VOID.set(true);
    changed();
}

// Asked for each row: the binding's guard would cost more than the rest.
unsafe extern "C" {
    safe fn GetSessionUserId() -> pg_sys::Oid;
}

/// Changes with every change of the identity, and of the session's user.
pub(crate) fn epoch() -> u64 {
    let login = GetSessionUserId();
    if LOGIN.replace(login) != login {
        changed();
    }
    EPOCH.get()
}

/// Whether the session's user is the one that [`epoch`] knows; raises nothing.
pub(crate) fn is_of_login() -> bool {
    LOGIN.get() == GetSessionUserId()
}

/// Whether the token's time is over.
pub(crate) fn has_ended(now: f64) -> bool {
    VERIFIED.with_borrow(|verified| {
        verified
            .as_ref()
            .is_some_and(|known| (known.expires as f64) <= now)
    })
}

/// A statement over protected tables begins, perhaps a cursor's.
pub(crate) fn note_cursor() {
    let epoch = epoch();
    let before = CURSORS_OF.replace(epoch);
    if before != 0 && before != epoch {
        OLD_CURSORS.set(true);
    }
}

/// A cursor that was held over a commit keeps its rows when SQL ends the identity: it goes before
/// the next cursor is used.
pub(crate) fn close_cursors_of_others() {
    note_cursor();
    if OLD_CURSORS.replace(false) {
        // SAFETY: leaves out the portal that runs: a utility statement's.
        unsafe { pg_sys::PortalHashTableDeleteAll() }
    }
}

fn token() -> String {
    // SAFETY: PostgreSQL keeps the variable pointing to a string, or NULL; backends have one thread.
    unsafe {
        let token = TOKEN;
        if token.is_null() {
            String::new()
        } else {
            CStr::from_ptr(token).to_string_lossy().into_owned()
        }
    }
}

/// Who asks, as far as the session tells.
pub(crate) fn who(catalog: &Catalog, policy: &PolicySet) -> Result<Who, Nobody> {
    if VOID.get() {
        return Err(Nobody::new(
            "the transaction that changed the identity was rolled back",
            "Call celador.assume or celador.act_as again.",
        ));
    }
    let token = token();
    if token.is_empty() {
        by_login(catalog, policy)
    } else {
        by_token(&token)
    }
}

fn by_token(text: &str) -> Result<Who, Nobody> {
    let known = VERIFIED.with_borrow(|verified| {
        verified
            .as_ref()
            .filter(|known| known.text == text && known.expires as f64 > session::now())
            .map(|known| known.user.clone())
    });
    match known {
        Some(user) => Ok(Who::User(user, Source::Token)),
        None => Err(Nobody::new(
            "the session's identity has expired or isn't valid here",
            "Call celador.assume with a new token.",
        )),
    }
}

/// The person whom the login role is mapped to. `SET ROLE` changes nothing.
fn by_login(catalog: &Catalog, policy: &PolicySet) -> Result<Who, Nobody> {
    // SAFETY: reads the session's user.
    let login = unsafe { pg_sys::GetSessionUserId() };
    let name = relations::role_name(login);
    if is_carrier(catalog, login) {
        return Err(Nobody::missing(
            format!("database role \"{name}\" carries identities, and none is set"),
            "Call celador.assume or celador.act_as before the first statement.",
        ));
    }
    let Some(statement) = sql::user_by_login(&policy.directory) else {
        return Err(Nobody::missing(
            "logins aren't mapped to users",
            "Map mapping.users.login, or sign in by celador.assume.",
        ));
    };
    let rows = spi::with_rights_of(spi::superuser(), || {
        spi::connected(|| catalog.kept(&statement, 1).rows(&[&name], Reads::Latest))
    });
    match rows.as_slice() {
        [row] => match row.first().cloned().flatten() {
            Some(user) => Ok(Who::User(user, Source::Login)),
            None => Err(unknown(&name)),
        },
        [] => Err(unknown(&name)),
        [..] => Err(Nobody::new(
            format!("database role \"{name}\" is the login of several users"),
            "Correct the directory: a login belongs to one user.",
        )),
    }
}

fn unknown(login: &str) -> Nobody {
    Nobody::missing(
        format!("database role \"{login}\" is no user's login"),
        "Add the login to the directory, or sign in as a user.",
    )
}

/// Whether a database role may carry tokens: then its own name stands for nobody.
pub(crate) fn is_carrier(catalog: &Catalog, role: pg_sys::Oid) -> bool {
    // SAFETY: cache look-ups.
    if unsafe { pg_sys::superuser_arg(role) } {
        return false;
    }
    [catalog.assume, catalog.act_as]
        .into_iter()
        .any(|function| may_execute(function, role))
}

/// Whether the session's login watches the server, and can't become a person: a member of
/// `pg_read_all_stats` that carries no tokens.
pub(crate) fn only_watches(catalog: &Catalog) -> bool {
    // SAFETY: cache look-ups.
    unsafe {
        let login = pg_sys::GetSessionUserId();
        pg_sys::has_privs_of_role(login, pg_sys::ROLE_PG_READ_ALL_STATS.into())
            && !is_carrier(catalog, login)
    }
}

fn may_execute(function: pg_sys::Oid, role: pg_sys::Oid) -> bool {
    // SAFETY: cache look-ups.
    #[cfg(feature = "pg15")]
    let result = unsafe { pg_sys::pg_proc_aclcheck(function, role, pg_sys::ACL_EXECUTE as _) };
    #[cfg(not(feature = "pg15"))]
    let result = unsafe {
        pg_sys::object_aclcheck(
            pg_sys::ProcedureRelationId,
            function,
            role,
            pg_sys::ACL_EXECUTE as _,
        )
    };
    result == pg_sys::AclResult::ACLCHECK_OK
}

/// The key that values are hashed with.
pub(crate) fn hash_key() -> celador_identity::HashKey {
    key_file::read_hash_key(key_file().as_deref())
}

fn keys() -> celador_identity::KeyRing {
    key_file::read(key_file().as_deref())
}

/// The path of the key file, if one is named.
pub(crate) fn key_file() -> Option<String> {
    let path = KEY_FILE.get()?;
    Some(path.to_string_lossy().into_owned()).filter(|path| !path.is_empty())
}

/// Whoever was signed in isn't any more, whatever comes next. An error leads to nobody, as any rollback of a
/// change does.
fn leave() {
    if session::is_lent() {
        errors::denied(
            "the identity can't change while another person's eyes are looked through",
            "Leave it out of what is simulated.",
        );
    }
    if session::has_open_portals() {
        errors::raise(
            PgSqlErrorCode::ERRCODE_OBJECT_IN_USE,
            "the identity can't change while a statement or cursor over protected tables is open",
            "Close the cursors first, and call the function in a statement of its own.",
        );
    }
    // Held cursors and temporary tables hold rows of the person before.
    // SAFETY: the first leaves out the portal that runs.
    unsafe {
        pg_sys::PortalHashTableDeleteAll();
        pg_sys::ResetTempTableNamespace();
        CHANGED_AT.set(pg_sys::GetCurrentTransactionNestLevel());
    }
    void();
}

/// Puts a token into the setting, after [`leave`].
fn enter(text: &str) {
    struct Forbid;
    impl Drop for Forbid {
        fn drop(&mut self) {
            ALLOWED.set(false);
        }
    }
    ALLOWED.set(true);
    let _forbid = Forbid;
    let value = spi::c_string(text);
    // SAFETY: name and value are strings that outlive the call.
    unsafe {
        pg_sys::set_config_option(
            c"celador.identity".as_ptr(),
            value.as_ptr(),
            pg_sys::GucContext::PGC_USERSET,
            pg_sys::GucSource::PGC_S_SESSION,
            pg_sys::GucAction::GUC_ACTION_SET,
            true,
            0,
            false,
        );
    }
    VOID.set(false);
}

/// Serials are microseconds since 1970: process numbers come again, and a token for an earlier
/// backend of the same number is older than this one.
fn last_serial() -> u64 {
    // SAFETY: read when the backend started.
    let started = session::seconds(unsafe { pg_sys::MyStartTimestamp });
    LAST_SERIAL.get().max((started * 1e6) as u64)
}

fn accept(text: &str) {
    let expected = Expected {
        // SAFETY: read the backend's own numbers.
        database: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        backend: unsafe { pg_sys::MyProcPid },
        now: session::now() as u64,
        last_serial: last_serial(),
    };
    match keys().verify(text, &expected) {
        Ok(token) => {
            watch::count(Counter::TokensAccepted, 1);
            LAST_SERIAL.set(token.serial);
            enter(text);
            VERIFIED.set(Some(Verified {
                text: text.to_owned(),
                user: token.user,
                expires: token.expires,
            }));
        }
        Err(error) => {
            watch::note(Kind::Token, None);
            errors::raise(
                PgSqlErrorCode::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
                format!("the token is not accepted: {error}"),
                "Get a new token for this session.",
            )
        }
    }
}

/// `celador.assume(token)`: the session acts for the person whom the token names.
#[pg_extern]
fn assume(token: Option<&str>) {
    leave();
    accept(token.unwrap_or_default());
}

/// `celador.act_as("user")`: makes a token for the person, and assumes it.
#[pg_extern]
fn act_as(user: Option<&str>) {
    leave();
    let user = user.unwrap_or_default();
    if let Some(catalog) = crate::catalog::current()
        && let Err(nobody) = session::person_of(&catalog, user, Source::Token)
    {
        session::refuse(&nobody);
    }
    let claims = Claims {
        user: user.to_owned(),
        // SAFETY: read the backend's own numbers.
        database: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        backend: unsafe { pg_sys::MyProcPid },
        serial: (last_serial() + 1).max((session::now() * 1e6) as u64),
        expires: session::now() as u64 + ACT_AS_SECONDS,
    };
    match keys().sign(&claims) {
        Ok(text) => accept(&text),
        Err(error) => errors::raise(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            format!("no token can be made for this user: {error}"),
            "Give the user a key that a token can carry.",
        ),
    }
}

/// `celador.end_identity()`: the session acts for nobody, or for whom its login is mapped to.
#[pg_extern]
fn end_identity() {
    leave();
    enter("");
}
