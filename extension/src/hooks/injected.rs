//! Panics and mistakes on request, so that tests can see what becomes of a panic in each hook, and
//! that they find the mistakes. Debug builds only.

#[cfg(debug_assertions)]
mod on_request {
    use std::ffi::CString;

    use pgrx::guc::{GucContext, GucFlags, GucRegistry, GucSetting};

    static PANIC_IN: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);
    static MISTAKE: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(None);

    pub(crate) fn define_settings() {
        for (name, says, setting) in [
            (
                c"celador.panic_in",
                c"The hook that panics, for tests.",
                &PANIC_IN,
            ),
            (
                c"celador.mistake",
                c"The mistake that is made, for tests.",
                &MISTAKE,
            ),
        ] {
            GucRegistry::define_string_guc(
                name,
                says,
                c"",
                setting,
                GucContext::Suset,
                GucFlags::NO_SHOW_ALL,
            );
        }
    }

    fn asks(setting: &GucSetting<Option<CString>>, for_that: &str) -> bool {
        setting
            .get()
            .is_some_and(|asked| asked.to_bytes() == for_that.as_bytes())
    }

    pub(crate) fn panic_if_asked(place: &str) {
        if asks(&PANIC_IN, place) {
            panic!("asked to panic in {place}");
        }
    }

    pub(crate) fn mistake(name: &str) -> bool {
        asks(&MISTAKE, name)
    }
}

#[cfg(debug_assertions)]
pub(crate) use on_request::{define_settings, mistake, panic_if_asked};

#[cfg(not(debug_assertions))]
pub(crate) fn define_settings() {}

#[cfg(not(debug_assertions))]
pub(crate) fn panic_if_asked(_: &str) {}

/// Whether a mistake is to be made there: never in a build that isn't for tests.
#[cfg(not(debug_assertions))]
pub(crate) const fn mistake(_: &str) -> bool {
    false
}
