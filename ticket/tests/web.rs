//! WebCrypto and pure Rust agree: what one signs the other accepts, what one refuses the other refuses.
#![cfg(target_arch = "wasm32")]

mod common;

use common::*;
use ropeline_ticket::jws;
use ropeline_ticket::native::{Verifier, generate_ed25519, generate_es256};
use ropeline_ticket::webcrypto::{WebCryptoError, WebKeys};
use ropeline_ticket::{Algorithm, PASS_TYP, PassClaims, PrivateJwk, PrivateKeys, TICKET_TYP, TokenError};
use serde_json::{Value, json};
use wasm_bindgen_test::wasm_bindgen_test;

async fn web(keys: &[&PrivateJwk]) -> WebKeys {
    WebKeys::import(&set(keys)).await.unwrap()
}

async fn verdict(keys: &WebKeys, token: &str) -> Result<(), TokenError> {
    keys.verify(&jws::parse(token, PASS_TYP)?).await
}

#[wasm_bindgen_test]
async fn what_webcrypto_signs_pure_rust_accepts() {
    for key in both_kinds() {
        let keys = web(&[&key]).await;
        for pass in [pass(), passthrough()] {
            let token = keys.sign(PASS_TYP, &pass).await.unwrap();
            assert_eq!(verifier(&[&key]).verify_pass(&token, Some("demo"), NOW), Ok(pass));
        }
        let ours = Verifier::new(&set(&[&key]).public(), ISSUER, ISSUER).unwrap();
        for ticket in [ticket(), drawn_ticket()] {
            let token = keys.sign(TICKET_TYP, &ticket).await.unwrap();
            assert_eq!(ours.verify_ticket(&token, Some("demo"), NOW), Ok(ticket));
        }
    }
}

#[wasm_bindgen_test]
async fn what_pure_rust_signs_webcrypto_accepts() {
    for key in both_kinds() {
        let token = signer(&key).sign_pass(&pass()).unwrap();
        assert_eq!(verdict(&web(&[&key]).await, &token).await, Ok(()));
    }
}

#[wasm_bindgen_test]
async fn both_make_the_same_text_under_every_typ() {
    let [es, ed] = both_kinds();
    for typ in [TICKET_TYP, PASS_TYP, "something-else+jwt"] {
        let web_token = web(&[&ed]).await.sign(typ, &pass()).await.unwrap();
        assert_eq!(web_token, signer(&ed).sign(typ, &pass()).unwrap(), "Ed25519 has one signature");
        let [header, payload, _] = segments(&web(&[&es]).await.sign(typ, &pass()).await.unwrap());
        let [rust_header, rust_payload, _] = segments(&signer(&es).sign(typ, &pass()).unwrap());
        assert_eq!((header, payload), (rust_header, rust_payload));
    }
}

#[wasm_bindgen_test]
async fn an_altered_token_is_refused() {
    for key in both_kinds() {
        let keys = web(&[&key]).await;
        let token = keys.sign(PASS_TYP, &pass()).await.unwrap();
        let [header, payload, text] = segments(&token);
        assert_eq!(verdict(&keys, &token).await, Ok(()));
        let other = encode(serde_json::to_string(&PassClaims { num: Some(1), ..pass() }).unwrap());
        assert_eq!(verdict(&keys, &format!("{header}.{other}.{text}")).await, Err(TokenError::BadSignature));
        let good = signature(&key, format!("{header}.{payload}").as_bytes());
        for at in [0, 31, 32, 63] {
            let mut bad = good;
            bad[at] ^= 1;
            let altered = format!("{header}.{payload}.{}", encode(bad));
            assert_eq!(verdict(&keys, &altered).await, Err(TokenError::BadSignature));
        }
        for bytes in [[0; 64], [0xff; 64]] {
            let altered = format!("{header}.{payload}.{}", encode(bytes));
            assert_eq!(verdict(&keys, &altered).await, Err(TokenError::BadSignature));
        }
    }
}

#[wasm_bindgen_test]
async fn a_key_of_somebody_else_is_refused_under_its_own_name_and_under_ours() {
    for (ours, theirs) in both_kinds().into_iter().zip([generate_es256([8; 32]), generate_ed25519([9; 32])]) {
        let keys = web(&[&ours]).await;
        let token = signer(&theirs).sign_pass(&pass()).unwrap();
        assert_eq!(verdict(&keys, &token).await, Err(TokenError::UnknownKey { kid: theirs.kid().to_owned() }));
        let claims = serde_json::to_string(&pass()).unwrap();
        let forged = sign_raw(&theirs, &header(&ours).to_string(), &claims);
        assert_eq!(verdict(&keys, &forged).await, Err(TokenError::BadSignature));
    }
}

#[wasm_bindgen_test]
async fn the_algorithm_is_the_keys_and_never_the_headers() {
    let [es, ed] = both_kinds();
    let keys = web(&[&es, &ed]).await;
    let claims = serde_json::to_string(&pass()).unwrap();
    for (signing, named) in [(&es, &ed), (&ed, &es)] {
        let mut confused = header(signing);
        confused["kid"] = json!(named.kid());
        let token = sign_raw(signing, &confused.to_string(), &claims);
        assert_eq!(verdict(&keys, &token).await, Err(TokenError::WrongAlgorithm));
        let mut confused = header(signing);
        confused["alg"] = json!(named.algorithm().name());
        let token = sign_raw(signing, &confused.to_string(), &claims);
        assert_eq!(verdict(&keys, &token).await, Err(TokenError::WrongAlgorithm));
    }
}

#[wasm_bindgen_test]
async fn the_first_key_signs_and_all_verify() {
    let [old, new] = both_kinds();
    let before = web(&[&old]).await.sign(PASS_TYP, &pass()).await.unwrap();
    let appended = web(&[&old, &new]).await;
    let moved = web(&[&new, &old]).await;
    let removed = web(&[&new]).await;
    let signed_by = |token: &str| jws::parse(token, PASS_TYP).map(|token| token.alg());
    let during = appended.sign(PASS_TYP, &pass()).await.unwrap();
    assert_eq!(signed_by(&during), Ok(Algorithm::Es256));
    let after = moved.sign(PASS_TYP, &pass()).await.unwrap();
    assert_eq!(signed_by(&after), Ok(Algorithm::EdDsa));
    for token in [&before, &during, &after] {
        assert_eq!(verdict(&appended, token).await, Ok(()));
        assert_eq!(verdict(&moved, token).await, Ok(()));
    }
    assert_eq!(verdict(&removed, &after).await, Ok(()));
    assert_eq!(verdict(&removed, &before).await, Err(TokenError::UnknownKey { kid: old.kid().to_owned() }));
}

#[wasm_bindgen_test]
async fn a_pair_whose_halves_do_not_belong_together_is_refused_by_its_index() {
    let secret = |key: &PrivateJwk| -> Value { serde_json::from_str(&key.to_secret_json()).unwrap() };
    let pairs =
        [[generate_es256([1; 32]), generate_es256([2; 32])], [generate_ed25519([1; 32]), generate_ed25519([2; 32])]];
    for [one, other] in pairs {
        let mut mixed = secret(&one);
        mixed["d"] = secret(&other)["d"].clone();
        let json = json!({"keys": [secret(&other), mixed]}).to_string();
        let refused = WebKeys::import(&PrivateKeys::from_json(&json).unwrap()).await;
        assert_eq!(refused.unwrap_err(), WebCryptoError::InvalidKey { index: 1 });
    }
    for (member, value) in
        [("d", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), ("x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    {
        let mut broken = secret(&generate_es256([1; 32]));
        broken[member] = value.into();
        let json = json!({ "keys": [broken] }).to_string();
        let refused = WebKeys::import(&PrivateKeys::from_json(&json).unwrap()).await;
        assert_eq!(refused.unwrap_err(), WebCryptoError::InvalidKey { index: 0 }, "{member}");
    }
}

/// Node looks at the halves when it imports them; workerd does not for Ed25519. This makes Node the same.
const IMPORT_AS_WORKERD_DOES: &str = r#"
    const real = crypto.subtle.importKey.bind(crypto.subtle);
    crypto.subtle.importKey = (format, jwk, ...rest) => jwk.d && jwk.crv === "Ed25519"
        ? real("pkcs8", Buffer.from("302e020100300506032b657004220420" + Buffer.from(jwk.d, "base64url").toString("hex"), "hex"), ...rest)
        : real(format, jwk, ...rest);
"#;

#[wasm_bindgen_test]
async fn a_pair_that_the_runtime_imports_unlooked_at_is_refused_by_its_first_signature() {
    let secret = |key: PrivateJwk| -> Value { serde_json::from_str(&key.to_secret_json()).unwrap() };
    let mut mixed = secret(generate_ed25519([1; 32]));
    mixed["d"] = secret(generate_ed25519([2; 32]))["d"].clone();
    let mixed = PrivateKeys::from_json(&json!({ "keys": [mixed] }).to_string()).unwrap();
    js_sys::eval(IMPORT_AS_WORKERD_DOES).unwrap();
    let refused = WebKeys::import(&mixed).await;
    let good = WebKeys::import(&set(&[&both_kinds()[1]])).await;
    js_sys::eval("delete crypto.subtle.importKey").unwrap();
    assert_eq!(refused.unwrap_err(), WebCryptoError::InvalidKey { index: 0 });
    assert!(good.is_ok(), "the import itself works");
}

#[wasm_bindgen_test]
async fn claims_too_large_for_a_token_are_not_signed() {
    let long = PassClaims { sub: "a".repeat(3000), ..pass() };
    let refused = web(&[&both_kinds()[0]]).await.sign(PASS_TYP, &long).await;
    assert_eq!(refused, Err(WebCryptoError::Token { source: TokenError::Unserializable }));
}

#[wasm_bindgen_test]
async fn a_hundred_at_a_time_are_each_signed_with_their_own_signature() {
    let key = &both_kinds()[0];
    let keys = web(&[key]).await;
    let claims: Vec<_> = (1..=100).map(|num| PassClaims { num: Some(num), ..pass() }).collect();
    let signing = claims.iter().map(|claims| keys.sign(PASS_TYP, claims));
    let tokens = futures_util::future::join_all(signing).await;
    for (claims, token) in claims.into_iter().zip(tokens) {
        assert_eq!(verifier(&[key]).verify_pass(&token.unwrap(), None, NOW), Ok(claims));
    }
}

#[wasm_bindgen_test]
async fn debug_shows_no_secret() {
    let key = &both_kinds()[1];
    let shown = format!("{:?}", web(&[key]).await);
    assert_eq!(shown, format!("WebKeys {{ alg: EdDsa, kid: {:?}, .. }}", key.kid()));
}
