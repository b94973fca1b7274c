//! What is made can be used, and only hashes go to the Worker.

use super::*;

#[test]
fn keys_are_kept_and_only_their_owner_can_read_them() {
    use std::os::unix::fs::PermissionsExt;
    let dir = std::env::temp_dir().join(format!("ropeline-keys-{}", std::process::id()));
    let path = dir.join("keys.json");
    let first = Keys::load_or_generate(&path).unwrap();
    let second = Keys::load_or_generate(&path).unwrap();
    assert_eq!(first.to_json(), second.to_json());
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::write(&path, "{\"signing\": \"s3cret\"}").unwrap();
    let error = Keys::load_or_generate(&path).err().unwrap().to_string();
    assert!(error.contains("'mac'") && !error.contains("s3cret"), "{error}");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn the_worker_gets_hashes_and_never_a_bearer_secret() {
    let keys = Keys::generate().unwrap();
    let all: String = keys.worker_secrets().iter().map(|(_, v)| v.as_str()).collect();
    for (_, secret) in keys.bearers() {
        assert!(!all.contains(secret));
        assert!(all.contains(&sha256(secret)));
    }
}

#[test]
fn what_is_generated_is_what_the_ticket_package_reads() {
    let keys = Keys::generate().unwrap();
    assert!(PrivateKeys::from_json(&keys.signing).is_ok());
    assert!(ropeline_ticket::mac::MacKeys::from_json(&keys.mac).is_ok());
}

#[test]
fn what_is_told_has_every_secret_once_and_the_advice_none() {
    let keys = Keys::generate().unwrap();
    let (told, advice) = (keys.told(), Keys::advice());
    assert_eq!(told.lines().count(), 7, "three of the Worker, four of the roles");
    for (role, secret) in keys.bearers() {
        assert!(told.contains(&format!("\n{role}={secret}\n")), "{role}");
        assert!(!advice.contains(secret));
    }
    for (name, value) in keys.worker_secrets() {
        assert!(told.contains(&format!("{name}={value}\n")) && advice.contains(&name) && !advice.contains(&value));
    }
}
