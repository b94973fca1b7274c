//! The worked verifiers of `examples/verify`, each as an engineer would start it: all must judge every vector as it is written, pick up
//! new keys, leave the waiting room in peace, and let nobody in when they know nothing.

mod jwks;
mod mint;
mod shop;
mod stack;

use std::time::{Duration, Instant};

use jwks::{Answer, JwksServer};
use mint::{between, claims, of_unknown_key, pass, pass_of};
use ropeline_e2e::{Method, World, WorldOptions, json};
use ropeline_vectors::keys::{self, first, jwks, next};
use ropeline_vectors::{AUDIENCE, EVENT, ISSUER, Judgement, Vector, committed};
use stack::{Instance, STACKS, Said, Stack, Trust};
use tokio::task::JoinSet;

/// Between two questions for the keys, with a hair's breadth for the way there.
const PAUSE: Duration = Duration::from_millis(9_900);

/// Runs `check` for every stack at once; what any of them did wrong is said for all.
async fn each<F>(stacks: &[Stack], check: fn(Stack) -> F)
where
    F: Future<Output = Vec<String>> + Send + 'static,
{
    let mut running = JoinSet::new();
    for stack in stacks.iter().copied() {
        running.spawn(async move {
            let wrong = check(stack).await;
            wrong.into_iter().map(|what| format!("{stack:?}: {what}")).collect::<Vec<_>>()
        });
    }
    let wrong = running.join_all().await.concat();
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with what was said to a vector.
fn misjudged(vector: &Vector, judgement: Judgement, said: &Said) -> Option<String> {
    let right = match judgement {
        _ if vector.may => said.lets_in() || said.refuses(),
        Judgement::Accept => {
            said.lets_in()
                && said.body["visitor"].as_str() == vector.subject.as_deref()
                && said.body["number"].as_u64() == vector.number
        }
        Judgement::Reject => said.refuses(),
    };
    (!right).then(|| format!("{:?} must be {judgement:?}: {} {}", vector.name, said.status, said.text))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stack_judges_every_vector_as_it_is_written() {
    each(&STACKS, |stack| async move {
        let server = JwksServer::start(Answer::Keys(jwks())).await;
        let instance = Instance::start(stack, &Trust::of_vectors(server.url())).await;
        let mut wrong = Vec::new();
        assert!(instance.is_ready(&pass(7)).await, "{stack:?} lets nobody in");
        for (file, vectors) in committed().expect("the vectors") {
            let known = vectors.algorithm == "ES256" || stack.knows_eddsa();
            for vector in &vectors.vectors {
                assert_eq!(
                    (vector.issuer.as_str(), vector.audience.as_str(), vector.event.as_str()),
                    (ISSUER, AUDIENCE, EVENT)
                );
                let judgement = if known { vector.judgement } else { Judgement::Reject };
                let said = instance.show(&vector.token).await;
                wrong.extend(misjudged(vector, judgement, &said).map(|what| format!("{file}: {what}")));
            }
        }
        wrong
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stack_wants_a_pass_and_gives_clocks_less_than_half_a_minute() {
    each(&STACKS, |stack| async move {
        let server = JwksServer::start(Answer::Keys(jwks())).await;
        let instance = Instance::start(stack, &Trust::of_vectors(server.url())).await;
        let mut wrong = Vec::new();
        let good = pass(7);
        assert!(instance.is_ready(&good).await, "{stack:?} lets nobody in");
        for (what, header, good) in [
            ("no pass", None, false),
            ("a pass as bearer", Some(("authorization", format!("Bearer {good}"))), true),
            ("a pass of the waiting room in front", Some(("ropeline-pass", good.clone())), true),
            ("another scheme", Some(("authorization", format!("Basic {good}"))), false),
            ("a scheme alone", Some(("authorization", "Bearer".to_owned())), false),
            ("expired 31 s ago", Some(("ropeline-pass", between(-300, -31))), false),
            ("expires in 20 s", Some(("ropeline-pass", between(-280, 20))), true),
            ("made in 31 s", Some(("ropeline-pass", between(31, 300))), false),
            ("made in 2 s", Some(("ropeline-pass", between(2, 300))), true),
        ] {
            let headers: Vec<(&str, &str)> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let said = instance.ask(Method::GET, "/checkout", &headers).await;
            if !(if good { said.lets_in() } else { said.refuses() }) {
                wrong.push(format!("{what}: {} {}", said.status, said.text));
            }
        }
        wrong
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_unknown_keys_fetch_the_key_set_once_in_ten_seconds_and_a_rotation_is_picked_up() {
    each(&STACKS, |stack| async move {
        let server = JwksServer::start(Answer::Keys(jwks())).await;
        let instance = Instance::start(stack, &Trust::of_vectors(server.url())).await;
        let mut wrong = Vec::new();
        assert!(instance.is_ready(&pass(7)).await, "{stack:?} lets nobody in");
        let began = Instant::now();
        let mut n = 0;
        while began.elapsed() < Duration::from_secs(12) {
            let tokens: Vec<String> = (n..n + 10).map(of_unknown_key).collect();
            n += 10;
            for said in futures_util::future::join_all(tokens.iter().map(|token| instance.show(token))).await {
                if !said.refuses() {
                    wrong.push(format!("an unknown key: {} {}", said.status, said.text));
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if !instance.show(&pass(8)).await.lets_in() {
            wrong.push("a good pass is refused during a flood".to_owned());
        }

        server.now_answers(Answer::Keys(json!({"keys": [next().jwk.public()]})));
        if !instance.is_ready(&pass_of(&next(), &claims(9))).await {
            wrong.push("a new key is not picked up".to_owned());
        }
        let old = instance.show(&pass(10)).await;
        if !old.refuses() {
            wrong.push(format!("a key that is published no more is trusted: {} {}", old.status, old.text));
        }
        if server.shortest_pause() < PAUSE {
            wrong.push(format!("asked {} times, twice within {:?}", server.asked(), server.shortest_pause()));
        }
        wrong
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_nobody_gets_in_and_known_keys_serve_while_the_waiting_room_is_away() {
    each(&STACKS, |stack| async move {
        let server = JwksServer::start(Answer::Silence).await;
        let instance = Instance::start(stack, &Trust::of_vectors(server.url())).await;
        let mut wrong = Vec::new();
        let began = Instant::now();
        let closed = instance.show(&pass(7)).await;
        // Envoy says of every pass that it cannot be verified, and knows no other word for it.
        let honest = closed.status == 503 || (stack == Stack::Envoy && closed.refuses());
        if !honest || began.elapsed() > Duration::from_secs(6) {
            wrong.push(format!("without keys: {} after {:?}: {}", closed.status, began.elapsed(), closed.text));
        }

        server.now_answers(Answer::Keys(jwks()));
        if !instance.is_ready(&pass(7)).await {
            wrong.push("keys that come later are not picked up".to_owned());
        }

        for answer in [Answer::Status(500), Answer::Keys(json!({"keys": []})), Answer::Keys(json!(["no set"]))] {
            server.now_answers(answer);
            let asked = server.asked();
            // Until it has asked again, and a little longer.
            let until = Instant::now() + Duration::from_secs(20);
            while server.asked() == asked && Instant::now() < until {
                if !instance.show(&of_unknown_key(0)).await.refuses() {
                    wrong.push("an unknown key gets in".to_owned());
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            let known = instance.show(&pass(7)).await;
            // Envoy forgets what it has when it is told that there are no keys: closed, too.
            let closed = stack == Stack::Envoy && known.refuses();
            if !known.lets_in() && !closed {
                wrong.push(format!("a known key is forgotten: {} {}", known.status, known.text));
            }
        }
        if server.shortest_pause() < PAUSE {
            wrong.push(format!("asked {} times, twice within {:?}", server.asked(), server.shortest_pause()));
        }
        wrong
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admission_buys_once_however_often_its_pass_is_renewed() {
    let shops: Vec<Stack> = STACKS.into_iter().filter(|stack| stack.is_a_shop()).collect();
    each(&shops, |stack| async move {
        let server = JwksServer::start(Answer::Keys(jwks())).await;
        let instance = Instance::start(stack, &Trust::of_vectors(server.url())).await;
        let mut renewed = claims(7);
        renewed["exp"] = json!(mint::now() + 600);
        let renewed = pass_of(&first(), &renewed);
        let mut wrong = Vec::new();
        assert!(instance.is_ready(&pass(7)).await, "{stack:?} lets nobody in");
        for (what, pass, status) in [
            ("first", pass(7), 201),
            ("again", pass(7), 409),
            ("renewed", renewed, 409),
            ("another admission", pass(8), 201),
        ] {
            let said = instance.buy(&pass).await;
            if said.status != status {
                wrong.push(format!("{what}: {} {}", said.status, said.text));
            }
        }
        wrong
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_of_the_real_worker_opens_every_stack_for_its_event_alone() {
    let world = World::start();
    for event in ["sale", "other"] {
        let settings = json!({"audience": AUDIENCE, "total_active_users": 10, "new_users_per_minute": 100});
        world.create(event, &settings).await;
    }
    let (admitted, elsewhere) = (world.admitted("sale").await, world.admitted("other").await);
    let (pass, other) = (admitted.pass.clone().expect("a pass"), elsewhere.pass.clone().expect("a pass"));
    let number = admitted.number();
    let ticket = admitted.ticket.clone().expect("a ticket");
    let jwks = format!("http://{}/queue/jwks.json", world.authority);
    let mut running = JoinSet::new();
    for stack in STACKS {
        let trust = Trust { issuer: world.issuer.clone(), event: "sale".to_owned(), jwks: jwks.clone() };
        let (pass, other, ticket) = (pass.clone(), other.clone(), ticket.clone());
        running.spawn(async move {
            let instance = Instance::start(stack, &trust).await;
            assert!(instance.is_ready(&pass).await, "{stack:?} lets nobody in");
            let said = instance.show(&pass).await;
            assert_eq!((said.status, said.body["number"].as_u64()), (200, Some(number)), "{stack:?}: {said:?}");
            for bad in [other, ticket] {
                let said = instance.show(&bad).await;
                assert!(said.refuses(), "{stack:?}: {said:?}");
            }
        });
    }
    running.join_all().await;
}

/// A real Worker that signs with the vectors' keys.
async fn worker_of_vectors() -> World {
    let secret = keys::private().to_secret_json();
    let world = WorldOptions::default().signing(&secret).var("ROPELINE_ISSUER", ISSUER).start();
    world.create(EVENT, &json!({"audience": AUDIENCE})).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_and_nginx_which_asks_it_judge_every_vector_as_it_is_written() {
    let world = worker_of_vectors().await;
    let nginx = Instance::nginx(&world.authority).await;
    let mut client = world.client();
    let mut wrong = Vec::new();
    for (file, vectors) in committed().expect("the vectors") {
        for vector in &vectors.vectors {
            let bearer = format!("Bearer {}", vector.token);
            let path = format!("/queue/verify?event={EVENT}");
            let answer = client.send(Method::GET, &path, &[("authorization", &bearer)], None).await.expect("an answer");
            let said = Said { status: answer.status.as_u16(), body: json!(null), text: answer.text() };
            let judged = match vector.judgement {
                Judgement::Accept => said.status == 204,
                Judgement::Reject => said.refuses(),
            };
            if !judged {
                wrong.push(format!("Worker, {file}: {:?}: {} {}", vector.name, said.status, said.text));
            }
            let said = nginx.show(&vector.token).await;
            wrong.extend(misjudged(vector, vector.judgement, &said).map(|what| format!("nginx, {file}: {what}")));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_is_closed_while_the_worker_is_away_and_passes_on_what_it_says_and_nothing_that_a_visitor_says() {
    let world = worker_of_vectors().await;
    let nginx = Instance::nginx(&world.authority).await;
    let pass = pass(7);
    let forged = [("ropeline-pass", pass.as_str()), ("ropeline-subject", "somebody-else"), ("ropeline-number", "1")];
    let said = nginx.ask(Method::GET, "/checkout", &forged).await;
    assert_eq!(said.body, json!({"visitor": "visitor-1", "number": 42}), "{said:?}");
    assert_eq!(nginx.ask(Method::GET, "/checkout", &[]).await.status, 401);
    assert_eq!(nginx.ask(Method::GET, "/_pass", &forged).await.status, 404, "it is not for visitors");
    world.stop();
    assert_eq!(nginx.show(&pass).await.status, 503);
    world.restart();
    assert!(nginx.show(&pass).await.lets_in());
}
