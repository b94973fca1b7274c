//! The texts of a request: URL, query, cookies, `Authorization`. Nothing is found that is not there, under its whole name; and any text
//! fits into a header and comes out of it as the same.
#![no_main]

use libfuzzer_sys::fuzz_target;

// The Worker is compiled for its runtime alone; this file of it needs none.
#[path = "../../src/http/text.rs"]
mod text;

const COOKIE: &str = "__Host-ropeline-pass-demo";

/// Whether `part` lies within `whole`, byte for byte.
fn is_part(part: &str, whole: &str) -> bool {
    whole.as_bytes().as_ptr_range().contains(&part.as_ptr()) || part.is_empty()
}

fuzz_target!(|data: &[u8]| {
    let Ok(input) = std::str::from_utf8(data) else { return };

    let (origin, path, query) = text::parts_of_url(input);
    assert!(input.starts_with(origin));
    assert!(!path.contains(['?', '#']) && (path == "/" || is_part(path, input)));
    assert!(!query.contains('#') && is_part(query, input));
    assert!(origin.len() + query.len() <= input.len());
    let host = text::host_of(origin);
    assert!(host.is_empty() || origin.ends_with(&format!("://{host}")) || origin.contains(&format!("://{host}:")));

    for parameters in [query, input] {
        if let Some(value) = text::parameter(parameters, "event") {
            assert!(!value.contains('&') && parameters.contains(&format!("event={value}")));
        }
    }
    if let Some(value) = text::cookie(input, COOKIE) {
        assert!(!value.contains(';') && input.contains(&format!("{COOKIE}={value}")));
    }
    // A name that ends or begins like ours is another one.
    for other in [format!("x{COOKIE}=1"), format!("{COOKIE}x=1"), format!("{COOKIE} =1")] {
        assert_eq!(text::cookie(&other, COOKIE), None);
    }
    if let Some(token) = text::bearer(input) {
        assert!(token == token.trim() && is_part(token, input));
        assert!(input.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer")));
    }

    let encoded = text::encoded(input);
    assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()));
    assert_eq!(decoded(&encoded).as_deref(), Some(data));
});

/// What [`text::encoded`] was made of.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part.get(2..)?.as_bytes());
    }
    Some(bytes)
}
