//! Published test vectors: the RFCs' own, and Wycheproof's collected attacks.

use super::*;

fn jwks(keys: &str) -> (PrivateJwk, VerifyingKey) {
    let keys = PrivateKeys::from_json(keys).unwrap();
    let key = keys.signing().clone();
    let verifying = VerifyingKey::of(key.public()).unwrap();
    (key, verifying)
}

#[test]
fn rfc_7515_a3_es256_is_verified() {
    let (key, verifying) = jwks(
        r#"{"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]}"#,
    );
    let input = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = base64url::decode_array(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    )
    .unwrap();
    assert_eq!(verifying.verify(Algorithm::Es256, input.as_bytes(), &signature), Ok(()));
    assert_eq!(verifying.verify(Algorithm::Es256, b"another text", &signature), Err(TokenError::BadSignature));
    // ECDSA of the RFC is randomized: ours is another signature of the same key.
    let ours = SigningKey::of(&key).unwrap().sign(input.as_bytes());
    assert_eq!(verifying.verify(Algorithm::Es256, input.as_bytes(), &ours), Ok(()));
}

#[test]
fn rfc_8037_a4_eddsa_is_signed_and_verified_to_the_letter() {
    let (key, verifying) = jwks(
        r#"{"keys":[{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    );
    let input = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let token = jws::assemble(input.to_owned(), &SigningKey::of(&key).unwrap().sign(input.as_bytes()));
    assert_eq!(
        token,
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
         hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    let (_, signature) = token.rsplit_once('.').unwrap();
    let signature = base64url::decode_array(signature).unwrap();
    assert_eq!(verifying.verify(Algorithm::EdDsa, input.as_bytes(), &signature), Ok(()));
    assert_eq!(verifying.verify(Algorithm::EdDsa, b"another text", &signature), Err(TokenError::BadSignature));
}

#[test]
fn rfc_8037_a1_the_seed_makes_the_published_key() {
    let seed = base64url::decode_array("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
    assert_eq!(generate_ed25519(seed).public().x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
}

#[test]
fn an_ed25519_signature_with_a_nonce_point_of_small_order_is_refused() {
    // R is the identity and s = H(R, A, M) · a: the equation holds, so only a strict verifier refuses.
    // Computed by another program with the key of RFC 8037 A.1.
    let x = base64url::decode_array("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    let key = VerifyingKey::of(&PublicJwk::new(Algorithm::EdDsa, &x, None)).unwrap();
    let signature = base64url::decode_array(
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAOZ6JBhzm4EulBS4YKQGhgU-jrHRjEfWzHhFviexMoBA",
    )
    .unwrap();
    assert_eq!(key.verify(Algorithm::EdDsa, b"any text", &signature), Err(TokenError::BadSignature));
    let VerifyingKey::EdDsa(lenient) = &key else { panic!("an Ed25519 key") };
    assert!(lenient.verify(b"any text", &ed25519_dalek::Signature::from_bytes(&signature)).is_ok());
}

/// An origin must refuse every signature of Wycheproof that is invalid and take every valid one.
fn judge(key: Option<&VerifyingKey>, alg: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    // Another length never gets this far in a token: `jws::parse` wants 64 bytes.
    let Ok(signature) = <&[u8; SIGNATURE_LENGTH]>::try_from(signature) else {
        return false;
    };
    key.is_some_and(|key| key.verify(alg, message, signature).is_ok())
}

#[test]
fn wycheproof_ed25519_is_judged_right() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut judged = 0;
    for group in &set.test_groups {
        let x: [u8; 32] = group.key.pk.as_slice().try_into().unwrap();
        let key = VerifyingKey::of(&PublicJwk::new(Algorithm::EdDsa, &x, None));
        for test in &group.tests {
            let valid = test.result == wycheproof::TestResult::Valid;
            assert_eq!(judge(key.as_ref(), Algorithm::EdDsa, &test.msg, &test.sig), valid, "{test:?}");
            judged += 1;
        }
    }
    assert!(judged > 100, "{judged}");
}

#[test]
fn wycheproof_es256_is_judged_right() {
    let name = wycheproof::ecdsa::TestName::EcdsaSecp256r1Sha256P1363;
    let set = wycheproof::ecdsa::TestSet::load(name).unwrap();
    let mut judged = 0;
    for group in &set.test_groups {
        let point = group.key.key.as_slice();
        let (x, y) = (point[1..33].try_into().unwrap(), point[33..65].try_into().unwrap());
        let key = VerifyingKey::of(&PublicJwk::new(Algorithm::Es256, x, Some(y)));
        for test in &group.tests {
            let valid = test.result == wycheproof::TestResult::Valid;
            assert_eq!(judge(key.as_ref(), Algorithm::Es256, &test.msg, &test.sig), valid, "{test:?}");
            judged += 1;
        }
    }
    assert!(judged > 100, "{judged}");
}
