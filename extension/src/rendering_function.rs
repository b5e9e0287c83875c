//! Functions as renderings: what the table's owner wrote shows a column.
//!
//! The function is found, and looked at, where a statement begins to call it: what was changed after the
//! policy was loaded ends the statement. It is called with the rights of whoever asks, who needs none to
//! call it: nobody who may not can try what it makes of guesses. Its errors are replaced, for they could
//! tell of a value that isn't shown.

use std::panic::AssertUnwindSafe;

use celador_policy::rendering_function::{FunctionFacts, FunctionName};
use pgrx::pg_sys::panic::CaughtError;
use pgrx::prelude::*;

use crate::hooks::injected::mistake;
use crate::hooks::raw_function;
use crate::spi::c_string;
use crate::{call_memory, errors, relations};

raw_function!(
    /// `celador.render_by(schema, name, owner, field, value)`: what the function makes of the value, which
    /// is of the type that the call's expression tells. No statement has a value of its last argument's
    /// type.
    render_by_wrapper,
    pg_finfo_render_by_wrapper,
    render_by
);

/// A function that is called for each row of a statement.
struct Called {
    function: pg_sys::FmgrInfo,
    /// Room for one argument, in the memory of the statement.
    call: pg_sys::FunctionCallInfo,
}

unsafe fn render_by(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: five arguments; `fn_extra` is this function's own.
    unsafe {
        let known = (*(*call).flinfo).fn_extra.cast::<Called>();
        let called = if known.is_null() { find(call) } else { known };
        let value = (*call).args.as_slice(5)[4];
        if (*called).function.fn_strict && value.isnull {
            (*call).isnull = true;
            return pg_sys::Datum::from(0);
        }
        let inner = (*called).call;
        (*inner).isnull = false;
        (*inner).args.as_mut_slice(1)[0] = value;
        let Some(function) = (*called).function.fn_addr else {
            errors::fault("a function has no address")
        };
        let result = PgTryBuilder::new(AssertUnwindSafe(|| {
            pg_sys::ffi::pg_guard_ffi_boundary(|| function(inner))
        }))
        .catch_others(move |error| failed(call, error))
        .execute();
        (*call).isnull = (*inner).isnull;
        result
    }
}

/// An error of the function's says that there was one, and nothing else. Who ends the statement from
/// outside is heard.
unsafe fn failed(call: pg_sys::FunctionCallInfo, error: CaughtError) -> ! {
    let class = |code: PgSqlErrorCode| code as i32 & 0xfff;
    let code = match &error {
        CaughtError::PostgresError(report)
        | CaughtError::ErrorReport(report)
        | CaughtError::RustPanic {
            ereport: report, ..
        } => report.sql_error_code(),
    };
    let is_from_outside = class(code) == class(PgSqlErrorCode::ERRCODE_OPERATOR_INTERVENTION);
    if is_from_outside || mistake("a function's errors are told") {
        error.rethrow();
    }
    // SAFETY: as in `render_by`.
    let (function, field) = unsafe { (name(call), text(call, 3)) };
    errors::raise(
        PgSqlErrorCode::ERRCODE_EXTERNAL_ROUTINE_EXCEPTION,
        format!("function {function}, by which field \"{field}\" is shown, has failed"),
        "Whoever owns the table can call it with the values that are stored, to see why.",
    )
}

unsafe fn text(call: pg_sys::FunctionCallInfo, at: usize) -> String {
    // SAFETY: the hook passes texts.
    unsafe {
        let argument = (*call).args.as_slice(5)[at];
        String::from_datum(argument.value, argument.isnull).unwrap_or_default()
    }
}

unsafe fn name(call: pg_sys::FunctionCallInfo) -> FunctionName {
    // SAFETY: as in `text`.
    unsafe {
        FunctionName {
            schema: text(call, 0),
            name: text(call, 1),
        }
    }
}

/// The function, if it may show the column, ready to be called.
unsafe fn find(call: pg_sys::FunctionCallInfo) -> *mut Called {
    // SAFETY: the call's expression tells its type; memory is the statement's.
    unsafe {
        let type_id = pg_sys::get_fn_expr_rettype((*call).flinfo);
        let function = name(call);
        let owner = (*call).args.as_slice(5)[2].value;
        let owner = relations::role_name(pg_sys::Oid::from(owner.value() as u32));
        let told = || {
            let field = text(call, 3);
            format!("field \"{field}\" can't be shown: function {function}")
        };
        let Some((oid, facts)) = facts(&function, type_id) else {
            errors::denied(
                format!("{} is gone", told()),
                "Create it again for the column's type, or load a policy that doesn't name it.",
            )
        };
        let unfit = facts
            .unfit(&type_name(type_id), &owner)
            .filter(|_| !mistake("functions aren't looked at again"));
        if let Some((problem, remedy)) = unfit {
            errors::denied(format!("{} {problem}", told()), remedy);
        }
        let flinfo = (*call).flinfo;
        let size =
            size_of::<pg_sys::FunctionCallInfoBaseData>() + size_of::<pg_sys::NullableDatum>();
        let inner = pg_sys::MemoryContextAllocZero((*flinfo).fn_mcxt, size)
            .cast::<pg_sys::FunctionCallInfoBaseData>();
        let called = Called {
            function: pg_sys::FmgrInfo::default(),
            call: inner,
        };
        let called = call_memory::keep(flinfo, called);
        pg_sys::fmgr_info_cxt(oid, &raw mut (*called).function, (*flinfo).fn_mcxt);
        (*inner).flinfo = &raw mut (*called).function;
        (*inner).fncollation = (*call).fncollation;
        (*inner).nargs = 1;
        called
    }
}

unsafe fn type_name(type_id: pg_sys::Oid) -> String {
    // SAFETY: returns a string in the current memory context.
    unsafe {
        let name = pg_sys::format_type_be_qualified(type_id);
        std::ffi::CStr::from_ptr(name)
            .to_string_lossy()
            .into_owned()
    }
}

/// The function of that name that takes one argument of that very type.
unsafe fn facts(
    function: &FunctionName,
    type_id: pg_sys::Oid,
) -> Option<(pg_sys::Oid, FunctionFacts)> {
    let (schema, name) = (c_string(&function.schema), c_string(&function.name));
    let cache = pg_sys::SysCacheIdentifier::PROCNAMEARGSNSP as i32;
    // SAFETY: a valid tuple of pg_proc begins with FormData_pg_proc; it is released after use.
    unsafe {
        let schema = pg_sys::get_namespace_oid(schema.as_ptr(), true);
        if schema == pg_sys::InvalidOid {
            return None;
        }
        let arguments = pg_sys::buildoidvector(&type_id, 1);
        let tuple = pg_sys::SearchSysCache3(
            cache,
            pg_sys::Datum::from(name.as_ptr()),
            pg_sys::Datum::from(arguments),
            pg_sys::Datum::from(schema),
        );
        if tuple.is_null() {
            return None;
        }
        let form = &*pg_sys::GETSTRUCT(tuple).cast::<pg_sys::FormData_pg_proc>();
        let type_name = |type_id| type_name(type_id);
        let facts = FunctionFacts {
            arguments: vec![type_name(type_id)],
            result: type_name(form.prorettype),
            plain: form.prokind as u8 == pg_sys::PROKIND_FUNCTION
                && !form.proretset
                && form.provariadic == pg_sys::InvalidOid,
            owner: relations::role_name(form.proowner),
            of_superuser: pg_sys::superuser_arg(form.proowner),
            immutable: form.provolatile as u8 == pg_sys::PROVOLATILE_IMMUTABLE,
            parallel_safe: form.proparallel as u8 == pg_sys::PROPARALLEL_SAFE,
            definer: form.prosecdef,
            language: language(form.prolang),
            search_path: search_path(cache, tuple),
        };
        let oid = form.oid;
        pg_sys::ReleaseSysCache(tuple);
        Some((oid, facts))
    }
}

unsafe fn language(language: pg_sys::Oid) -> String {
    // SAFETY: returns a string in the current memory context, or NULL.
    unsafe {
        let name = pg_sys::get_language_name(language, true);
        if name.is_null() {
            return String::new();
        }
        std::ffi::CStr::from_ptr(name)
            .to_string_lossy()
            .into_owned()
    }
}

/// The `search_path` that a function sets.
unsafe fn search_path(cache: i32, tuple: pg_sys::HeapTuple) -> Option<String> {
    // SAFETY: the attribute is a text[], or NULL.
    unsafe {
        let mut is_null = false;
        let number = pg_sys::Anum_pg_proc_proconfig as i16;
        let settings = pg_sys::SysCacheGetAttr(cache, tuple, number, &mut is_null);
        let settings = Vec::<String>::from_datum(settings, is_null)?;
        let mut settings = settings.iter();
        settings.find_map(|setting| setting.strip_prefix("search_path=").map(str::to_owned))
    }
}
