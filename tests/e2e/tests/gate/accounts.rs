//! An event of accounts behind the gate: the shop's assertion is a cookie of the shop's own.

use std::time::Duration;

use ropeline_e2e::tokens::pass_claims;
use ropeline_e2e::voucher::Voucher;
use ropeline_e2e::{Value, WorldOptions, json};
use ropeline_ticket::native::generate_es256;

use crate::{Browser, EVENT, gated};

fn settings(voucher: &Voucher, more: &[(&str, Value)]) -> Value {
    let mut settings = voucher.settings();
    for (name, value) in more {
        settings[*name] = value.clone();
    }
    settings
}

#[tokio::test]
async fn who_is_signed_in_comes_through_as_that_account_and_stays_it() {
    let voucher = Voucher::new(generate_es256([1; 32]));
    let more = [("session_duration_seconds", json!(10))];
    let (world, shop) = gated(WorldOptions::default(), settings(&voucher, &more)).await;
    let mut browser = Browser::default();
    let page = browser.go(&world, "/").await;
    assert!(page.text().contains("data-accounts=\"yes\""), "{}", page.text());
    assert_eq!((world.stats(EVENT).await["entered"].clone(), browser.jar.len()), (json!(0), 0), "{:?}", browser.jar);
    assert!(shop.take().is_empty());

    browser.jar.push(("ropeline-assertion-sale".to_owned(), voucher.vouches(EVENT, "customer-7")));
    browser.go(&world, "/").await;
    let first = pass_claims(shop.only().header("ropeline-pass").expect("a pass"));
    assert_eq!((first.sub.as_str(), first.num), ("customer-7", Some(1)));
    tokio::time::sleep(Duration::from_secs(6)).await;
    browser.go(&world, "/later").await;
    let renewed = pass_claims(shop.only().header("ropeline-pass").expect("a pass"));
    assert_eq!((&renewed.sub, &renewed.jti), (&first.sub, &first.jti));
    assert!(renewed.exp > first.exp);
}

#[tokio::test]
async fn where_everybody_passes_nobody_has_to_sign_in() {
    let voucher = Voucher::new(generate_es256([1; 32]));
    let (world, shop) = gated(WorldOptions::default(), settings(&voucher, &[("suspended", json!(true))])).await;
    Browser::default().go(&world, "/").await;
    assert!(pass_claims(shop.only().header("ropeline-pass").expect("a pass")).is_passthrough());
}
