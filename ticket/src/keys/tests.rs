//! Reading keys: the RFCs' own keys, and every way an operator can get the secret wrong.

use super::*;

const ED_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const ED_D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const EC_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const EC_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const EC_D: &str = "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI";

fn ed() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": ED_X, "d": ED_D})
}

fn ec() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": EC_X, "y": EC_Y, "d": EC_D})
}

fn read(keys: &[Value]) -> Result<PrivateKeys, KeyError> {
    PrivateKeys::from_json(&json!({ "keys": keys }).to_string())
}

fn with(mut key: Value, member: &str, value: Value) -> Value {
    key[member] = value;
    key
}

fn without(mut key: Value, member: &str) -> Value {
    key.as_object_mut().unwrap().remove(member);
    key
}

#[test]
fn the_kid_is_the_rfc_7638_thumbprint() {
    let keys = read(&[ed(), ec()]).unwrap();
    let kids: Vec<_> = keys.iter().map(PrivateJwk::kid).collect();
    // The first is RFC 8037 A.3; the second is the key of RFC 7515 A.3, computed by another program.
    assert_eq!(kids, ["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"]);
}

#[test]
fn the_first_key_signs_and_all_are_published_without_their_secrets() {
    let keys = read(&[ec(), ed()]).unwrap();
    assert_eq!(keys.signing().algorithm(), Algorithm::Es256);
    assert_eq!(
        serde_json::to_value(keys.public()).unwrap(),
        json!({"keys": [
            {"kty": "EC", "crv": "P-256", "x": EC_X, "y": EC_Y, "use": "sig", "alg": "ES256",
             "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"},
            {"kty": "OKP", "crv": "Ed25519", "x": ED_X, "use": "sig", "alg": "EdDSA",
             "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
        ]})
    );
}

#[test]
fn the_secret_json_is_read_back_in_the_same_order() {
    let keys = read(&[ed(), ec()]).unwrap();
    let again = PrivateKeys::from_json(&keys.to_secret_json()).unwrap();
    assert_eq!(again.public(), keys.public());
    assert_eq!(again.to_secret_json(), keys.to_secret_json());
    assert_eq!(serde_json::from_str::<Value>(&keys.signing().to_secret_json()).unwrap(), ed());
}

#[test]
fn a_kid_in_the_secret_is_ignored_and_fitting_alg_and_use_are_taken() {
    let key =
        json!({"kty": "OKP", "crv": "Ed25519", "x": ED_X, "d": ED_D, "kid": "mine", "alg": "EdDSA", "use": "sig"});
    assert_eq!(read(&[key]).unwrap().public(), read(&[ed()]).unwrap().public());
}

#[test]
fn an_unusable_entry_is_refused_by_its_index() {
    let short = base64url::encode(&[7; 31]);
    let long = base64url::encode(&[7; 33]);
    let exactly = |member| KeyError::WrongLength { index: 1, member, expected: "exactly 32" };
    let cases = [
        (
            json!({"kty": "RSA", "n": "AQ", "e": "AQAB"}),
            KeyError::WrongType { index: 1, expected: "kty \"EC\" or \"OKP\"" },
        ),
        (json!({"kty": "oct", "k": "AQ"}), KeyError::WrongType { index: 1, expected: "kty \"EC\" or \"OKP\"" }),
        (json!({"kty": "EC", "crv": "P-384"}), KeyError::WrongCurve { index: 1 }),
        (json!({"kty": "OKP", "crv": "X25519"}), KeyError::WrongCurve { index: 1 }),
        (with(ec(), "crv", json!("Ed25519")), KeyError::WrongCurve { index: 1 }),
        (with(ec(), "kty", json!("OKP")), KeyError::WrongCurve { index: 1 }),
        (without(ec(), "kty"), KeyError::Missing { index: 1, member: "kty" }),
        (without(ec(), "crv"), KeyError::Missing { index: 1, member: "crv" }),
        (without(ec(), "x"), KeyError::Missing { index: 1, member: "x" }),
        (without(ec(), "y"), KeyError::Missing { index: 1, member: "y" }),
        (without(ec(), "d"), KeyError::Missing { index: 1, member: "d" }),
        (with(ec(), "d", json!(7)), KeyError::Missing { index: 1, member: "d" }),
        (json!("text"), KeyError::Missing { index: 1, member: "kty" }),
        (with(ec(), "d", json!(format!("{EC_D}="))), KeyError::NotBase64Url { index: 1, member: "d" }),
        (with(ec(), "x", json!("+/+/")), KeyError::NotBase64Url { index: 1, member: "x" }),
        (with(ec(), "x", json!(short)), exactly("x")),
        (with(ec(), "y", json!(long)), exactly("y")),
        (with(ec(), "d", json!(short)), exactly("d")),
        (with(ec(), "d", json!("")), exactly("d")),
        (with(ec(), "alg", json!("EdDSA")), KeyError::Conflict { index: 1, member: "alg", wanted: "ES256" }),
        (with(ec(), "use", json!("enc")), KeyError::Conflict { index: 1, member: "use", wanted: "sig" }),
        (ed(), KeyError::Duplicate { index: 1, first: 0 }),
        (with(ed(), "kid", json!("another name")), KeyError::Duplicate { index: 1, first: 0 }),
    ];
    for (entry, expected) in cases {
        assert_eq!(read(&[ed(), entry.clone()]).unwrap_err(), expected, "{entry}");
    }
}

#[test]
fn a_text_that_is_no_key_set_is_refused() {
    assert_eq!(PrivateKeys::from_json("").unwrap_err(), KeyError::NotJson { line: 1, column: 0 });
    for text in ["[]", "{}", r#"{"keys":{}}"#, "7", &ed().to_string()] {
        assert_eq!(PrivateKeys::from_json(text).unwrap_err(), KeyError::NotAKeySet, "{text}");
    }
    assert_eq!(read(&[]).unwrap_err(), KeyError::Empty);
    assert_eq!(read(&vec![ed(); 17]).unwrap_err(), KeyError::TooMany { max: 16 });
    let one = read(&[ed()]).unwrap().signing().clone();
    assert_eq!(PrivateKeys::from_keys(vec![one; 17]).unwrap_err(), KeyError::TooMany { max: 16 });
    assert_eq!(PrivateKeys::from_keys(Vec::new()).unwrap_err(), KeyError::Empty);
}

#[test]
fn neither_debug_nor_errors_show_a_secret() {
    let shown = format!("{:?} {:?}", read(&[ec(), ed()]).unwrap(), read(&[ed()]).unwrap().signing());
    for secret in [EC_D, ED_D, &format!("{:?}", base64url::decode(ED_D).unwrap())] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.contains("redacted"));

    // A secret at the wrong place: as JSON text, as a type, as a curve, as a bad value, twice.
    let broken = [
        format!("\"{ED_D}\""),
        ED_D.to_owned(),
        json!({"keys": [with(ed(), "kty", json!(ED_D))]}).to_string(),
        json!({"keys": [with(ed(), "crv", json!(ED_D))]}).to_string(),
        json!({"keys": [with(ed(), "d", json!(format!("{ED_D}{ED_D}")))]}).to_string(),
        json!({"keys": [with(ed(), "alg", json!(ED_D))]}).to_string(),
        json!({"keys": [ed(), ed()]}).to_string(),
    ];
    for text in broken {
        let error = PrivateKeys::from_json(&text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(ED_D), "{error:?}");
    }
}

#[test]
fn an_error_names_the_entry_and_what_to_do() {
    let error = read(&[ed(), without(ec(), "y")]).unwrap_err().to_string();
    assert_eq!(error, "keys[1] has no text member \"y\": add it (a private key needs all of its JWK)");
}

#[test]
fn a_published_set_with_keys_of_other_kinds_is_read_without_them() {
    let known = serde_json::to_value(read(&[ec()]).unwrap().public()).unwrap()["keys"][0].clone();
    let set = json!({"keys": [
        {"kty": "RSA", "n": "AQ", "e": "AQAB", "kid": "r", "alg": "RS256", "use": "sig"},
        with(with(known.clone(), "alg", json!("ES384")), "kid", json!("later")),
        with(known, "x5c", json!(["ignored"])),
    ], "more": 1});
    let jwks: Jwks = serde_json::from_value(set).unwrap();
    assert_eq!(jwks, read(&[ec()]).unwrap().public());
}
