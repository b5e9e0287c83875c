//! What needs no server: policies checked and compiled, access computed, keys looked up, tokens
//! verified.

mod cpu_time;
#[path = "../../../policy/tests/policy/schema_text.rs"]
mod schema_text;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use celador_benches::wide_document;
use celador_identity::{Claims, Expected, KeyRing};
use celador_policy::directory::{Facts, HeldRole};
use celador_policy::key_set::KeySet;
use celador_policy::policy_set::CellRef;
use celador_policy::row_policy::row_policies;
use celador_policy::{Access, Action, Document, PolicySet, Schema, check};
use cpu_time::CpuTime;
use criterion::{Criterion, criterion_group, criterion_main};

const ROLES: usize = 50;
const TABLES: usize = 200;
const REPORTS: usize = 2_000;

fn policy(criterion: &mut Criterion<CpuTime>) {
    let (text, schema) = (wide_document(ROLES, TABLES), schema());
    let document = Document::from_toml(&text).expect("the document can be read");
    let set = check(&document, &text, &schema).expect("the document is right");
    let mut group = criterion.benchmark_group(format!("policy of {ROLES} roles × {TABLES} tables"));
    group.sample_size(10);
    group.bench_function("read", |bench| {
        bench.iter(|| Document::from_toml(black_box(&text)));
    });
    group.bench_function("check", |bench| {
        bench.iter(|| check(black_box(&document), &text, &schema));
    });
    group.bench_function("row policies", |bench| {
        bench.iter(|| {
            let tables = set.tables.keys();
            tables
                .map(|table| row_policies(black_box(&set), table).len())
                .sum::<usize>()
        });
    });
    group.finish();
}

fn access(criterion: &mut Criterion<CpuTime>) {
    let text = wide_document(1, TABLES);
    let document = Document::from_toml(&text).expect("the document can be read");
    let set = check(&document, &text, &schema()).expect("the document is right");
    let facts = facts();
    let json = serde_json::to_string(&facts).expect("facts are JSON");
    let mut group = criterion.benchmark_group(format!("access with {REPORTS} reports"));
    group.bench_function("read what the directory tells", |bench| {
        bench.iter(|| serde_json::from_str::<Facts>(black_box(&json)));
    });
    group.bench_function("compute", |bench| {
        bench.iter(|| reached(&set, facts.clone()));
    });
    group.finish();
}

/// How many owners are in reach.
fn reached(set: &PolicySet, facts: Facts) -> usize {
    let cell = CellRef::Action(Action::Read);
    let reach = Access::compute(set, facts).reach(set, "records_1", &cell, 0.0);
    reach.owners.values().map(KeySet::len).sum()
}

fn keys(criterion: &mut Criterion<CpuTime>) {
    let texts: Vec<String> = (0..REPORTS).map(|key| (key * 7).to_string()).collect();
    let mut keys = KeySet::default();
    keys.extend(texts.iter().map(String::as_str));
    let mut next = 0;
    let mut group = criterion.benchmark_group(format!("look-up among {REPORTS} keys"));
    group.bench_function("integer", |bench| {
        bench.iter(|| {
            next = (next + 1) % (7 * REPORTS as i64);
            keys.has_integer(black_box(next))
        });
    });
    group.bench_function("text", |bench| {
        bench.iter(|| {
            next = (next + 1) % REPORTS as i64;
            keys.has_text(black_box(&texts[next as usize]))
        });
    });
    group.finish();
}

fn tokens(criterion: &mut Criterion<CpuTime>) {
    let ring =
        KeyRing::parse("1 6f1d2c3b4a5968778695a4b3c2d1e0ff00112233445566778899aabbccddeeff\n")
            .expect("a key");
    let claims = Claims {
        user: "2031".to_owned(),
        database: 16_384,
        backend: 4_711,
        serial: 1,
        expires: 1_800_000_060,
    };
    let expected = Expected {
        database: 16_384,
        backend: 4_711,
        now: 1_800_000_000,
        last_serial: 0,
    };
    let token = ring.sign(&claims).expect("a token");
    assert!(ring.verify(&token, &expected).is_ok());
    let mut group = criterion.benchmark_group("token");
    group.bench_function("sign", |bench| bench.iter(|| ring.sign(black_box(&claims))));
    group.bench_function("verify", |bench| {
        bench.iter(|| ring.verify(black_box(&token), &expected));
    });
    group.finish();
}

/// The tables of the document.
fn schema() -> Schema {
    let mut text = "public.users: id int4 pk, login text, boss_id int4
        public.roles: user_id int4 pk, role text pk\n"
        .to_owned();
    for number in 1..=TABLES {
        text.push_str(&format!(
            "public.records_{number}: id int4 pk, name text, owner_id int4\n"
        ));
    }
    schema_text::schema(&text)
}

/// A manager, as the directory tells.
fn facts() -> Facts {
    let reports: Vec<String> = (2..2 + REPORTS).map(|key| key.to_string()).collect();
    Facts {
        user: "1".to_owned(),
        active: true,
        keys: BTreeMap::from([("user".to_owned(), vec!["1".to_owned()])]),
        reports: BTreeMap::from([("user".to_owned(), reports)]),
        roles: vec![HeldRole {
            source: 0,
            value: "role1".to_owned(),
            group: None,
        }],
        ..Facts::default()
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .with_measurement(CpuTime)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = policy, access, keys, tokens
}
criterion_main!(benches);
