//! What holds of every ticket and pass, tried on many.
#![cfg(not(target_arch = "wasm32"))]

mod common;

use common::*;
use proptest::prelude::*;
use ropeline_ticket::mac::{MacKeys, mac_keys_json};
use ropeline_ticket::native::Verifier;
use ropeline_ticket::{AdmittedBy, PassClaims, TicketClaims, pass_jti};

prop_compose! {
    fn any_pass()(
        sub in "\\PC{0,128}",
        evt in "[a-z0-9-]{1,64}",
        admission in proptest::option::of((any::<u64>(), 1..=u64::MAX)),
        random in "[A-Za-z0-9_-]{22,128}",
        iat in 0..=NOW,
        lives in 1..=1_000_000_u64,
    ) -> PassClaims {
        let (num, seq) = admission.unzip();
        let jti = seq.map_or(random, |seq| pass_jti(&evt, seq));
        let adm = if seq.is_none() { Some(AdmittedBy::Passthrough) } else { None };
        let (iss, aud) = (ISSUER.to_owned(), SHOP.to_owned());
        PassClaims { iss, aud, sub, evt, num, seq, adm, iat, exp: NOW + lives, jti }
    }
}

prop_compose! {
    fn any_ticket()(
        iss in "\\PC{0,20}", aud in "\\PC{0,20}", sub in "\\PC{0,20}", evt in "\\PC{0,20}",
        num in any::<u64>(), iat in any::<u64>(), exp in any::<u64>(), jti in "\\PC{0,50}",
        com in proptest::option::of("\\PC{0,70}"), pos in proptest::option::of(any::<u64>()),
    ) -> TicketClaims {
        TicketClaims { iss, aud, sub, evt, num, com, pos, iat, exp, jti }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_signed_is_what_is_read(claims in any_pass(), kind in 0..2_usize) {
        let key = &both_kinds()[kind];
        let token = signer(key).sign_pass(&claims).unwrap();
        prop_assert!(token.len() <= 4096);
        prop_assert_eq!(verifier(&[key]).verify_pass(&token, Some(&claims.evt), NOW), Ok(claims));
    }

    #[test]
    fn a_pass_with_one_other_byte_is_refused(
        claims in any_pass(), kind in 0..2_usize, at in any::<prop::sample::Index>(), byte in 0..128_u8,
    ) {
        let key = &both_kinds()[kind];
        let mut altered = signer(key).sign_pass(&claims).unwrap().into_bytes();
        let at = at.index(altered.len());
        prop_assume!(altered[at] != byte);
        altered[at] = byte;
        let altered = String::from_utf8(altered).unwrap();
        prop_assert!(verifier(&[key]).verify_pass(&altered, None, NOW).is_err(), "{}", altered);
    }

    #[test]
    fn a_pass_with_a_byte_more_or_less_is_refused(
        claims in any_pass(), kind in 0..2_usize, at in any::<prop::sample::Index>(), insert in proptest::option::of(0..128_u8),
    ) {
        let key = &both_kinds()[kind];
        let mut altered = signer(key).sign_pass(&claims).unwrap();
        let at = at.index(altered.len());
        match insert {
            Some(byte) => altered.insert(at, char::from(byte)),
            None => { altered.remove(at); }
        }
        prop_assert!(verifier(&[key]).verify_pass(&altered, None, NOW).is_err(), "{}", altered);
    }

    #[test]
    fn no_text_makes_a_verifier_panic(text in "[A-Za-z0-9_.=-]{0,200}|\\PC{0,100}") {
        let key = &both_kinds()[0];
        prop_assert!(verifier(&[key]).verify_pass(&text, None, NOW).is_err());
    }

    #[test]
    fn the_mac_accepts_a_ticket_as_stamped_and_no_other(ticket in any_ticket(), other in any_ticket(), field in 0..9_usize) {
        let keys = MacKeys::from_json(&mac_keys_json(&[[5; 32], [6; 32]])).unwrap();
        let mut stamped = ticket;
        stamped.jti = keys.jti(&stamped);
        prop_assert!(keys.check(&stamped));
        let mut altered = stamped.clone();
        match field {
            0 => altered.iss = other.iss,
            1 => altered.aud = other.aud,
            2 => altered.sub = other.sub,
            3 => altered.evt = other.evt,
            4 => altered.num = other.num,
            5 => altered.iat = other.iat,
            6 => altered.com = other.com,
            7 => altered.pos = other.pos,
            _ => altered.exp = other.exp,
        }
        prop_assert_eq!(keys.check(&altered), altered == stamped);
    }

    #[test]
    fn a_pass_is_accepted_exactly_while_it_lives(iat in 0..100_u64, exp in 0..100_u64, now in 0..120_u64, leeway in 0..10_u64) {
        let key = &both_kinds()[1];
        let token = signer(key).sign_pass(&PassClaims { iat, exp, ..pass() }).unwrap();
        let verifier = Verifier::new(&set(&[key]).public(), ISSUER, SHOP).unwrap().with_leeway(leeway);
        prop_assert_eq!(verifier.verify_pass(&token, None, now).is_ok(), iat <= now + leeway && now < exp + leeway);
    }
}
