//! Rotations, and documents that are none.

use super::*;
use crate::Keys;

fn documents() -> [Document; 3] {
    let keys = Keys::generate().unwrap();
    [keys.roles(), keys.signing, keys.mac].map(|text| Document::read(&text).unwrap())
}

#[test]
fn a_rotation_keeps_the_old_key_until_it_is_dropped() {
    for (mut document, role) in documents().into_iter().zip([Role::Admin, Role::Signing, Role::Mac]) {
        let before = document.rows();
        let old = before.iter().find(|row| row.role == role).unwrap().name.clone();
        let others = |document: &Document| document.rows().iter().filter(|row| row.role != role).count();
        let secret = document.add(role, [7; 32]).unwrap();
        assert_eq!(secret.is_some(), document.variable() == "ROPELINE_KEYS", "{role:?}");
        let new = document.rows().into_iter().filter(|row| row.role == role).nth(1).unwrap().name;
        if let Some(secret) = secret {
            assert_eq!(new, sha256(&secret)[..8]);
        } else {
            assert!(document.rows()[0].name == old, "a new key does not sign at once");
            assert_eq!(document.promote(role, &new).unwrap(), new);
            assert_eq!((&document.rows()[0].name, &document.rows()[1].name), (&new, &old));
        }
        assert_eq!(Document::read(&document.to_json()).unwrap(), document);
        assert_eq!(document.drop(role, &old).unwrap(), old);
        assert!(matches!(document.drop(role, &new), Err(DocumentError::Last { .. })), "{role:?}");
        assert_eq!(others(&document), before.len() - 1);
    }
}

#[test]
fn what_does_not_name_one_key_drops_none() {
    let mut document =
        Document::read(&format!("{{\"admin\": [\"{0}ab{1}\", \"{0}cd{1}\"]}}", "12345678", "0".repeat(54)));
    let document = document.as_mut().unwrap();
    let before = document.clone();
    assert!(matches!(document.drop(Role::Admin, "123"), Err(DocumentError::ShortPrefix)));
    assert!(matches!(document.drop(Role::Admin, "12345678"), Err(DocumentError::NotOne { found: 2, .. })));
    assert!(matches!(document.drop(Role::Admin, "ffff"), Err(DocumentError::NotOne { found: 0, .. })));
    assert!(matches!(document.drop(Role::Relay, "1234"), Err(DocumentError::NotOne { found: 0, .. })));
    assert!(matches!(document.drop(Role::Signing, "1234"), Err(DocumentError::OtherDocument { .. })));
    assert!(matches!(document.add(Role::Mac, [1; 32]), Err(DocumentError::OtherDocument { .. })));
    assert!(matches!(document.promote(Role::Admin, "12345678ab"), Err(DocumentError::NoOrder { .. })));
    assert_eq!(*document, before);
    assert_eq!(document.drop(Role::Admin, "12345678ab").unwrap(), "12345678");
}

#[test]
fn what_is_no_document_is_refused_without_being_shown() {
    let secret = "5ecret".repeat(12);
    for bad in [
        String::new(),
        secret.clone(),
        format!("[\"{secret}\"]"),
        format!("{{\"root\": [\"{secret}\"]}}"),
        format!("{{\"admin\": \"{secret}\"}}"),
        format!("{{\"admin\": [\"{secret}\"]}}"),
        format!("{{\"signing\": [\"{secret}\"]}}"),
        format!("{{\"keys\": [{{\"kty\": \"EC\", \"crv\": \"P-256\", \"d\": \"{secret}\"}}]}}"),
        format!("{{\"keys\": [{{\"kty\": \"oct\", \"k\": \"{}\"}}]}}", &secret[..8]),
    ] {
        let error = Document::read(&bad).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("5ecret"), "{error}");
    }
}

#[test]
fn debug_shows_names_and_no_secret() {
    for document in documents() {
        let shown = format!("{document:?}");
        let Document::Set(_, entries) = &document else { continue };
        let secret = entries[0].1.get("d").or(entries[0].1.get("k")).and_then(Value::as_str).unwrap();
        assert!(!shown.contains(secret) && shown.contains(&entries[0].0), "{shown}");
    }
}
