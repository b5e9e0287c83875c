//! What tokens are accepted, and why others are not.

use proptest::prelude::*;

use super::*;

const OLD: &str = "1 6f1d2c3b4a5968778695a4b3c2d1e0ff00112233445566778899aabbccddeeff";
const NEW: &str = "2 0f0e0d0c0b0a09080706050403020100ffeeddccbbaa99887766554433221100";

fn ring(lines: &[&str]) -> KeyRing {
    KeyRing::parse(&lines.join("\n")).unwrap()
}

fn claims(user: &str) -> Claims {
    Claims {
        user: user.to_owned(),
        database: 16_384,
        backend: 4_711,
        serial: 7,
        expires: 1_800_000_060,
    }
}

const EXPECTED: Expected = Expected {
    database: 16_384,
    backend: 4_711,
    now: 1_800_000_000,
    last_serial: 6,
};

/// Signs any text as if it were a token's: for content that `sign` would never write.
fn signed(ring: &KeyRing, said: &str) -> String {
    let signature = ring
        .newest()
        .1
        .chain_update(DOMAIN)
        .chain_update(said.as_bytes())
        .finalize()
        .into_bytes();
    format!("{said}:{}", base16ct::lower::encode_string(&signature))
}

#[test]
fn the_text_of_a_token_is_fixed() {
    // The signature was computed by another implementation of HMAC.
    assert_eq!(
        ring(&[OLD]).sign(&claims("ana")).unwrap(),
        concat!(
            "celador1:1:16384:4711:7:1800000060:616e61:",
            "199ace9e22259b623a160fdae89b9af2eb5dbee091373f492908af310ee17978"
        )
    );
}

#[test]
fn a_token_says_what_was_signed() {
    let ring = ring(&[OLD]);
    let text = ring.sign(&claims("ana")).unwrap();
    assert_eq!(
        ring.verify(&text, &EXPECTED),
        Ok(Token {
            key: 1,
            user: "ana".to_owned(),
            database: 16_384,
            backend: 4_711,
            serial: 7,
            expires: 1_800_000_060,
        })
    );
}

#[test]
fn two_keys_are_valid_during_a_rotation() {
    let before = ring(&[OLD]).sign(&claims("ana")).unwrap();
    let both = ring(&[NEW, OLD]);
    assert_eq!(both.verify(&before, &EXPECTED).unwrap().key, 1);
    let after = both.sign(&claims("ana")).unwrap();
    assert_eq!(both.verify(&after, &EXPECTED).unwrap().key, 2);
    let only_new = ring(&[NEW]);
    assert!(only_new.verify(&after, &EXPECTED).is_ok());
    assert_eq!(
        only_new.verify(&before, &EXPECTED),
        Err(TokenError::UnknownKey(1))
    );
}

#[test]
fn tokens_for_another_place_or_time_are_refused() {
    let ring = ring(&[OLD]);
    let text = ring.sign(&claims("ana")).unwrap();
    let verify = |change: &dyn Fn(&mut Expected)| {
        let mut expected = EXPECTED;
        change(&mut expected);
        ring.verify(&text, &expected).map(|token| token.user)
    };
    let ana = Ok("ana".to_owned());
    assert_eq!(
        verify(&|at| at.database = 16_385),
        Err(TokenError::OtherDatabase)
    );
    assert_eq!(
        verify(&|at| at.backend = 4_712),
        Err(TokenError::OtherBackend)
    );
    assert_eq!(verify(&|at| at.now = 1_800_000_059), ana);
    assert_eq!(
        verify(&|at| at.now = 1_800_000_060),
        Err(TokenError::Expired)
    );
    assert_eq!(verify(&|at| at.now = u64::MAX), Err(TokenError::Expired));
    assert_eq!(verify(&|at| at.last_serial = 0), ana);
    assert_eq!(verify(&|at| at.last_serial = 7), Err(TokenError::Replayed));
    assert_eq!(
        verify(&|at| at.last_serial = u64::MAX),
        Err(TokenError::Replayed)
    );
}

#[test]
fn a_wrong_signature_hides_every_other_reason() {
    let ring = ring(&[OLD]);
    let other = KeyRing::parse(&NEW.replacen('2', "1", 1)).unwrap();
    let nowhere = Expected {
        database: 1,
        backend: 1,
        now: u64::MAX,
        last_serial: u64::MAX,
    };
    let text = other.sign(&claims("ana")).unwrap();
    for expected in [&EXPECTED, &nowhere] {
        assert_eq!(ring.verify(&text, expected), Err(TokenError::BadSignature));
    }
    // What couldn't even be read isn't looked at before the signature either.
    let garbage = signed(&other, "celador1:1:x:y");
    assert_eq!(
        ring.verify(&garbage, &EXPECTED),
        Err(TokenError::BadSignature)
    );
    assert_eq!(
        other.verify(&garbage, &EXPECTED),
        Err(TokenError::Malformed)
    );
}

#[test]
fn what_is_not_a_token_is_malformed() {
    let ring = ring(&[OLD]);
    let good = ring.sign(&claims("ana")).unwrap();
    let (said, signature) = good.rsplit_once(':').unwrap();
    for text in [
        String::new(),
        ":".to_owned(),
        "celador1".to_owned(),
        "celador1:1".to_owned(),
        said.to_owned(),
        format!("{said}:"),
        format!("{said}:{}", &signature[2..]),
        format!("{said}:{signature}00"),
        format!("{said}:{}", signature.to_uppercase()),
        format!("{said}:{signature}\n"),
        format!(" {good}"),
        good.replacen("celador1", "celador2", 1),
        good.replacen("celador1", "Celador1", 1),
        good.replacen(":1:", ":01:", 1),
        good.replacen(":1:", ":+1:", 1),
        good.replacen(":1:", "::", 1),
        good.replacen(":1:", ":4294967296:", 1),
        "é".repeat(40),
        "x".repeat(MAX_TOKEN_BYTES + 1),
    ] {
        assert_eq!(
            ring.verify(&text, &EXPECTED),
            Err(TokenError::Malformed),
            "{text}"
        );
    }
}

#[test]
fn signed_content_in_another_form_is_malformed() {
    let ring = ring(&[OLD]);
    let valid = "celador1:1:16384:4711:7:1800000060:616e61";
    assert!(ring.verify(&signed(&ring, valid), &EXPECTED).is_ok());
    let long = "61".repeat(MAX_USER_BYTES + 1);
    for said in [
        "celador1:1:016384:4711:7:1800000060:616e61",
        "celador1:1:16384:+4711:7:1800000060:616e61",
        "celador1:1:16384:4711:-7:1800000060:616e61",
        "celador1:1:16384:4711:7:1800000060:616E61",
        "celador1:1:16384:4711:7:1800000060:616e6",
        "celador1:1:16384:4711:7:1800000060:ff",
        "celador1:1:16384:4711:7:1800000060:610061",
        "celador1:1:16384:4711:7:1800000060:",
        "celador1:1:16384:4711:7:1800000060",
        "celador1:1:16384:4711:7:1800000060:616e61:",
        "celador1:1:16384:4711:7:1800000060:616e61:61",
        "celador1:1:99999999999:4711:7:1800000060:616e61",
        &format!("celador1:1:16384:4711:7:1800000060:{long}"),
    ] {
        assert_eq!(
            ring.verify(&signed(&ring, said), &EXPECTED),
            Err(TokenError::Malformed),
            "{said}"
        );
    }
}

#[test]
fn a_signature_of_the_text_alone_is_not_enough() {
    let ring = ring(&[OLD]);
    let said = "celador1:1:16384:4711:7:1800000060:616e61";
    let undomained = ring.newest().1.chain_update(said.as_bytes());
    let signature = base16ct::lower::encode_string(&undomained.finalize().into_bytes());
    assert_eq!(
        ring.verify(&format!("{said}:{signature}"), &EXPECTED),
        Err(TokenError::BadSignature)
    );
}

#[test]
fn claims_that_no_token_can_carry_are_refused() {
    let ring = ring(&[OLD]);
    let longest = "é".repeat(MAX_USER_BYTES / 2);
    let text = ring.sign(&claims(&longest)).unwrap();
    assert!(text.len() < MAX_TOKEN_BYTES);
    assert_eq!(ring.verify(&text, &EXPECTED).unwrap().user, longest);
    for user in ["", "a\0b", &format!("{longest}x")] {
        assert_eq!(ring.sign(&claims(user)), Err(ClaimsError::User));
    }
    let mut unnumbered = claims("ana");
    unnumbered.serial = 0;
    assert_eq!(ring.sign(&unnumbered), Err(ClaimsError::Serial));
}

#[test]
fn the_largest_token_is_within_the_limit() {
    let ring = KeyRing::parse(&OLD.replacen('1', "4294967295", 1)).unwrap();
    let largest = Claims {
        user: "x".repeat(MAX_USER_BYTES),
        database: u32::MAX,
        backend: i32::MIN,
        serial: u64::MAX,
        expires: u64::MAX,
    };
    let text = ring.sign(&largest).unwrap();
    assert!(text.len() <= MAX_TOKEN_BYTES);
    let expected = Expected {
        database: u32::MAX,
        backend: i32::MIN,
        now: u64::MAX - 1,
        last_serial: u64::MAX - 1,
    };
    assert!(ring.verify(&text, &expected).is_ok());
}

fn user_name() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("a name that can be signed", |name| is_user(name))
}

proptest! {
    #[test]
    fn any_user_comes_back(
        user in user_name(),
        database: u32,
        backend: i32,
        serial in 1..=u64::MAX,
        expires in 1..=u64::MAX,
    ) {
        let ring = ring(&[OLD, NEW]);
        let claims = Claims { user, database, backend, serial, expires };
        let expected = Expected { database, backend, now: expires - 1, last_serial: serial - 1 };
        let token = ring.verify(&ring.sign(&claims).unwrap(), &expected).unwrap();
        prop_assert_eq!(token, Token {
            key: 2,
            user: claims.user,
            database,
            backend,
            serial,
            expires,
        });
    }

    #[test]
    fn a_changed_byte_is_never_accepted(
        user in user_name(),
        at: prop::sample::Index,
        byte in 0_u8..128,
    ) {
        let ring = ring(&[OLD, NEW]);
        let mut bytes = ring.sign(&claims(&user)).unwrap().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(ring.verify(&changed, &EXPECTED).is_err(), "{}", changed);
    }

    #[test]
    fn a_cut_or_longer_text_is_never_accepted(user in user_name(), at: prop::sample::Index) {
        let ring = ring(&[OLD, NEW]);
        let text = ring.sign(&claims(&user)).unwrap();
        let at = at.index(text.len());
        prop_assert!(ring.verify(&text[..at], &EXPECTED).is_err());
        prop_assert!(ring.verify(&text[at + 1..], &EXPECTED).is_err());
        let twice = format!("{}{}", &text[..=at], &text[at..]);
        prop_assert!(ring.verify(&twice, &EXPECTED).is_err());
    }

    #[test]
    fn any_text_is_refused(text in any::<String>()) {
        prop_assert!(ring(&[OLD]).verify(&text, &EXPECTED).is_err());
    }

    #[test]
    fn any_key_file_is_read_or_refused(text in "([0-9a-f]{1,66}|[ \n#]|\\PC){0,20}") {
        let _ = KeyRing::parse(&text);
    }
}
