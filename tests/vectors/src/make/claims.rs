//! Claims that are missing, doubled, of the wrong type, or contradict each other.

use serde_json::{Value, json};

use super::{accept, passthrough, reject, saying, with, without};
use crate::keys;
use crate::{EXPIRES, Vector, good_claims};

pub(super) fn vectors() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for claim in ["iss", "aud", "sub", "evt", "num", "seq", "iat", "exp", "jti"] {
        vectors.push(reject(
            &format!("no {claim}"),
            saying(&without(good_claims(), claim)),
            "every claim of a pass is needed",
        ));
        vectors.push(reject(
            &format!("{claim} is null"),
            saying(&with(good_claims(), claim, Value::Null)),
            "null is nothing",
        ));
    }
    for (claim, value) in [
        ("sub", json!(7)),
        ("sub", json!(["visitor-1"])),
        ("jti", json!(7)),
        ("num", json!("42")),
        ("num", json!(-42)),
        ("num", json!(42.5)),
        ("num", json!(true)),
        ("seq", json!("7")),
        ("seq", json!(7.5)),
        ("exp", json!("4102444800")),
        ("exp", json!(-1)),
        ("exp", json!(true)),
        ("exp", json!(4_102_444_799.5)),
        ("exp", json!(1e30)),
        ("exp", json!({})),
        ("iat", json!("1700000000")),
        ("iat", json!(false)),
        ("iat", json!(-1)),
    ] {
        vectors.push(reject(
            &format!("{claim} is {value}"),
            saying(&with(good_claims(), claim, value.clone())),
            "of another type than the claim has",
        ));
    }
    vectors.extend(contradictions());
    vectors.extend(doubled());
    vectors.extend(no_object());
    vectors.push(accept(
        "EVT beside evt",
        saying(&with(good_claims(), "EVT", json!("other"))),
        "names are case-sensitive: it is a claim nobody knows",
    ));
    vectors.push(reject(
        "exp has 26 digits",
        signed(good_claims().to_string().replace(&EXPIRES.to_string(), &format!("1{}", "0".repeat(25)))),
        "no time that anybody could mean",
    ));
    vectors.push(Vector {
        may: true,
        ..accept(
            "adm is null",
            saying(&with(good_claims(), "adm", Value::Null)),
            "for `ticket` null is nothing, others may refuse it; the waiting room never writes it",
        )
    });
    let deep = format!(r#""later":{}{}"#, "[".repeat(1_000), "]".repeat(1_000));
    vectors.push(Vector {
        may: true,
        ..reject(
            "a claim that is a thousand lists deep",
            signed(good_claims().to_string().replacen('{', &format!("{{{deep},"), 1)),
            "how deep a reader goes is its own; it must not fall over, and nobody but the waiting room could sign it",
        )
    });
    let fraction = |text: &str| good_claims().to_string().replace(&EXPIRES.to_string(), text);
    for text in ["4102444800.0", "41024448e2"] {
        vectors.push(Vector {
            may: true,
            ..reject(
                &format!("exp is {text}"),
                signed(fraction(text)),
                "the same number in another notation, which the waiting room never writes; some languages cannot tell the two apart once it is read",
            )
        });
    }
    vectors
}

fn signed(claims: impl AsRef<[u8]>) -> String {
    let key = keys::first();
    key.token(key.header().to_string(), claims)
}

/// What says the same thing twice must agree, or a store of `jti` lets one admission in several times.
fn contradictions() -> Vec<Vector> {
    const NAME: &str = "jti must be the one name of this admission, {event}/{seq}";
    const NEITHER: &str = "a pass has a place in the line, or says that no queue was in force; never both or neither";
    let mut vectors = Vec::new();
    for jti in ["demo/8", "other/7", "demo/07", "demo/+7", "demo/7 ", "demo/7/1", "demo/", "7", ""] {
        vectors.push(reject(&format!("jti is {jti:?}"), saying(&with(good_claims(), "jti", json!(jti))), NAME));
    }
    vectors.push(reject(
        "seq is 0",
        saying(&with(with(good_claims(), "seq", json!(0)), "jti", json!("demo/0"))),
        "the first admission is 1",
    ));
    let random = passthrough()["jti"].clone();
    vectors.push(reject("a random jti on a place in the line", saying(&with(good_claims(), "jti", random)), NAME));
    vectors.push(reject(
        "a place in the line and adm",
        saying(&with(good_claims(), "adm", json!("passthrough"))),
        NEITHER,
    ));
    vectors.push(reject("passthrough without adm", saying(&without(passthrough(), "adm")), NEITHER));
    vectors.push(reject("passthrough with num", saying(&with(passthrough(), "num", json!(42))), NEITHER));
    vectors.push(reject("passthrough with seq", saying(&with(passthrough(), "seq", json!(7))), NEITHER));
    for adm in [json!("line"), json!(""), json!("Passthrough"), json!(true), json!(["passthrough"])] {
        vectors.push(reject(
            &format!("adm is {adm}"),
            saying(&with(passthrough(), "adm", adm.clone())),
            "a word that a verifier does not know lets nobody in",
        ));
    }
    for (name, jti) in [
        ("the name of an admission", "demo/7"),
        ("too short", "aaaaaaaaaaaaaaaaaaaaa"),
        ("too long", &"a".repeat(129)),
        ("of other characters", "aaaaaaaaaaaaaaaaaaaaaaa."),
    ] {
        vectors.push(reject(
            &format!("passthrough whose jti is {name}"),
            saying(&with(passthrough(), "jti", json!(jti))),
            "22 to 128 characters of A-Z a-z 0-9 - _",
        ));
    }
    vectors
}

fn doubled() -> Vec<Vector> {
    const REASON: &str = "readers differ in which of two members they take (RFC 8725 §2.4)";
    let text = good_claims().to_string();
    let before = |member: &str| text.replacen('{', &format!("{{{member},"), 1);
    let after = |member: &str| format!("{},{member}}}", text.strip_suffix('}').unwrap_or_default());
    vec![
        reject("evt twice, the last is right", signed(before(r#""evt":"other""#)), REASON),
        reject("evt twice, the first is right", signed(after(r#""evt":"other""#)), REASON),
        reject("evt twice, both are right", signed(before(r#""evt":"demo""#)), REASON),
        reject("evt twice, one of them escaped", signed(before(r#""\u0065vt":"other""#)), REASON),
        reject("exp twice", signed(before(r#""exp":1700000300"#)), REASON),
        reject("sub twice", signed(before(r#""sub":"somebody else""#)), REASON),
        accept(
            "a text that looks like members",
            saying(&with(good_claims(), "later", json!(r#"","evt":"demo","#))),
            "it is one text, and nothing is there twice",
        ),
    ]
}

fn no_object() -> Vec<Vector> {
    let text = good_claims().to_string();
    let mut vectors: Vec<Vector> = [
        ("nothing", String::new()),
        ("{}", "{}".to_owned()),
        ("null", "null".to_owned()),
        ("a number", "7".to_owned()),
        ("a text", r#""pass""#.to_owned()),
        ("a list of the claims", format!("[{text}]")),
        ("no JSON", "iss=queue".to_owned()),
        ("cut short", text[..text.len() - 1].to_owned()),
        ("two objects", format!("{text}{text}")),
        ("followed by something", format!("{text}x")),
    ]
    .into_iter()
    .map(|(name, claims)| reject(&format!("the claims are {name}"), signed(claims), "the claims are one JSON object"))
    .collect();
    let mut bytes = with(good_claims(), "sub", json!("visitor-?")).to_string().into_bytes();
    for byte in &mut bytes {
        if *byte == b'?' {
            *byte = 0xff;
        }
    }
    vectors.push(reject("the claims are not UTF-8", signed(bytes), "JSON is UTF-8 (RFC 8259 §8.1)"));
    vectors
}
