//! Panics on request, so that tests can see what becomes of one in each hook. Debug builds only.

#[cfg(debug_assertions)]
mod on_request {
    use std::ffi::CString;

    use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

    static PANIC_IN: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

    pub(crate) fn define_setting() {
        GucRegistry::define_string_guc(
            c"celador.panic_in",
            c"The hook that panics, for tests.",
            c"",
            &PANIC_IN,
            GucContext::Suset,
            GucFlags::NO_SHOW_ALL,
        );
    }

    pub(crate) fn panic_if_asked(place: &str) {
        if PANIC_IN
            .get()
            .is_some_and(|asked| asked.to_bytes() == place.as_bytes())
        {
            panic!("asked to panic in {place}");
        }
    }
}

#[cfg(debug_assertions)]
pub(crate) use on_request::{define_setting, panic_if_asked};

#[cfg(not(debug_assertions))]
pub(crate) fn define_setting() {}

#[cfg(not(debug_assertions))]
pub(crate) fn panic_if_asked(_: &str) {}
