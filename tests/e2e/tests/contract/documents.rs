//! What the README shows is real.

use ropeline_e2e::{json, now_ms, tokens};

use crate::call::Judged;
use crate::{enter, origin};

fn document(name: &str) -> String {
    let path = xtask::paths::root().join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn the_code_that_the_readme_gives_to_origins_verifies_passes_and_refuses_others() {
    let code = include_str!("origin.rs");
    assert!(
        document("README.md").contains(&format!("```rust\n{code}```")),
        "README.md shows other code than origin.rs"
    );
    let j = Judged::start();
    j.world.create("demo", &json!({"audience": "shop"})).await;
    let mine = enter(&j, "demo", true).await;
    let jwks = j.get("/queue/jwks.json").expect(200).await.text();
    let verifier = origin::verifier(&jwks, &j.world.issuer, "shop").expect("a verifier");
    let now_seconds = now_ms() / 1_000;
    let pass = origin::admitted(&verifier, mine.pass(), "demo", now_seconds).expect("a good pass");
    assert_eq!((pass.jti, pass.num), (mine.jti(), mine.place["number"].as_u64()));
    for (bad, event, at) in [
        (tokens::altered(mine.pass(), 2, 30), "demo", now_seconds),
        (mine.ticket.clone(), "demo", now_seconds),
        (mine.pass().to_owned(), "other", now_seconds),
        (mine.pass().to_owned(), "demo", now_seconds + 1_000),
    ] {
        assert!(origin::admitted(&verifier, &bad, event, at).is_err(), "{event} {at}");
    }
    let other = origin::verifier(&jwks, &j.world.issuer, "another-shop").expect("a verifier");
    assert!(origin::admitted(&other, mine.pass(), "demo", now_seconds).is_err());
}

#[test]
fn every_document_that_is_linked_is_there() {
    for name in [
        "README.md",
        "CHANGELOG.md",
        "docs/architecture.md",
        "docs/cli.md",
        "docs/configuration.md",
        "docs/console.md",
        "docs/incident.md",
        "docs/isolation.md",
        "docs/metrics.md",
        "docs/page.md",
        "docs/runbook.md",
    ] {
        let base = xtask::paths::root().join(name);
        let links: Vec<String> = document(name)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next().map(str::to_owned))
            .filter(|link| !link.is_empty() && !link.contains("://"))
            .collect();
        for link in links {
            let target = base.parent().expect("a directory").join(&link);
            assert!(target.exists(), "{name} links to {link}, which is not there");
        }
    }
}

#[test]
fn every_relay_setting_of_the_sample_is_documented() {
    let (sample, text) = (document("relay/ropeline-relay.sample.toml"), document("docs/configuration.md"));
    let mut section = String::new();
    let mut settings = 0;
    for line in sample.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name.to_owned();
        } else if let Some((name, _)) = line.split_once(" = ") {
            assert!(text.contains(&format!("| `{section}.{name}` |")), "{section}.{name} is not documented");
            settings += 1;
        }
    }
    assert!(settings > 10, "only {settings} settings were found");
}
