//! The line cannot be asked: closed, unless the event says otherwise; and the glass that can be broken.

use ropeline_e2e::faults::{Fault, Rule};
use ropeline_e2e::tokens::pass_claims;
use ropeline_e2e::{Method, WorldOptions, assert_problem, json};

use crate::{Browser, EVENT, HOST, gated, inside};

#[tokio::test]
async fn when_unsure_the_gate_is_closed_for_who_has_no_pass() {
    let (world, shop) = gated(WorldOptions::default().faults(), json!({})).await;
    let mut known = inside(&world, &shop).await;
    world.fault(Rule::lane("enter", Fault::OVERLOADED)).await;
    let page = Browser::default().go(&world, "/checkout").await;
    assert_eq!(page.status.as_u16(), 503);
    assert!(page.text().contains("data-gate=\"true\"") && page.header("retry-after").is_some());
    assert!(shop.take().is_empty());
    // A pass is verified without asking anybody.
    assert_eq!(known.go(&world, "/checkout").await.status, 200);
    assert_eq!(shop.take().len(), 1);
}

#[tokio::test]
async fn an_event_may_say_that_it_is_open_when_unsure() {
    let gate = json!({"hosts": [HOST], "when_unsure": "open"});
    let (world, shop) = gated(WorldOptions::default().faults(), json!({"gate": gate})).await;
    world.fault(Rule::lane("enter", Fault::OVERLOADED).times(2)).await;
    assert_eq!(Browser::default().go(&world, "/checkout").await.status, 200);
    assert_eq!(shop.only().header("ropeline-pass"), None);
    // The operator is told, and the visitor comes by whatever becomes of that.
    let point = json!({"indexes": [EVENT], "blobs": ["gate_open"], "doubles": [1]});
    assert_eq!(world.alerts(true).await, [point]);
    assert_eq!(Browser::default().go(&world, "/checkout").await.status, 200);
    shop.take();
    assert_eq!(world.alerts(false).await.len(), 2);
    // Being full is not being unsure.
    world.forget_faults().await;
    world.patch(EVENT, &json!({"queue_all": true})).await;
    Browser::default().go(&world, "/checkout").await;
    assert!(shop.take().is_empty());
    assert_eq!(world.alerts(false).await.len(), 2);
}

#[tokio::test]
async fn a_bypassed_event_lets_everybody_by_even_when_its_line_is_down() {
    for bypass in ["sale", "other, sale", "*"] {
        let options = WorldOptions::default().faults().var("ROPELINE_BYPASS", bypass);
        let (world, shop) = gated(options, json!({"queue_all": true})).await;
        for command in ["enter", "board"] {
            world.fault(Rule::lane(command, Fault::OVERLOADED)).await;
        }
        let answer = world.raw(Method::POST, "/orders", &[], "x").await;
        assert_eq!(answer.status.as_u16(), 200, "{bypass}");
        let pass = pass_claims(shop.only().header("ropeline-pass").expect("a pass"));
        assert!(pass.adm.is_some() && pass.seq.is_none(), "{pass:?}");
    }
    let options = WorldOptions::default().var("ROPELINE_BYPASS", "other");
    let (world, shop) = gated(options, json!({"queue_all": true})).await;
    world.raw(Method::POST, "/orders", &[], "x").await;
    assert!(shop.take().is_empty());
}

#[tokio::test]
async fn a_shop_that_does_not_answer_is_said_to_be_so() {
    let world = WorldOptions::default().shop(1).start();
    world.create(EVENT, &json!({"gate": {"hosts": [HOST]}})).await;
    assert_problem(&Browser::default().go(&world, "/").await, 502, "bad-gateway");
}
