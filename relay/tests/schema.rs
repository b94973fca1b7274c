//! `docs/admission.schema.json` says what the records' values are.

mod support;

use serde_json::{Value, json};

fn schema() -> jsonschema::Validator {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/admission.schema.json");
    let text = std::fs::read_to_string(path).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn admission() -> Value {
    serde_json::from_str(&support::entry_json(&support::event("demo"), 7)).unwrap()
}

#[test]
fn an_admission_fits_its_schema_and_may_grow() {
    let schema = schema();
    let mut admission = admission();
    assert!(schema.is_valid(&admission));
    admission["later"] = json!({"more": true});
    assert!(schema.is_valid(&admission), "fields may be added");
}

#[test]
fn what_is_no_admission_does_not_fit() {
    let schema = schema();
    let good = admission();
    for field in good.as_object().unwrap().keys() {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(field);
        assert!(!schema.is_valid(&without), "without {field}");
        let mut wrong = good.clone();
        wrong[field] = json!([1]);
        assert!(!schema.is_valid(&wrong), "{field} of another type");
    }
    for (field, value) in [
        ("seq", json!(0)),
        ("number", json!(1.5)),
        ("position", json!(9_007_199_254_740_992_u64)),
        ("event", json!("Not An Id")),
        ("admitted_at", json!("2026-11-22 19:00:00")),
        ("jti", json!("demo/0")),
    ] {
        let mut wrong = good.clone();
        wrong[field] = value;
        assert!(!schema.is_valid(&wrong), "{field}");
    }
}
