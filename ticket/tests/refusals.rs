//! Only the admitted get in: one test per way of tampering, each beside the token that is good.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use common::*;
use ropeline_ticket::native::Verifier;
use ropeline_ticket::{Admission, PrivateJwk, TokenError};
use serde_json::{Value, json};

fn claims() -> Value {
    serde_json::to_value(pass()).unwrap()
}

fn with(mut value: Value, member: &str, to: Value) -> Value {
    value[member] = to;
    value
}

/// What becomes of a correctly signed token with this header and these claims, now, at the shop.
fn verdict(key: &PrivateJwk, header: &Value, claims: &Value) -> Result<(), TokenError> {
    check(key, &sign_raw(key, &header.to_string(), &claims.to_string()))
}

fn check(key: &PrivateJwk, token: &str) -> Result<(), TokenError> {
    verifier(&[key]).verify_pass(token, Some("demo"), NOW).map(drop)
}

fn malformed(part: &'static str) -> Result<(), TokenError> {
    Err(TokenError::Malformed { part })
}

#[test]
fn a_pass_as_we_make_it_is_accepted_with_all_its_claims() {
    for key in both_kinds() {
        let token = signer(&key).sign_pass(&pass()).unwrap();
        assert_eq!(verifier(&[&key]).verify_pass(&token, Some("demo"), NOW), Ok(pass()));
        assert_eq!(verifier(&[&key]).verify_pass(&token, None, NOW), Ok(pass()));
        // The tests below sign by hand: that way makes good tokens too.
        assert_eq!(verdict(&key, &header(&key), &claims()), Ok(()));
    }
}

#[test]
fn a_ticket_as_we_make_it_is_accepted_by_its_issuer() {
    for key in both_kinds() {
        for ticket in [ticket(), drawn_ticket()] {
            let token = signer(&key).sign_ticket(&ticket).unwrap();
            let ours = Verifier::new(&set(&[&key]).public(), ISSUER, ISSUER).unwrap();
            assert_eq!(ours.verify_ticket(&token, Some("other"), NOW), Err(TokenError::WrongEvent));
            assert_eq!(ours.verify_ticket(&token, Some("demo"), NOW), Ok(ticket));
        }
    }
}

#[test]
fn altered_claims_are_refused() {
    for key in both_kinds() {
        let [header, _, signature] = segments(&signer(&key).sign_pass(&pass()).unwrap());
        let altered = encode(with(claims(), "sub", json!("somebody else")).to_string());
        assert_eq!(check(&key, &format!("{header}.{altered}.{signature}")), Err(TokenError::BadSignature));
    }
}

#[test]
fn an_altered_header_is_refused() {
    for key in both_kinds() {
        let [_, payload, signature] = segments(&signer(&key).sign_pass(&pass()).unwrap());
        // The same members in another order: the same meaning, not the text that was signed.
        let kid = key.kid();
        let alg = key.algorithm().name();
        let altered = encode(format!(r#"{{"kid":"{kid}","typ":"ropeline-pass+jwt","alg":"{alg}"}}"#));
        assert_eq!(check(&key, &format!("{altered}.{payload}.{signature}")), Err(TokenError::BadSignature));
    }
}

#[test]
fn an_altered_signature_is_refused() {
    for key in both_kinds() {
        let token = signer(&key).sign_pass(&pass()).unwrap();
        let [header, payload, _] = segments(&token);
        let good = signature(&key, format!("{header}.{payload}").as_bytes());
        for at in [0, 31, 32, 63] {
            let mut bad = good;
            bad[at] ^= 1;
            assert_eq!(check(&key, &format!("{header}.{payload}.{}", encode(bad))), Err(TokenError::BadSignature));
        }
        for bytes in [[0; 64], [0xff; 64]] {
            assert_eq!(check(&key, &format!("{header}.{payload}.{}", encode(bytes))), Err(TokenError::BadSignature));
        }
    }
}

#[test]
fn a_signature_of_another_length_is_refused() {
    for key in both_kinds() {
        let token = signer(&key).sign_pass(&pass()).unwrap();
        let [header, payload, _] = segments(&token);
        let good = signature(&key, format!("{header}.{payload}").as_bytes());
        let longer = [&good[..], &[0]].concat();
        for bytes in [&good[..63], &longer, &[]] {
            assert_eq!(check(&key, &format!("{header}.{payload}.{}", encode(bytes))), malformed("signature"));
        }
    }
}

#[test]
fn a_key_of_somebody_else_is_refused_under_its_own_name_and_under_ours() {
    use ropeline_ticket::native::{generate_ed25519, generate_es256};
    for (ours, theirs) in both_kinds().into_iter().zip([generate_es256([8; 32]), generate_ed25519([9; 32])]) {
        let token = signer(&theirs).sign_pass(&pass()).unwrap();
        assert_eq!(check(&ours, &token), Err(TokenError::UnknownKey { kid: theirs.kid().to_owned() }));
        let forged = sign_raw(&theirs, &header(&ours).to_string(), &claims().to_string());
        assert_eq!(check(&ours, &forged), Err(TokenError::BadSignature));
    }
}

#[test]
fn the_algorithm_is_the_keys_and_never_the_headers() {
    let [es, ed] = both_kinds();
    let trusting_both = verifier(&[&es, &ed]);
    for (signing, named) in [(&es, &ed), (&ed, &es)] {
        // The header tells of the algorithm it is really signed with, but names the other key.
        let confused = with(header(signing), "kid", json!(named.kid())).to_string();
        let token = sign_raw(signing, &confused, &claims().to_string());
        assert_eq!(trusting_both.verify_pass(&token, None, NOW), Err(TokenError::WrongAlgorithm));
        // The header names the right key, but tells of the other algorithm.
        let confused = with(header(signing), "alg", json!(named.algorithm().name())).to_string();
        let token = sign_raw(signing, &confused, &claims().to_string());
        assert_eq!(trusting_both.verify_pass(&token, None, NOW), Err(TokenError::WrongAlgorithm));
    }
}

#[test]
fn no_algorithm_and_foreign_algorithms_are_refused() {
    for key in both_kinds() {
        for alg in ["none", "None", "NONE", "HS256", "RS256", "ES384", "es256", "Ed25519", ""] {
            assert_eq!(
                verdict(&key, &with(header(&key), "alg", json!(alg)), &claims()),
                Err(TokenError::WrongAlgorithm),
                "{alg}"
            );
        }
        let unsigned = format!(
            "{}.{}.",
            encode(with(header(&key), "alg", json!("none")).to_string()),
            encode(claims().to_string())
        );
        assert_eq!(check(&key, &unsigned), Err(TokenError::WrongAlgorithm));
        let no_signature = format!("{}.{}.", encode(header(&key).to_string()), encode(claims().to_string()));
        assert_eq!(check(&key, &no_signature), malformed("signature"));
    }
}

#[test]
fn a_token_for_another_purpose_is_refused() {
    for key in both_kinds() {
        let ticket = signer(&key).sign_ticket(&ticket()).unwrap();
        assert_eq!(check(&key, &ticket), Err(TokenError::WrongType));
        let pass = signer(&key).sign_pass(&pass()).unwrap();
        let ours = Verifier::new(&set(&[&key]).public(), ISSUER, SHOP).unwrap();
        assert_eq!(ours.verify_ticket(&pass, None, NOW), Err(TokenError::WrongType));
        for typ in [
            "ropeline-ticket+jwt",
            "JWT",
            "",
            "Ropeline-Pass+JWT",
            "application/ropeline-pass+jwt",
            "ropeline-pass+jwt ",
        ] {
            assert_eq!(
                verdict(&key, &with(header(&key), "typ", json!(typ)), &claims()),
                Err(TokenError::WrongType),
                "{typ}"
            );
        }
    }
}

#[test]
fn a_header_with_anything_more_or_less_is_refused() {
    let key = &both_kinds()[0];
    for (member, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("jku", json!("https://evil.example/jwks.json")),
        ("jwk", json!({"kty": "EC"})),
        ("x5u", json!("https://evil.example/cert")),
        ("x5c", json!([])),
        ("x5t", json!("AA")),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
        ("anything", json!(1)),
    ] {
        assert_eq!(verdict(key, &with(header(key), member, value), &claims()), malformed("header"), "{member}");
    }
    for member in ["alg", "typ", "kid"] {
        let mut less = header(key);
        less.as_object_mut().unwrap().remove(member);
        assert_eq!(verdict(key, &less, &claims()), malformed("header"), "{member}");
        assert_eq!(verdict(key, &with(header(key), member, json!(7)), &claims()), malformed("header"), "{member}");
    }
    for text in ["", "{}", "[]", "null", "\"x\"", "{", "\u{feff}{}"] {
        let token = sign_raw(key, text, &claims().to_string());
        assert_eq!(check(key, &token), malformed("header"), "{text:?}");
    }
}

#[test]
fn a_member_given_twice_is_refused() {
    let key = &both_kinds()[0];
    let twice = header(key).to_string().replacen('{', "{\"alg\":\"none\",", 1);
    assert_eq!(check(key, &sign_raw(key, &twice, &claims().to_string())), malformed("header"));
    let twice = claims().to_string().replacen('{', "{\"evt\":\"other\",", 1);
    assert_eq!(check(key, &sign_raw(key, &header(key).to_string(), &twice)), malformed("claims"));
}

#[test]
fn a_pass_is_good_until_its_expiry_and_the_leeway() {
    for key in both_kinds() {
        let token = signer(&key).sign_pass(&pass()).unwrap();
        let exp = pass().exp;
        let at = |leeway, now| verifier(&[&key]).with_leeway(leeway).verify_pass(&token, None, now).map(drop);
        assert_eq!(at(0, exp - 1), Ok(()));
        assert_eq!(at(0, exp), Err(TokenError::Expired { exp }));
        assert_eq!(at(10, exp + 9), Ok(()));
        assert_eq!(at(10, exp + 10), Err(TokenError::Expired { exp }));
        assert_eq!(at(0, u64::MAX), Err(TokenError::Expired { exp }));
        let default = |now| verifier(&[&key]).verify_pass(&token, None, now).map(drop);
        assert_eq!(default(exp + 4), Ok(()));
        assert_eq!(default(exp + 5), Err(TokenError::Expired { exp }));
    }
}

#[test]
fn a_pass_from_the_future_is_refused() {
    let key = &both_kinds()[0];
    let token = signer(key).sign_pass(&pass()).unwrap();
    let at = |leeway, now| verifier(&[key]).with_leeway(leeway).verify_pass(&token, None, now).map(drop);
    assert_eq!(at(0, NOW), Ok(()));
    assert_eq!(at(0, NOW - 1), Err(TokenError::NotYetValid { iat: NOW }));
    assert_eq!(at(10, NOW - 10), Ok(()));
    assert_eq!(at(10, NOW - 11), Err(TokenError::NotYetValid { iat: NOW }));
    assert_eq!(at(0, 0), Err(TokenError::NotYetValid { iat: NOW }));
}

#[test]
fn a_ticket_is_good_from_when_it_was_made_until_it_ends() {
    let key = &both_kinds()[0];
    let token = signer(key).sign_ticket(&ticket()).unwrap();
    let ours = Verifier::new(&set(&[key]).public(), ISSUER, ISSUER).unwrap().with_leeway(0);
    let (iat, exp) = (ticket().iat, ticket().exp);
    let at = |now| ours.verify_ticket(&token, None, now).map(drop);
    assert_eq!(at(iat - 1), Err(TokenError::NotYetValid { iat }));
    assert_eq!((at(iat), at(exp - 1)), (Ok(()), Ok(())));
    assert_eq!(at(exp), Err(TokenError::Expired { exp }));
}

#[test]
fn a_foreign_issuer_audience_or_event_is_refused() {
    let key = &both_kinds()[0];
    let with_claim = |member, to: &str| verdict(key, &header(key), &with(claims(), member, json!(to)));
    for foreign in ["https://queue.example.co", "https://queue.example.com/", "", "HTTPS://QUEUE.EXAMPLE.COM"] {
        assert_eq!(with_claim("iss", foreign), Err(TokenError::WrongIssuer), "{foreign}");
    }
    for foreign in [ISSUER, "https://shop.example.com.evil.example", ""] {
        assert_eq!(with_claim("aud", foreign), Err(TokenError::WrongAudience), "{foreign}");
    }
    let other_event = with(with(claims(), "evt", json!("other")), "jti", json!("other/7"));
    assert_eq!(verdict(key, &header(key), &other_event), Err(TokenError::WrongEvent));
    let list = with(claims(), "aud", json!([SHOP]));
    assert_eq!(verdict(key, &header(key), &list), malformed("claims"));
}

#[test]
fn a_pass_whose_jti_tells_of_another_admission_is_refused() {
    let key = &both_kinds()[0];
    for jti in ["demo/8", "other/7", "demo/07", "demo/7/1", ""] {
        assert_eq!(verdict(key, &header(key), &with(claims(), "jti", json!(jti))), malformed("claims"), "{jti}");
    }
}

#[test]
fn a_pass_without_a_place_is_accepted_only_as_passthrough_with_a_name_of_its_own() {
    let key = &both_kinds()[0];
    let token = signer(key).sign_pass(&passthrough()).unwrap();
    let claims = verifier(&[key]).verify_pass(&token, Some("demo"), NOW).unwrap();
    assert_eq!((claims.admission(), claims.is_passthrough(), claims.jti.len()), (None, true, 22));
    assert_eq!((pass().admission(), pass().is_passthrough()), (Some(Admission { num: 42, seq: 7 }), false));

    let plain = serde_json::to_value(passthrough()).unwrap();
    for member in ["num", "seq"] {
        assert_eq!(plain.get(member), None);
        assert_eq!(verdict(key, &header(key), &with(plain.clone(), member, json!(7))), malformed("claims"), "{member}");
    }
    let both = with(with(plain.clone(), "num", json!(42)), "seq", json!(7));
    assert_eq!(verdict(key, &header(key), &both), malformed("claims"));
    assert_eq!(verdict(key, &header(key), &with(both, "jti", json!("demo/7"))), malformed("claims"));
    for adm in [json!("line"), json!(""), json!("Passthrough"), json!(true), Value::Null] {
        assert_eq!(verdict(key, &header(key), &with(plain.clone(), "adm", adm.clone())), malformed("claims"), "{adm}");
    }
    let long = "a".repeat(129);
    for jti in
        ["demo/7", "", "a", "aaaaaaaaaaaaaaaaaaaaa", "aaaaaaaaaaa/aaaaaaaaaaaaa", "aaaaaaaaaaa aaaaaaaaaaaaa", &long]
    {
        assert_eq!(verdict(key, &header(key), &with(plain.clone(), "jti", json!(jti))), malformed("claims"), "{jti}");
    }
    // And one with a place must not say that it has none.
    assert_eq!(verdict(key, &header(key), &with(self::claims(), "adm", json!("passthrough"))), malformed("claims"));
    assert_eq!(verdict(key, &header(key), &with(self::claims(), "jti", plain["jti"].clone())), malformed("claims"));
}

#[test]
fn a_ticket_that_tells_nonsense_of_a_draw_is_refused() {
    let key = &both_kinds()[0];
    let ours = Verifier::new(&set(&[key]).public(), ISSUER, ISSUER).unwrap();
    let typ = with(header(key), "typ", json!("ropeline-ticket+jwt")).to_string();
    let verdict = |claims: &Value| ours.verify_ticket(&sign_raw(key, &typ, &claims.to_string()), None, NOW).map(drop);
    let drawn = serde_json::to_value(drawn_ticket()).unwrap();
    assert_eq!(verdict(&drawn), Ok(()));
    for member in ["com", "pos"] {
        let mut less = drawn.clone();
        less.as_object_mut().unwrap().remove(member);
        assert_eq!(verdict(&less), Ok(()), "{member} may come alone");
    }
    for com in [
        json!(""),
        json!("5e".repeat(31)),
        json!("5e".repeat(33)),
        json!("5E".repeat(32)),
        json!("5g".repeat(32)),
        json!(7),
    ] {
        assert_eq!(verdict(&with(drawn.clone(), "com", com.clone())), malformed("claims"), "{com}");
    }
    for pos in [json!(0), json!(-1), json!(1.5), json!("9")] {
        assert_eq!(verdict(&with(drawn.clone(), "pos", pos.clone())), malformed("claims"), "{pos}");
    }
}

#[test]
fn every_claim_is_required_and_unknown_ones_are_ignored() {
    let key = &both_kinds()[0];
    for member in ["iss", "aud", "sub", "evt", "num", "seq", "iat", "exp", "jti"] {
        let mut less = claims();
        less.as_object_mut().unwrap().remove(member);
        assert_eq!(verdict(key, &header(key), &less), malformed("claims"), "{member}");
        assert_eq!(verdict(key, &header(key), &with(claims(), member, Value::Null)), malformed("claims"), "{member}");
    }
    for wrong in [json!(-1), json!(1.5), json!("7"), json!(1e30)] {
        assert_eq!(verdict(key, &header(key), &with(claims(), "exp", wrong)), malformed("claims"));
    }
    assert_eq!(verdict(key, &header(key), &with(claims(), "pos", json!({"later": [1]}))), Ok(()));
}

#[test]
fn a_token_larger_than_ours_is_refused_unread() {
    let key = &both_kinds()[0];
    let sized = |padding: usize| {
        sign_raw(key, &header(key).to_string(), &with(claims(), "x", json!("a".repeat(padding))).to_string())
    };
    let largest = (0..4096).rev().map(sized).find(|token| token.len() <= 4096).unwrap();
    assert!(largest.len() > 4092);
    assert_eq!(check(key, &largest), Ok(()));
    assert_eq!(check(key, &sized(4096)), Err(TokenError::TooLarge { max: 4096 }));
    assert_eq!(
        check(key, &format!("{largest}{}", ".".repeat(4097 - largest.len()))),
        Err(TokenError::TooLarge { max: 4096 })
    );
}

#[test]
fn a_token_is_made_as_large_as_it_is_read_and_no_larger() {
    let key = &both_kinds()[0];
    let signer = signer(key);
    let signed = |length| signer.sign_pass(&ropeline_ticket::PassClaims { sub: "a".repeat(length), ..pass() });
    // Three bytes of claims are four of the token.
    let length = 1_000 + ((4096 - signed(1_000).unwrap().len()) * 3).div_ceil(4);
    let largest = signed(length).unwrap();
    assert_eq!(largest.len(), 4096);
    assert_eq!(check(key, &largest), Ok(()));
    assert_eq!(signed(length + 1), Err(TokenError::Unserializable));
}

#[test]
fn other_spellings_of_a_good_token_are_refused() {
    let key = &both_kinds()[0];
    // A payload length that base64url would pad, and a header that ends in trailing bits.
    let token = signer(key).sign_pass(&pass()).unwrap();
    let [header, payload, signature] = segments(&token);
    for (part, text) in [
        ("header", format!("{header}=.{payload}.{signature}")),
        ("signature", format!("{header}.{payload}.{signature}==")),
        ("signature", format!("{token}\n")),
        ("header", format!(" {token}")),
        ("header", format!("Bearer {token}")),
        ("signature", format!("{header}.{payload}.{}", signature.replacen(|_| true, "+", 1))),
        ("token", format!("{token}.")),
        ("token", format!("{header}.{payload}.{payload}.{signature}")),
        ("token", format!("{token}.{payload}.{signature}")),
        ("token", format!("{header}.{payload}")[..header.len()].to_owned()),
        ("token", String::new()),
        ("header", "..".to_owned()),
        ("header", format!("{payload}.{header}.{signature}")),
    ] {
        assert_eq!(check(key, &text), malformed(part), "{text}");
    }
    // 64 bytes leave four bits over: they must be zero.
    let last = signature.chars().last().unwrap();
    let sibling = match last {
        'A' => 'B',
        'Q' => 'R',
        'g' => 'h',
        'w' => 'x',
        other => panic!("trailing bits in {other}"),
    };
    let text = format!("{header}.{payload}.{}{sibling}", &signature[..85]);
    assert_eq!(check(key, &text), malformed("signature"));
}

#[test]
fn claims_that_are_signed_but_not_base64url_or_not_json_are_refused() {
    let key = &both_kinds()[1];
    let head = encode(header(key).to_string());
    for payload in
        ["", "*", "e30=", &encode("no json"), &encode([0xff, 0xfe]), &encode("{} {}"), &encode("[".repeat(2000))]
    {
        let input = format!("{head}.{payload}");
        let token = format!("{input}.{}", encode(signature(key, input.as_bytes())));
        assert_eq!(check(key, &token), malformed("claims"), "{payload}");
    }
}
