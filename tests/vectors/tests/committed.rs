//! The committed vectors are what the generator makes, and tell a complete story.

use std::collections::BTreeSet;

use ropeline_vectors::{Judgement, committed, texts};

#[test]
fn the_committed_files_are_what_the_generator_makes() {
    for (path, text) in texts().unwrap() {
        assert_eq!(
            ropeline_vectors::read(&path).unwrap(),
            text,
            "{} differs: `cargo run -p ropeline-vectors` writes it; look at the difference before you commit it",
            path.display()
        );
    }
}

#[test]
fn every_vector_has_a_name_of_its_own_and_a_reason() {
    let mut names = BTreeSet::new();
    for (file, vectors) in committed().unwrap() {
        for vector in vectors.vectors {
            assert!(!vector.reason.is_empty() && !vector.name.is_empty(), "{vector:?}");
            assert!(names.insert(vector.name.clone()), "{file}: {} is there twice", vector.name);
        }
    }
    assert!(names.len() > 200, "{}", names.len());
}

/// Or a verifier that refuses everything would pass.
#[test]
fn no_two_vectors_are_the_same_token_and_the_good_ones_are_many() {
    let all: Vec<_> = committed().unwrap().into_iter().flat_map(|(_, file)| file.vectors).collect();
    let accepted: BTreeSet<&str> =
        all.iter().filter(|vector| vector.judgement == Judgement::Accept).map(|vector| vector.token.as_str()).collect();
    assert!(accepted.len() > 10, "{}", accepted.len());
    for vector in all.iter().filter(|vector| vector.judgement == Judgement::Reject) {
        assert!(!accepted.contains(vector.token.as_str()), "{vector:?}");
    }
}

/// A header can carry every one of them, as RFC 9110 §5.5 has it: the stacks are asked over HTTP.
#[test]
fn every_token_can_be_sent_in_a_header() {
    for (file, vectors) in committed().unwrap() {
        for vector in vectors.vectors {
            assert!(vector.token.bytes().all(|byte| (0x21..0x7f).contains(&byte)), "{file}: {}", vector.name);
        }
    }
}
