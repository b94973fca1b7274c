//! Brands as operators write them, and what is wrong with some.

use serde_json::json;

use super::*;
use crate::json;

const LOGO: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg==";

fn with(body: &Value) -> Result<Brand, (String, String)> {
    Brand::default().with(body.as_object().unwrap())
}

fn colour(text: &str) -> Colour {
    Colour::parse(text).unwrap()
}

#[test]
fn contrast_is_that_of_wcag() {
    for (a, b, ratio) in [
        ("#ffffff", "#000000", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.00),
        ("#0000ff", "#000000", 2.44),
        ("#0a0a0a", "#ffffff", 19.80),
        ("#0b0b0b", "#ffffff", 19.68),
    ] {
        let (one, other) = (colour(a).contrast(colour(b)), colour(b).contrast(colour(a)));
        assert!((one - ratio).abs() < 0.01 && one.to_bits() == other.to_bits(), "{a} {b}: {one}");
    }
}

#[test]
fn an_accent_that_cannot_be_read_is_refused_with_its_ratio() {
    for (part, bad, ratio, hint) in [
        ("accent", "#ffd400", "1.4", ["the light look's #ffffff", "take a darker one"]),
        ("accent", "#777777", "4.47", ["the light look's #ffffff", "take a darker one"]),
        ("accent_dark", "#0b1730", "1.0", ["the dark look's", "take a lighter one"]),
        ("accent_dark", "#2350d8", "2.", ["the dark look's", "take a lighter one"]),
    ] {
        let (named, expected) = with(&json!({ part: bad })).unwrap_err();
        assert_eq!(named, format!("brand.{part}"));
        assert!(expected.contains(bad) && expected.contains(&format!("contrast of {ratio}")), "{expected}");
        assert!(expected.contains("needs 4.5:1") && hint.iter().all(|hint| expected.contains(hint)), "{expected}");
    }
    with(&json!({"accent": "#767676", "accent_dark": "#FFD400"})).unwrap();
}

#[test]
fn whatever_the_accent_its_dark_look_can_be_read() {
    // The first of sixteen even steps to white that can be read.
    for (accent, lightened) in [
        ("#2350d8", "#6786e4"),
        ("#b3261e", "#ca6964"),
        ("#000000", "#8f8f8f"),
        ("#0a5c36", "#659981"),
        ("#4a148c", "#997abe"),
        ("#767676", "#878787"),
    ] {
        let brand = with(&json!({ "accent": accent })).unwrap();
        let [light, dark] = brand.accents().map(Option::unwrap);
        assert_eq!((light, dark), (colour(accent), colour(lightened)), "{accent} became {dark}");
        assert_eq!((light.too_close(0), dark.too_close(1)), (None, None), "{accent} became {dark}");
    }
    let own = with(&json!({"accent": "#2350d8", "accent_dark": "#ffd400"})).unwrap();
    assert_eq!(own.accents()[1], Some(colour("#ffd400")), "the operator's own is taken as it is");
    assert_eq!(Brand::default().accents(), [None, None]);
}

#[test]
fn a_part_of_a_brand_can_be_changed_alone_and_taken_back() {
    let link = json!({"url": "https://shop.example/help?from=line", "text": "Help"});
    let whole = with(&json!({"accent": "#B3261E", "logo": LOGO, "logo_alt": "Aurora", "link": link})).unwrap();
    let change = |body: Value| whole.clone().with(body.as_object().unwrap()).unwrap();
    assert_eq!(
        change(json!({"logo": null, "logo_alt": null})),
        Brand { logo: None, logo_alt: String::new(), ..whole.clone() }
    );
    assert_eq!(change(json!({"link": {"text": "?"}})).link.unwrap().url, "https://shop.example/help?from=line");
    assert_eq!(change(json!({"link": null})).link, None);
    assert_eq!(change(json!({"accent": null})).accents(), [None, None]);
    let stored = json::write(&whole);
    assert!(stored.contains("\"accent\":\"#b3261e\""), "{stored}");
    assert_eq!(json::read::<Brand>(&stored), Ok(whole));
}

#[test]
fn what_is_wrong_with_a_brand_is_said_by_its_part() {
    let link = |url: &str, text: &str| json!({"link": {"url": url, "text": text}});
    let logo = |data: &str| json!({ "logo": data });
    let long = format!("data:image/png;base64,iVBORw0KGgo{}", "A".repeat(LONGEST_LOGO));
    for (part, body) in [
        ("accent", json!({"accent": "2350d8"})),
        ("accent", json!({"accent": "#2350d"})),
        ("accent", json!({"accent": "#2350d8ff"})),
        ("accent", json!({"accent": "#+2+3+4"})),
        ("accent", json!({"accent": "#é350d"})),
        ("accent", json!({"accent": "red; } body { display: none"})),
        ("accent", json!({"accent": 7})),
        ("logo", logo("https://cdn.example/logo.png")),
        ("logo", logo("data:image/gif;base64,R0lGODlh")),
        ("logo", logo("data:text/html;base64,PHN2Zy==")),
        ("logo", logo("data:image/svg+xml,<svg/>")),
        ("logo", logo("data:image/png;base64,PHN2Zy==")),
        ("logo", logo("data:image/svg+xml;base64,PHN2Zy=")),
        ("logo", logo("data:image/svg+xml;base64,PHN2ZyAAA===")),
        ("logo", logo("data:image/svg+xml;base64,PHN2Zy\" onload=\"x")),
        ("logo", logo(&long)),
        ("logo", json!({"logo": 7})),
        ("logo_alt", json!({"logo_alt": "x".repeat(201)})),
        ("logo_alt", json!({"logo_alt": "two\nlines"})),
        ("link", json!({"link": "https://shop.example"})),
        ("link.url", link("http://shop.example/", "Shop")),
        ("link.url", link("javascript:alert(1)", "Shop")),
        ("link.url", link("https://user@shop.example/", "Shop")),
        ("link.url", json!({"link": {"text": "Shop"}})),
        ("link.text", link("https://shop.example/", "")),
        ("link.text", json!({"link": {"url": "https://shop.example/"}})),
        ("link.title", json!({"link": {"url": "https://shop.example/", "text": "a", "title": "b"}})),
        ("font", json!({"font": "Comic Sans"})),
    ] {
        let (named, expected) = with(&body).unwrap_err();
        assert_eq!(named, format!("brand.{part}"), "{body}");
        assert!(!expected.is_empty());
    }
    let png = |characters: usize| format!("{:A<characters$}", "data:image/png;base64,iVBORw0KGgo");
    let refused = |characters: usize| with(&logo(&png(characters))).unwrap_err().1;
    assert!(refused(8_192).starts_with("null or a picture"), "that is not base64");
    assert!(refused(8_193).starts_with("at most 8192 characters; it has 8193"), "{}", refused(8_193));
    let longest = png(8_190);
    for good in [
        LOGO,
        &longest,
        "data:image/webp;base64,UklGRiQA",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:image/svg+xml;base64,PD94bWwg",
    ] {
        with(&logo(good)).unwrap_or_else(|error| panic!("{good}: {error:?}"));
    }
}
