//! Signatures that are altered, of another form, or made of nothing.

use p256::ecdsa::Signature;

use super::{accept, pass_of, reject, segments, with};
use crate::keys::{self, encode};
use crate::{Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    let key = keys::first();
    let good = pass_of(&key);
    let [header, payload, _] = segments(&good);
    let input = format!("{header}.{payload}");
    let signature = key.ecdsa(input.as_bytes());
    let bytes: [u8; 64] = signature.to_bytes().into();
    let signed = |bytes: &[u8]| format!("{input}.{}", encode(bytes));
    let low = signature.normalize_s();
    let mut vectors = vec![
        accept(
            "s in its lower half",
            signed(&low.to_bytes()),
            "ECDSA has two signatures for each one made, and both are right",
        ),
        accept(
            "s in its upper half",
            signed(&upper(&low).to_bytes()),
            "allowed: RFC 7518 does not ask for one of the two, and the text of a pass is no name for an admission; jti is",
        ),
        reject("DER instead of r ‖ s", signed(&der(&bytes)), "a JWS has 64 bytes (RFC 7518 §3.4)"),
        reject("no signature", format!("{input}."), "unsigned"),
        reject("all zero", signed(&[0; 64]), "r and s are from 1 to the order less one (CVE-2022-21449)"),
        reject("r is zero", signed(&[&[0; 32], &bytes[32..]].concat()), "r is from 1 to the order less one"),
        reject("s is zero", signed(&[&bytes[..32], &[0; 32]].concat()), "s is from 1 to the order less one"),
        reject("all ones", signed(&[0xff; 64]), "r and s are from 1 to the order less one"),
        reject("r and s are the order", signed(&[ORDER, ORDER].concat()), "r and s are from 1 to the order less one"),
        reject("r and s exchanged", signed(&[&bytes[32..], &bytes[..32]].concat()), "the halves have their places"),
        reject("a byte short", signed(&bytes[..63]), "64 bytes"),
        reject("a byte long", signed(&[&bytes[..], &[0]].concat()), "64 bytes"),
        reject("a zero before r and s each", signed(&[&[0], &bytes[..32], &[0], &bytes[32..]].concat()), "64 bytes"),
        reject("twice", signed(&[bytes, bytes].concat()), "64 bytes"),
    ];
    for at in [0, 31, 32, 63] {
        let mut altered = bytes;
        altered[at] ^= 1;
        vectors.push(reject(&format!("a bit of byte {at} is turned"), signed(&altered), "another signature"));
    }
    let claims = with(good_claims(), "sub", "somebody else".into()).to_string();
    let [_, _, text] = segments(&good);
    vectors.push(reject(
        "other claims under the same signature",
        format!("{header}.{}.{text}", encode(claims)),
        "not what was signed",
    ));
    let longer = with(good_claims(), "exp", 4_102_448_400_u64.into()).to_string();
    vectors.push(reject(
        "a later exp under the same signature",
        format!("{header}.{}.{text}", encode(longer)),
        "not what was signed",
    ));
    let spaced = format!("{} ", key.header());
    vectors.push(reject(
        "another layout of the header",
        format!("{}.{payload}.{text}", encode(spaced)),
        "the same meaning, not the text that was signed",
    ));
    vectors.push(reject(
        "a signature over the claims alone",
        format!("{input}.{}", encode(key.sign(payload.as_bytes()))),
        "header and claims are signed together",
    ));
    vectors
}

/// The order of P-256's group.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The other one of the two: the order less s.
fn upper(low: &Signature) -> Signature {
    let (r, s) = low.split_scalars();
    Signature::from_scalars(r, -s).unwrap_or(*low)
}

/// `SEQUENCE { INTEGER r, INTEGER s }`, as most programs outside of JOSE write it.
fn der(signature: &[u8; 64]) -> Vec<u8> {
    let integer = |half: &[u8]| {
        let mut digits: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
        if digits.first().is_none_or(|byte| *byte >= 0x80) {
            digits.insert(0, 0);
        }
        [&[0x02, u8::try_from(digits.len()).unwrap_or(0)][..], &digits].concat()
    };
    let (r, s) = signature.split_at(32);
    let body = [integer(r), integer(s)].concat();
    [&[0x30, u8::try_from(body.len()).unwrap_or(0)][..], &body].concat()
}
