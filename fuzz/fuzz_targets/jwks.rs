//! Key sets: the published one, which a shop fetches, and the secret ones, which an operator pastes. A set that makes a verifier can be
//! written and makes the same one; an error about a secret set says nothing of it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ropeline_ticket::native::{Signer, Verifier};
use ropeline_ticket::{Jwks, MacKeys, PrivateKeys};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(jwks) = serde_json::from_str::<Jwks>(text) {
        let verifier = Verifier::new(&jwks, "issuer", "audience");
        let written = serde_json::to_string(&jwks).expect("JSON");
        let again: Jwks = serde_json::from_str(&written).expect("what was written");
        assert_eq!(again, jwks);
        assert_eq!(Verifier::new(&again, "issuer", "audience").is_ok(), verifier.is_ok());
        if let Ok(verifier) = verifier {
            assert!(verifier.verify_pass(text, None, 0).is_err());
        }
    }
    match PrivateKeys::from_json(text) {
        Ok(keys) => {
            let again = PrivateKeys::from_json(&keys.to_secret_json()).expect("what was written");
            assert_eq!(again.public(), keys.public());
            let _ = Signer::new(&keys);
        }
        Err(error) => assert!(error.to_string().len() < 500, "{error}"),
    }
    let _ = MacKeys::from_json(text);
});
