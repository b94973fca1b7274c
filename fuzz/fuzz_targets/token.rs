//! Tickets, passes and assertions. Whatever is read as a token has one text only; what verifies was signed; altered by a bit, it does not.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use ropeline_ticket::native::{Verifier, generate_ed25519, generate_es256};
use ropeline_ticket::{AssertionClaims, Claims, PassClaims, PrivateKeys, TicketClaims, assertion, jws};

/// The keys of `tests/vectors`, so that the tokens there, which are the seeds, get as far as they can.
static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let keys = vec![generate_es256([1; 32]), generate_es256([2; 32]), generate_ed25519([3; 32])];
    let keys = PrivateKeys::from_keys(keys).expect("three keys");
    Verifier::new(&keys.public(), "https://queue.example.com", "https://shop.example.com").expect("a verifier")
});

const NOW: u64 = 1_795_374_000;

fn read<C: Claims>(text: &str) {
    let Ok(token) = jws::parse(text, C::TYP) else { return };
    assert_eq!(
        jws::assemble(token.signing_input().to_owned(), token.signature()),
        text,
        "another text of the same token"
    );
    assert!(text.len() <= jws::MAX_TOKEN_LENGTH);
    let Ok(claims) = token.claims::<C>() else { return };
    // What was read can be written, and is read as the same again.
    let written = jws::signing_input(token.alg(), C::TYP, token.kid(), &claims);
    if let Ok(written) = written {
        let again = jws::assemble(written, token.signature());
        let again: C = jws::parse(&again, C::TYP).expect("our own form").claims().expect("our own claims");
        let text = |claims: &C| serde_json::to_string(claims).expect("JSON");
        assert_eq!(text(&again), text(&claims));
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    read::<TicketClaims>(text);
    read::<PassClaims>(text);
    if let Ok(token) = assertion::parse(text)
        && let Ok(claims) = token.claims::<AssertionClaims>()
        && claims.check("demo", NOW).is_ok()
    {
        assert!(claims.aud.contains(&"demo".to_owned()) && claims.exp <= claims.iat + assertion::MAX_LIFE_SECONDS);
    }
    let _ = VERIFIER.verify_ticket(text, None, NOW);
    if let Ok(pass) = VERIFIER.verify_pass(text, Some("demo"), NOW) {
        assert_eq!((pass.aud.as_str(), pass.evt.as_str()), ("https://shop.example.com", "demo"));
        assert!(pass.exp + 5 > NOW && pass.admission().is_some() != pass.is_passthrough());
        let mut altered = data.to_vec();
        altered[10] ^= 1;
        let altered = String::from_utf8(altered).expect("a bit of an ASCII letter");
        assert!(VERIFIER.verify_pass(&altered, Some("demo"), NOW).is_err());
    }
});
