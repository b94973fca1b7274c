//! A load scenario by the operator's hand: where it goes, where it does not, and what it says.

use ropeline_e2e::{World, json};
use xtask::tools;
use xtask::ui::Ui;

use crate::Cli;

const FEW: [&str; 6] = ["--set", "RATE=5", "--set", "SECONDS=3", "--set", "VISITORS=20"];

async fn load(cli: &Cli, event: &str, more: &[&str]) -> crate::Said {
    let k6 = tools::k6::ensure(&Ui::quiet()).unwrap_or_else(|error| panic!("{error:#}")).display().to_string();
    cli.run(&[&["load", "steady", event, "--k6", &k6][..], &FEW, more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_to_rehearsals_and_says_whether_all_held() {
    let world = World::start();
    world.create("rehearsal", &json!({"test": true})).await;
    let cli = Cli::of(&world);
    let said = load(&cli, "rehearsal", &["--yes", "--json"]).await.ends(0).json();
    let places = said["places"].as_u64().expect("a count");
    assert!(places >= 10 && said["holds"] == true, "{said}");
    assert_eq!(said["metrics"]["ropeline_entered"]["count"], places);
    assert_eq!(world.stats("rehearsal").await["entered"], places);
    let slow =
        load(&cli, "rehearsal", &["--set", "SLOWEST_MS=1", "--set", "P95_MS=1", "--set", "P99_MS=1", "--yes"]).await;
    slow.ends(1).complains(&["a gate was crossed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_meant_is_not_sent() {
    let world = World::start();
    world.create("sale", &json!({})).await;
    world.create("rehearsal", &json!({"test": true})).await;
    let cli = Cli::of(&world);
    load(&cli, "sale", &["--yes"]).await.ends(2).complains(&["'sale' is no rehearsal", "--not-a-rehearsal"]);
    load(&cli, "rehearsal", &[]).await.ends(2).complains(&["give --yes"]);
    load(&cli, "nobody-made-it", &["--yes"]).await.ends(3);
    let none = ["load", "steady", "rehearsal", "--yes", "--k6", "/nowhere/k6"];
    cli.run(&none).await.ends(1).complains(&["cannot start /nowhere/k6", "go install go.k6.io/k6"]);
    let wrong = load(&cli, "rehearsal", &["--set", "PATIENCE=soon", "--yes"]).await.ends(1);
    wrong.complains(&["PATIENCE=soon: must be a whole number"]);
    for event in ["sale", "rehearsal"] {
        assert_eq!(world.stats(event).await["entered"], 0, "{event}");
    }
    load(&cli, "sale", &["--yes", "--not-a-rehearsal"]).await.ends(0).says(&["places were given, in order"]);
}
