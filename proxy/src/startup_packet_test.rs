use super::*;
use proptest::prelude::*;

fn packet(code: u32, pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut body = code.to_be_bytes().to_vec();
    for (name, value) in pairs {
        for text in [name, value] {
            body.extend_from_slice(text.as_bytes());
            body.push(0);
        }
    }
    body.push(0);
    body
}

fn started(minor: u32, pairs: &[(&str, &str)]) -> Result<Startup, Refusal> {
    match parse(&packet(3 << 16 | minor, pairs))? {
        Packet::Startup(startup) => Ok(startup),
        other @ (Packet::Ssl | Packet::Gss | Packet::Cancel { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn requests() {
    assert_eq!(parse(&SSL.to_be_bytes()), Ok(Packet::Ssl));
    assert_eq!(parse(&GSS.to_be_bytes()), Ok(Packet::Gss));
    let cancel = [
        &CANCEL.to_be_bytes()[..],
        &7i32.to_be_bytes(),
        &[1, 2, 3, 4],
    ]
    .concat();
    let key = vec![1, 2, 3, 4];
    assert_eq!(parse(&cancel), Ok(Packet::Cancel { process: 7, key }));
    for bad in [
        vec![],
        vec![0; 3],
        [&SSL.to_be_bytes()[..], b"x"].concat(),
        [&GSS.to_be_bytes()[..], b"x"].concat(),
        cancel[..11].to_vec(),
        [cancel.as_slice(), &[0; 253]].concat(),
    ] {
        assert_eq!(parse(&bad).unwrap_err().code, "08P01", "{bad:?}");
    }
    for version in [0, 2 << 16, 4 << 16, u32::MAX] {
        assert_eq!(parse(&packet(version, &[])).unwrap_err().code, "0A000");
    }
}

#[test]
fn versions() {
    let pairs = [("user", "ana"), ("_pq_.next", "1")];
    for (asked, options, spoken, negotiate) in [
        (0, false, 0, false),
        (2, false, 2, false),
        (3, false, 2, true),
        (9999, false, 2, true),
        (0, true, 0, true),
    ] {
        let startup = started(asked, &pairs[..1 + usize::from(options)]).unwrap();
        assert_eq!(
            (startup.minor, startup.negotiate),
            (spoken, negotiate),
            "{asked}"
        );
        assert_eq!(startup.protocol_options.len(), usize::from(options));
        assert_eq!(startup.database, "ana");
    }
}

#[test]
fn settings_are_a_closed_list() {
    let startup = started(
        0,
        &[
            ("user", "ana"),
            ("database", "crm"),
            ("DateStyle", "ISO, DMY"),
            ("application_name", "it's"),
            (
                "options",
                r"-c search_path=a\ b\\c  -cstatement_timeout=5 --lock-timeout=6 -c datestyle=German",
            ),
        ],
    )
    .unwrap();
    assert_eq!(startup.database, "crm");
    let expected = [
        ("application_name", "it's"),
        ("search_path", r"a b\c"),
        ("statement_timeout", "5"),
        ("lock_timeout", "6"),
        ("datestyle", "German"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(startup.settings, expected);

    for (name, value) in [
        ("replication", "database"),
        ("replication", "off"),
        ("role", "crm_owner"),
        ("session_authorization", "postgres"),
        ("celador.identity", "x"),
        ("celador.mistake", "x"),
        ("session_replication_role", "replica"),
        ("row_security", "off"),
        ("local_preload_libraries", "x"),
        ("log_parameter_max_length_on_error", "-1"),
        ("options", "-c role=crm_owner"),
        ("options", "-c \\role=crm_owner"),
        ("options", "--session-authorization=postgres"),
        ("options", "-d 5"),
        ("options", "-W 5"),
        ("options", "-c"),
        ("options", "-c role"),
        ("options", "search_path=x"),
    ] {
        let error = started(0, &[("user", "ana"), (name, value)]).unwrap_err();
        assert_eq!(error.code, "0A000", "{name} {value}");
    }
}

#[test]
fn the_person_is_said_once_and_is_no_setting() {
    let options = "-c celador.person=o\\'hara --lock-timeout=6";
    let startup = started(0, &[("user", "crm"), ("options", options)]).unwrap();
    assert_eq!(startup.person.as_deref(), Some("o'hara"));
    assert_eq!(
        startup.settings,
        [("lock_timeout".to_owned(), "6".to_owned())]
    );
    let startup = started(0, &[("user", "crm"), ("Celador.Person", "9")]).unwrap();
    assert_eq!(startup.person.as_deref(), Some("9"));
    for twice in [
        [
            ("user", "crm"),
            ("options", "-c celador.person=9 -c CELADOR.PERSON=9"),
        ]
        .as_slice(),
        &[
            ("user", "crm"),
            ("celador.person", "9"),
            ("options", "--celador.person=9"),
        ],
        &[
            ("user", "crm"),
            ("celador.person", "9"),
            ("Celador.person", "9"),
        ],
    ] {
        assert_eq!(started(0, twice).unwrap_err().code, "08P01", "{twice:?}");
    }
}

#[test]
fn malformed_packets() {
    assert_eq!(started(0, &[]).unwrap_err().code, "28000");
    assert_eq!(
        started(0, &[("database", "crm")]).unwrap_err().code,
        "28000"
    );
    let twice = [("user", "ana"), ("user", "bob")];
    assert_eq!(started(0, &twice).unwrap_err().code, "08P01");
    let good = packet(3 << 16, &[("user", "ana")]);
    for end in 4..good.len() {
        assert_eq!(parse(&good[..end]).unwrap_err().code, "08P01", "{end}");
    }
    let more = [good.as_slice(), b"\0"].concat();
    assert_eq!(parse(&more).unwrap_err().code, "08P01");
    let mut latin1 = good.clone();
    latin1[9] = 0xe9;
    assert_eq!(parse(&latin1).unwrap_err().code, "22021");
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&body);
        let mut startup = (3u32 << 16).to_be_bytes().to_vec();
        startup.extend(body);
        let _ = parse(&startup);
    }

    /// Whatever is accepted holds no setting but those of the list.
    #[test]
    fn no_option_brings_another_setting(text in "[-c=a-z_\\\\ ]{0,40}(role|search_path)?=?[a-z ]{0,9}") {
        if let Ok(startup) = started(0, &[("user", "ana"), ("options", &text)]) {
            for (name, _) in startup.settings {
                prop_assert!(SETTINGS.contains(&name.as_str()));
            }
        }
    }
}
