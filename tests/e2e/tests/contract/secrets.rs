//! Secrets never appear in what the runtime writes, whatever is done with them.

use ropeline_e2e::{Method, Role, json, new_key, tokens};

use crate::call::Judged;
use crate::enter;

#[tokio::test]
async fn no_secret_is_ever_logged() {
    let j = Judged::start();
    j.world.create("demo", &json!({})).await;
    let mine = enter(&j, "demo", true).await;
    let mut secrets = vec![mine.key.clone(), mine.ticket.clone(), mine.pass().to_owned()];
    let post = |path: &str, ticket: &str, key: &str| j.post(path).bearer(ticket).header("ropeline-visitor", key);
    for path in ["/queue/claim", "/queue/renew"] {
        post(path, &mine.ticket, &mine.key).expect(200).await;
    }
    // Refused ones are secrets of somebody, too.
    let wrong_key = new_key();
    post("/queue/claim", &mine.ticket, &wrong_key).expect(403).await;
    let altered = tokens::altered(&mine.ticket, 2, 5);
    post("/queue/claim", &altered, &mine.key).expect(401).await;
    j.get("/queue/verify?event=demo").bearer(mine.pass()).expect(204).await;
    j.call(Method::GET, "/queue/admin/events").bearer("wrong-secret-of-an-operator").expect(401).await;
    let page = j.get("/queue/events/demo/wait").expect(200).await;
    let made = page.header("set-cookie").and_then(|cookie| cookie.split(['=', ';']).nth(1)).expect("a key").to_owned();
    j.world.complete("demo", &mine.jti()).await;
    j.get("/queue/relay/events").role(Role::Relay).expect(200).await;
    // A restart, so that what is read back from storage is logged if anything is.
    j.world.kill9();
    j.world.restart();
    post("/queue/claim", &mine.ticket, &mine.key).problem(410, "session-ended").await;

    secrets.extend([wrong_key, altered, made, "wrong-secret-of-an-operator".to_owned()]);
    secrets.extend([Role::Admin, Role::Origin, Role::Relay, Role::Metrics].map(|role| j.world.secret(role).to_owned()));
    for keys in [&j.world.keys.signing, &j.world.keys.mac] {
        let set: ropeline_e2e::Value = serde_json::from_str(keys).expect("a key set");
        let parts = ["d", "k"].into_iter().filter_map(|name| set["keys"][0][name].as_str().map(str::to_owned));
        secrets.extend(parts);
    }
    let log = std::fs::read_to_string(j.world.dir.join("state/logs/workerd.log")).expect("the runtime's log");
    assert!(log.contains("\"trace\":\"exchange\""), "the log is the one that is written to");
    for secret in secrets {
        assert!(secret.len() >= 20, "{secret}");
        assert!(!log.contains(&secret), "a secret is in the log: {secret}");
        // Nor the signature of a token, which is as good as the rest of it.
        let signature = secret.rsplit('.').next().unwrap_or(&secret);
        assert!(!log.contains(signature), "a signature is in the log: {signature}");
    }
}
