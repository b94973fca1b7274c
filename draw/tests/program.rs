//! The program from the outside, and against `verify.py`, which shares no line with it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ropeline_queue::shuffle::{Seed, commitment};
use ropeline_queue::{EventId, hex};
use ropeline_ticket::native::{Signer, generate_es256};
use ropeline_ticket::{PrivateKeys, TicketClaims};
use serde_json::{Value, json};

fn vector_seed() -> Seed {
    core::array::from_fn(|at| at as u8)
}

fn proof(event: &str, seed: &Seed, count: u64) -> Value {
    let commitment = commitment(&EventId::parse(event).unwrap(), seed);
    json!({
        "event": event, "algorithm": "ropeline-shuffle-v1", "commitment": hex::encode(&commitment),
        "seed": hex::encode(seed), "count": count, "beacon": "00".repeat(32), "cut_at": "2026-11-22T20:00:00.000Z",
    })
}

/// A file of one test, named after it.
fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn draw(proof: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ropeline-draw")).arg(proof).args(arguments).output().unwrap()
}

fn verify_py(proof: &Path, numbers: &[&str]) -> Output {
    const HOW: &str =
        "Python 3.10 or newer as python3: Debian/Ubuntu `apt install python3`, macOS `brew install python`";
    let version = Command::new("python3").args(["-c", "import sys; assert sys.version_info >= (3, 10)"]).output();
    assert!(version.is_ok_and(|version| version.status.success()), "missing on this machine: {HOW}");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify.py");
    Command::new("python3").arg(script).arg(proof).args(numbers).output().unwrap()
}

fn stdout(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    std::str::from_utf8(&output.stdout).unwrap()
}

/// Status 1 or 3, nothing on standard output, and these words on standard error.
fn refused(output: &Output, status: i32, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(status), 0), "{said}");
    assert!(said.contains(words), "{said:?} does not say {words:?}");
}

#[test]
fn the_published_vector_is_recomputed() {
    let path = file("vector.json", &proof("demo", &vector_seed(), 5).to_string());
    assert_eq!(stdout(&draw(&path, &["--all"])), "number,position\n1,3\n2,2\n3,5\n4,4\n5,1\n");
    assert_eq!(
        stdout(&draw(&path, &["--number", "3", "--number", "6", "--position", "1"])),
        "number,position\n3,5\n6,6\n5,1\n"
    );
    let checked = draw(&path, &["--check"]);
    assert_eq!(stdout(&checked), "");
    assert!(String::from_utf8_lossy(&checked.stderr).contains("8657a0f68316fa54"), "{checked:?}");
}

#[test]
fn two_programs_in_two_languages_draw_the_same() {
    for (index, count) in [0, 1, 2, 4, 5, 16, 17, 257, 1_000].into_iter().enumerate() {
        let seed: Seed = core::array::from_fn(|at| (at * 7 + index * 31) as u8);
        let path = file(&format!("both-{count}.json"), &proof(&format!("sale-{index}"), &seed, count).to_string());
        let ours = draw(&path, &["--all"]);
        assert_eq!(stdout(&ours).lines().count() as u64, count + 1);
        assert_eq!(stdout(&verify_py(&path, &[])), stdout(&ours), "N = {count}");
    }
    let numbers = ["1", "2", "999999", "1000000", "1000001"];
    let path = file("both-million.json", &proof("demo", &vector_seed(), 1_000_000).to_string());
    let asked: Vec<&str> = numbers.iter().flat_map(|number| ["--number", number]).collect();
    let ours = draw(&path, &asked);
    assert!(stdout(&ours).starts_with("number,position\n1,782556\n2,72501\n"), "{ours:?}");
    assert_eq!(stdout(&verify_py(&path, &numbers)), stdout(&ours));
}

#[test]
fn a_seed_that_was_not_committed_to_is_refused_by_both() {
    let good = proof("demo", &vector_seed(), 5);
    for (name, member, value) in [
        ("seed", "seed", json!("ff".repeat(32))),
        ("commitment", "commitment", json!("ff".repeat(32))),
        ("event", "event", json!("demo2")),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        let path = file(&format!("untrue-{name}.json"), &bad.to_string());
        for arguments in [["--check"], ["--all"]] {
            refused(&draw(&path, &arguments), 1, "the seed is NOT the one committed to");
        }
        refused(&verify_py(&path, &[]), 1, "the seed is NOT the one committed to");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let good = proof("demo", &vector_seed(), 5);
    for (member, value, words) in [
        ("seed", json!("00"), "'seed' of the proof is not 64 characters"),
        ("seed", json!("AA".repeat(32)), "'seed' of the proof is not 64 characters"),
        ("commitment", json!(7), "not the JSON of GET …/draw"),
        ("commitment", json!("x".repeat(64)), "'commitment' of the proof is not 64 characters"),
        ("event", json!("Demo"), "an event id is"),
        ("algorithm", json!("ropeline-shuffle-v2"), "'ropeline-shuffle-v2'"),
        ("beacon", json!("01".repeat(32)), "'beacon' of the proof is not zero"),
        ("count", json!(-1), "not the JSON of GET …/draw"),
        ("count", json!(1_u64 << 32), "at most 4294967295 places"),
    ] {
        let mut bad = good.clone();
        bad[member] = value;
        refused(&draw(&file("unreadable.json", &bad.to_string()), &["--check"]), 3, words);
    }
    refused(&draw(&file("no.json", "<html>"), &["--check"]), 3, "not the JSON of GET …/draw");
    refused(&draw(Path::new("/nowhere/proof.json"), &["--check"]), 3, "/nowhere/proof.json");
}

#[test]
fn a_wrong_command_line_has_a_status_of_its_own() {
    let path = file("command.json", &proof("demo", &vector_seed(), 5).to_string());
    for arguments in
        [&[][..], &["--number", "0"], &["--position", "x"], &["--all", "--check"], &["--all", "--number", "1"]]
    {
        assert_eq!(draw(&path, arguments).status.code(), Some(2), "{arguments:?}");
    }
}

fn ticket(change: impl FnOnce(&mut TicketClaims)) -> String {
    let mut claims = TicketClaims {
        iss: "https://queue.example.com".to_owned(),
        aud: "https://queue.example.com".to_owned(),
        sub: "visitor".to_owned(),
        evt: "demo".to_owned(),
        num: 3,
        com: Some("8657a0f68316fa54612b1ec60803338b13d7e25f4325e001b147b472828596ae".to_owned()),
        pos: None,
        iat: 1_795_374_000,
        exp: 1_795_377_600,
        jti: "mac".to_owned(),
    };
    change(&mut claims);
    let keys = PrivateKeys::from_keys(vec![generate_es256([1; 32])]).unwrap();
    Signer::new(&keys).unwrap().sign_ticket(&claims).unwrap()
}

#[test]
fn a_ticket_is_held_against_the_proof() {
    let path = file("ticket-proof.json", &proof("demo", &vector_seed(), 5).to_string());
    let with = |ticket: &str| draw(&path, &["--ticket", ticket]);
    let good = ticket(|_| {});
    assert_eq!(stdout(&with(&good)), "number,position\n3,5\n");
    let in_a_file = file("ticket.txt", &format!("{good}\n"));
    assert_eq!(stdout(&with(in_a_file.to_str().unwrap())), "number,position\n3,5\n");
    assert_eq!(stdout(&with(&ticket(|claims| claims.pos = Some(5)))), "number,position\n3,5\n");
    let late = ticket(|claims| (claims.num, claims.com) = (6, None));
    assert_eq!(stdout(&with(&late)), "number,position\n6,6\n");

    let exchanged = ticket(|claims| claims.com = Some("ab".repeat(32)));
    refused(&with(&exchanged), 1, "the draw is NOT the one promised");
    refused(&with(&ticket(|claims| claims.com = None)), 1, "names no commitment");
    refused(&with(&ticket(|claims| claims.pos = Some(4))), 1, "gives 5 to number 3");
    refused(&with(&ticket(|claims| claims.evt = "other".to_owned())), 1, "for the event 'other'");
    refused(&with("a.b.c"), 3, "the ticket cannot be read");
    refused(&with("/nowhere/ticket"), 3, "/nowhere/ticket");
}
