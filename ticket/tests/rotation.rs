//! Keys change while tokens live: append, move to the front, remove; and what an origin does meanwhile.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use common::*;
use ropeline_ticket::native::{Signer, Verifier, generate_ed25519, generate_es256};
use ropeline_ticket::{Jwks, KeyError, PrivateKeys, TokenError};

#[test]
fn append_move_remove_never_refuses_a_living_pass() {
    let [old, new] = both_kinds();
    let steps = [set(&[&old]), set(&[&old, &new]), set(&[&new, &old]), set(&[&new])];
    let passes: Vec<_> = steps.iter().map(|keys| Signer::new(keys).unwrap().sign_pass(&pass()).unwrap()).collect();
    let accepts = |keys: &PrivateKeys, token: &str| {
        Verifier::new(&keys.public(), ISSUER, SHOP).unwrap().verify_pass(token, Some("demo"), NOW).map(drop)
    };
    // Whoever is one step behind or ahead accepts what is signed now. The last step comes only when
    // nothing lives that was signed before the one ahead of it.
    for (step, keys) in [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 2), (3, 3)] {
        assert_eq!(accepts(&steps[keys], &passes[step]), Ok(()), "signed in step {step}, keys of {keys}");
    }
    assert_eq!(accepts(&steps[3], &passes[1]), Err(TokenError::UnknownKey { kid: old.kid().to_owned() }));
    assert_eq!(accepts(&steps[0], &passes[2]), Err(TokenError::UnknownKey { kid: new.kid().to_owned() }));
}

#[test]
fn an_origin_takes_new_keys_and_keeps_the_old_ones_when_they_are_unusable() {
    let [old, new] = both_kinds();
    let token = signer(&new).sign_pass(&pass()).unwrap();
    let mut verifier = verifier(&[&old]).with_leeway(7);
    let unknown = Err(TokenError::UnknownKey { kid: new.kid().to_owned() });
    assert_eq!(verifier.verify_pass(&token, None, NOW), unknown);

    assert_eq!(verifier.set_jwks(&Jwks { keys: Vec::new() }), Err(KeyError::Empty));
    let of_old = signer(&old).sign_pass(&pass()).unwrap();
    assert_eq!(verifier.verify_pass(&of_old, None, NOW), Ok(pass()), "the old keys stay");

    let swapped = verifier.with_keys(&set(&[&new, &old]).public()).unwrap();
    assert_eq!(swapped.verify_pass(&token, None, NOW), Ok(pass()));
    assert_eq!(swapped.verify_pass(&token, None, pass().exp + 6), Ok(pass()), "the leeway stays");
    assert_eq!(verifier.verify_pass(&token, None, NOW), unknown, "the first is as it was");

    verifier.set_jwks(&set(&[&new]).public()).unwrap();
    assert_eq!(verifier.verify_pass(&token, None, NOW), Ok(pass()));
}

#[test]
fn a_pair_whose_halves_do_not_belong_together_never_signs() {
    for [one, other] in
        [[generate_es256([1; 32]), generate_es256([2; 32])], [generate_ed25519([1; 32]), generate_ed25519([2; 32])]]
    {
        let secret = |key: &ropeline_ticket::PrivateJwk| -> serde_json::Value {
            serde_json::from_str(&key.to_secret_json()).unwrap()
        };
        let mut mixed = secret(&one);
        mixed["d"] = secret(&other)["d"].clone();
        let json = serde_json::json!({"keys": [secret(&other), mixed]}).to_string();
        let keys = PrivateKeys::from_json(&json).unwrap();
        assert_eq!(Signer::new(&keys).unwrap_err(), KeyError::Invalid { index: 1 });
    }
    for d in ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "__________________________________________8"] {
        let mut jwk: serde_json::Value = serde_json::from_str(&generate_es256([1; 32]).to_secret_json()).unwrap();
        jwk["d"] = d.into();
        let keys = PrivateKeys::from_json(&serde_json::json!({"keys": [jwk]}).to_string()).unwrap();
        assert_eq!(Signer::new(&keys).unwrap_err(), KeyError::Invalid { index: 0 }, "{d}");
    }
}

#[test]
fn a_published_key_that_is_no_key_is_refused() {
    let [es, ed] = both_kinds().map(|key| key.public().clone());
    let zero = "A".repeat(43);
    // Small order: this point alone would accept signatures that nobody made.
    let weak = format!("AQ{}", "A".repeat(41));
    let mut cases =
        vec![es.clone(), es.clone(), es.clone(), es.clone(), ed.clone(), ed.clone(), ed.clone(), ed.clone()];
    cases[0].x = zero.clone();
    cases[1].y = None;
    cases[2].kty = "OKP".to_owned();
    cases[3].crv = "P-384".to_owned();
    cases[4].x = weak;
    cases[5].y = Some(zero);
    cases[6].alg = ropeline_ticket::Algorithm::Es256;
    cases[7].x = "AQ".to_owned();
    for (index, broken) in cases.into_iter().enumerate() {
        let first = if broken.kid == es.kid { ed.clone() } else { es.clone() };
        let jwks = Jwks { keys: vec![first, broken] };
        assert_eq!(Verifier::new(&jwks, ISSUER, SHOP).unwrap_err(), KeyError::Invalid { index: 1 }, "case {index}");
    }
    let twice = Jwks { keys: vec![es.clone(), es.clone()] };
    assert_eq!(Verifier::new(&twice, ISSUER, SHOP).unwrap_err(), KeyError::Duplicate { index: 1, first: 0 });
    let many = Jwks { keys: vec![es; 17] };
    assert_eq!(Verifier::new(&many, ISSUER, SHOP).unwrap_err(), KeyError::TooMany { max: 16 });
}

#[test]
fn a_seed_makes_one_key_and_another_seed_another() {
    for generate in [generate_es256, generate_ed25519] {
        assert_eq!(generate([3; 32]).to_secret_json(), generate([3; 32]).to_secret_json());
        assert_ne!(generate([3; 32]).kid(), generate([4; 32]).kid());
        let keys = PrivateKeys::from_keys(vec![generate([0; 32]), generate([255; 32])]).unwrap();
        let read = PrivateKeys::from_json(&keys.to_secret_json()).unwrap();
        assert!(Signer::new(&read).is_ok());
    }
}

#[test]
fn a_set_has_at_most_sixteen_keys() {
    let some = |count| PrivateKeys::from_keys((0..count).map(|seed| generate_ed25519([seed; 32])).collect());
    let most = some(16).unwrap();
    assert!(PrivateKeys::from_json(&most.to_secret_json()).is_ok());
    assert!(Verifier::new(&most.public(), ISSUER, SHOP).is_ok());
    assert_eq!(some(17).unwrap_err(), KeyError::TooMany { max: 16 });
}

#[test]
fn a_signer_names_its_key_and_shows_no_secret() {
    let [es256, _] = both_kinds();
    assert_eq!(format!("{:?}", signer(&es256)), format!(r#"Signer {{ alg: Es256, kid: "{}", .. }}"#, es256.kid()));
}
