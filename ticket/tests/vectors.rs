//! Every vector of `tests/vectors` is judged as written there. The verifiers of other stacks are asked the same by the end-to-end tests.
#![cfg(not(target_arch = "wasm32"))]

use std::path::Path;

use ropeline_ticket::Jwks;
use ropeline_ticket::native::Verifier;
use serde_json::Value;

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_vector_is_judged_as_it_is_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors");
    let jwks: Jwks = serde_json::from_value(read(&dir.join("keys.json"))["jwks"].clone()).unwrap();
    let mut judged = 0;
    for entry in std::fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") || path.ends_with("keys.json") {
            continue;
        }
        for vector in read(&path)["vectors"].as_array().unwrap() {
            let text = |member: &str| vector[member].as_str().unwrap();
            let verifier = Verifier::new(&jwks, text("issuer"), text("audience")).unwrap();
            let verdict = verifier.verify_pass(text("token"), Some(text("event")), vector["now"].as_u64().unwrap());
            assert_eq!(verdict.is_ok(), text("judgement") == "accept", "{}: {verdict:?}", text("name"));
            if let Ok(pass) = verdict {
                assert_eq!(
                    (vector["subject"].as_str(), vector["number"].as_u64()),
                    (Some(pass.sub.as_str()), pass.num)
                );
            }
            judged += 1;
        }
    }
    assert!(judged > 200, "{judged}");
}
