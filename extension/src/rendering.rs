//! Renderings: what is left of a value for those who don't see it. They never fail, for an error would
//! tell of a value that isn't shown.

use celador_identity::HashKey;
use celador_policy::rendering::{self, Period};
use pgrx::prelude::*;

use crate::hooks::injected::mistake;
use crate::hooks::raw_function;
use crate::watch::Kind;
use crate::{call_memory, errors, guard, identity};

// Not among pgrx's bindings.
unsafe extern "C-unwind" {
    fn datum_image_eq(
        one: pg_sys::Datum,
        other: pg_sys::Datum,
        by_value: bool,
        length: std::ffi::c_int,
    ) -> bool;
}

/// A text as the database stores it: what is made of its characters.
fn of_text(value: &[u8], rendered: impl FnOnce(&str) -> String) -> Vec<u8> {
    // SAFETY: reads what the database was made with.
    let (encoding, longest) = unsafe {
        (
            pg_sys::GetDatabaseEncoding(),
            pg_sys::pg_database_encoding_max_length(),
        )
    };
    if encoding == pg_sys::pg_enc::PG_UTF8 as i32
        && let Ok(text) = std::str::from_utf8(value)
    {
        return rendered(text).into_bytes();
    }
    if longest == 1 {
        // A character is a byte, whatever it stands for.
        let text: String = value.iter().map(|byte| char::from(*byte)).collect();
        let rendered = rendered(&text);
        let bytes: Option<Vec<u8>> = rendered.chars().map(|c| u8::try_from(c).ok()).collect();
        if let Some(bytes) = bytes {
            return bytes;
        }
    }
    rendering::HIDDEN.as_bytes().to_vec()
}

#[pg_extern]
fn render_partial(value: &[u8], left: i32, right: i32) -> Vec<u8> {
    let length = |length: i32| u8::try_from(length).unwrap_or(0);
    of_text(value, |text| {
        rendering::partial(text, length(left), length(right))
    })
}

#[pg_extern]
fn render_email(value: &[u8]) -> Vec<u8> {
    of_text(value, rendering::email)
}

/// Days since 2000, and the first one that PostgreSQL has.
const FIRST_DAY: i32 = -2_451_545;
const DAY: i64 = 24 * 60 * 60 * 1_000_000;

/// A date as PostgreSQL stores it; without end it stays as it is.
fn date_begins(value: i32, period: Period) -> i32 {
    if [i32::MIN, i32::MAX].contains(&value) {
        return value;
    }
    let begins = rendering::begins(i64::from(value), period);
    i32::try_from(begins).unwrap_or(FIRST_DAY).max(FIRST_DAY)
}

/// A time as PostgreSQL stores it, in UTC: what is shown depends on nobody's settings.
fn time_begins(value: i64, period: Period) -> i64 {
    if [i64::MIN, i64::MAX].contains(&value) {
        return value;
    }
    rendering::begins(value.div_euclid(DAY), period).max(i64::from(FIRST_DAY)) * DAY
}

/// Dates and times are passed as the numbers that they are stored as.
macro_rules! begins {
    ($($symbol:ident, $info:ident, $function:ident, $of:ident, $number:ty, $period:ident;)*) => {$(
        raw_function!(
            #[doc = concat!("`celador.", stringify!($symbol), "`")]
            $symbol, $info, $function,
            |call| Some(unsafe { $function(call) })
        );
        unsafe fn $function(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
            // SAFETY: a strict function of one argument, passed by value.
            let value = unsafe { (*(*call).args.as_ptr()).value };
            pg_sys::Datum::from($of(value.value() as $number, Period::$period))
        }
    )*};
}

begins! {
    render_year_date_wrapper, pg_finfo_render_year_date_wrapper, year_of_date, date_begins, i32, Year;
    render_year_time_wrapper, pg_finfo_render_year_time_wrapper, year_of_time, time_begins, i64, Year;
    render_month_date_wrapper, pg_finfo_render_month_date_wrapper, month_of_date, date_begins, i32, Month;
    render_month_time_wrapper, pg_finfo_render_month_time_wrapper, month_of_time, time_begins, i64, Month;
}

/// The step of a rounding: a checked policy has none below 2.
fn step(step: i32) -> u32 {
    u32::try_from(step).unwrap_or(1).max(1)
}

#[pg_extern]
fn render_round_int2(value: i16, by: i32) -> i16 {
    let rounded = rendering::round(i64::from(value), step(by));
    i16::try_from(rounded).unwrap_or(0)
}

#[pg_extern]
fn render_round_int4(value: i32, by: i32) -> i32 {
    let rounded = rendering::round(i64::from(value), step(by));
    i32::try_from(rounded).unwrap_or(0)
}

#[pg_extern]
fn render_round_int8(value: i64, by: i32) -> i64 {
    rendering::round(value, step(by))
}

#[pg_extern]
fn render_round_float4(value: f32, by: i32) -> f32 {
    rendering::round_float(f64::from(value), step(by)) as f32
}

#[pg_extern]
fn render_round_float8(value: f64, by: i32) -> f64 {
    rendering::round_float(value, step(by))
}

#[pg_extern]
fn render_round_numeric(value: AnyNumeric, by: i32) -> AnyNumeric {
    let rest = value.clone() % AnyNumeric::from(step(by));
    // Of what isn't finite no number is left over.
    if rest.is_nan() { value } else { value - rest }
}

/// The key that a call has read, for the calls that follow in the same statement.
unsafe fn hash_key<'a>(call: pg_sys::FunctionCallInfo) -> &'a HashKey {
    // SAFETY: `fn_extra` is this function's own.
    unsafe {
        let function = (*call).flinfo;
        let known = (*function).fn_extra.cast::<HashKey>();
        if !known.is_null() {
            return &*known;
        }
        &*call_memory::keep(function, identity::hash_key())
    }
}

// Their argument is declared as `internal`, which no statement has a value of: who could hash guesses
// would find the values behind hashes.
raw_function!(
    /// `celador.render_hash_text(internal)`.
    render_hash_text_wrapper,
    pg_finfo_render_hash_text_wrapper,
    hash_text
);
raw_function!(
    /// `celador.render_hash_uuid(internal)`.
    render_hash_uuid_wrapper,
    pg_finfo_render_hash_uuid_wrapper,
    hash_uuid
);
raw_function!(
    /// `celador.render_hash_int8(internal)`.
    render_hash_int8_wrapper,
    pg_finfo_render_hash_int8_wrapper,
    hash_int8
);

unsafe fn argument(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: a strict function of one argument.
    unsafe { (*(*call).args.as_ptr()).value }
}

unsafe fn hash_text(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the hook passes a text.
    unsafe {
        let value = <&[u8]>::from_datum(argument(call), false).unwrap_or_default();
        let hash = hash_key(call).of(b"text", value);
        let digits = hash.iter().map(|byte| format!("{byte:02x}"));
        digits
            .collect::<String>()
            .into_datum()
            .unwrap_or(pg_sys::Datum::from(0))
    }
}

unsafe fn hash_uuid(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the hook passes a uuid, which is 16 bytes.
    unsafe {
        let value = &*argument(call).cast_mut_ptr::<[u8; 16]>();
        let hash = hash_key(call).of(b"uuid", value);
        let kept = pg_sys::palloc(hash.len()).cast::<[u8; 16]>();
        *kept = hash;
        pg_sys::Datum::from(kept)
    }
}

unsafe fn hash_int8(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the hook passes an int8, by value.
    unsafe {
        let value = argument(call).value() as i64;
        let hash = hash_key(call).of(b"int8", &value.to_be_bytes());
        pg_sys::Datum::from((u128::from_be_bytes(hash) >> 65) as i64)
    }
}

raw_function!(
    /// `celador.written_back(written, shown, stored, may_write, field)`: what is written, unless it is what
    /// is shown: then what is stored stays.
    written_back_wrapper,
    pg_finfo_written_back_wrapper,
    written_back
);

unsafe fn written_back(call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: three arguments of the same type, which the call's expression tells, a boolean and a text.
    unsafe {
        let arguments = (*call).args.as_slice(5);
        let [written, shown, stored] = [&arguments[0], &arguments[1], &arguments[2]];
        let same = match (written.isnull, shown.isnull) {
            (true, true) => !mistake("NULL isn't shown"),
            (false, false) => is_same(call, written.value, shown.value),
            (true, false) | (false, true) => false,
        };
        let may_write = !arguments[3].isnull && arguments[3].value.value() & 1 == 1
            || mistake("a guess is answered");
        if !same && !may_write {
            let field = String::from_datum(arguments[4].value, arguments[4].isnull);
            let (what, hint) = guard::may_not_write(&field.unwrap_or_default());
            errors::denied_by(Kind::Guard, None, what, hint);
        }
        let kept = if same { stored } else { written };
        (*call).isnull = kept.isnull;
        kept.value
    }
}

/// Equal, or stored alike where the type has no equality.
unsafe fn is_same(
    call: pg_sys::FunctionCallInfo,
    one: pg_sys::Datum,
    other: pg_sys::Datum,
) -> bool {
    // SAFETY: both are of the type that the call's expression tells.
    unsafe {
        let type_id = pg_sys::get_fn_expr_argtype((*call).flinfo, 0);
        let known = pg_sys::lookup_type_cache(type_id, pg_sys::TYPECACHE_EQ_OPR_FINFO as i32);
        let equality = &raw mut (*known).eq_opr_finfo;
        if (*equality).fn_oid == pg_sys::InvalidOid {
            let (by_value, length) = ((*known).typbyval, i32::from((*known).typlen));
            return datum_image_eq(one, other, by_value, length);
        }
        let collation = (*call).fncollation;
        pg_sys::FunctionCall2Coll(equality, collation, one, other).value() != 0
    }
}
