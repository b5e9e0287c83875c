//! Mistakes in the sample CRM: the shadow test finds them.

mod blind;
mod fields;
mod known;
#[path = "../shadow_sample_crm/mod.rs"]
mod sample_crm;

use celador_tests::folds;
use celador_tests::shadow::Shadows;
use celador_tests::shadow::fault::{Fault, all_are_found, are_tried_on_shadows};
use celador_tests::shadow::sample::Sample;

fn all_are_found_in_the_sample<'a>(faults: impl Iterator<Item = &'a Fault>) {
    if !are_tried_on_shadows() {
        return;
    }
    let oracle = Sample;
    let mut shadows = Shadows::new("sample", &sample_crm::plain, &oracle);
    all_are_found(
        faults,
        &sample_crm::protected(),
        &sample_crm::document(),
        &mut shadows,
    );
}

#[test]
fn faults_in_compiler_guards_and_access_are_found() {
    let known = known::COMPILER.iter().chain(&known::GUARDS);
    all_are_found_in_the_sample(known.chain(&known::ACCESS));
}

#[test]
fn faults_in_folding_are_found() {
    if folds() {
        all_are_found_in_the_sample(known::FOLDING.iter());
    }
}

#[test]
fn faults_in_fields_are_found() {
    let seen = fields::SEEN.iter().chain(&fields::WRITTEN_BY_THE_DOCUMENT);
    let planned = fields::PLANNED.iter().chain(&fields::WRITTEN);
    let planned = planned.take(if folds() { usize::MAX } else { 0 });
    all_are_found_in_the_sample(seen.chain(planned));
}

#[test]
#[ignore = "an ordinary run finds none of them"]
fn what_an_ordinary_run_misses_in_fields() {
    all_are_found_in_the_sample(fields::MISSED_IN_THE_DOCUMENT.iter());
}

#[test]
fn faults_chosen_without_knowing_the_generator_are_found() {
    all_are_found_in_the_sample(blind::SAMPLE.iter());
}
