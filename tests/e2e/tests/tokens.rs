//! Nothing forged, altered, expired, or made for another event, audience or purpose does anything; and nothing is changed by trying.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropeline_e2e::tokens::{Forge, altered, pass_claims, ticket_claims};
use ropeline_e2e::{Answer, Method, Value, Visitor, World, assert_problem, assert_status, json, now_ms};
use ropeline_ticket::{PASS_TYP, PassClaims, TICKET_TYP, TicketClaims};

const CHANGING: [&str; 3] = ["/queue/claim", "/queue/renew", "/queue/leave"];

/// A Worker with two events: `mine` and `other`. In each, the first visitor is admitted; one slot each, so the second one waits.
struct Scene {
    world: World,
    forge: Forge,
    admitted: Visitor,
    waiting: Visitor,
    stranger: Visitor,
    elsewhere: Visitor,
    before: Value,
}

impl Scene {
    async fn new() -> Self {
        let world = World::start();
        for event in ["mine", "other"] {
            world.create(event, &json!({"total_active_users": 1})).await;
        }
        let mut admitted = world.visitor("mine");
        let mut elsewhere = world.visitor("other");
        for visitor in [&mut admitted, &mut elsewhere] {
            visitor.enter_with(&json!({"claim": true})).await.unwrap();
            assert_eq!(visitor.place["state"], "admitted", "{}", visitor.place);
        }
        let (mut waiting, mut stranger) = (world.visitor("mine"), world.visitor("mine"));
        waiting.must_enter().await;
        stranger.must_enter().await;
        let forge = Forge::of(&world.keys);
        let before = Self::counts(&world).await;
        Self { world, forge, admitted, waiting, stranger, elsewhere, before }
    }

    /// What may not change, of both events.
    async fn counts(world: &World) -> Value {
        let mut counts = Vec::new();
        for event in ["mine", "other"] {
            let stats = world.stats(event).await;
            for name in ["entered", "left", "admitted", "active", "ended", "voided", "head_seq"] {
                counts.push(stats[name].clone());
            }
        }
        Value::Array(counts)
    }

    /// A call for `mine` with this token and my key.
    async fn call(&self, method: Method, path: &str, token: &str, key: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers =
            [("authorization", bearer.as_str()), ("ropeline-visitor", key), ("content-type", "application/json")];
        if method == Method::GET {
            return self.world.raw(method, path, &headers[..2], "").await;
        }
        self.world.raw(method, path, &headers, json!({"event": "mine"}).to_string()).await
    }

    async fn change(&self, path: &str, ticket: &str) -> Answer {
        self.call(Method::POST, path, ticket, &self.waiting.key).await
    }

    async fn status(&self, ticket: &str) -> Answer {
        self.call(Method::GET, "/queue/status?event=mine", ticket, &self.waiting.key).await
    }

    async fn verify(&self, pass: &str) -> Answer {
        let bearer = format!("Bearer {pass}");
        self.world.raw(Method::GET, "/queue/verify?event=mine", &[("authorization", &bearer)], "").await
    }

    /// The same problem wherever a ticket is shown.
    async fn refuses_ticket(&self, what: &str, ticket: &str, status: u16, slug: &str) {
        println!("{what}: {slug}");
        assert_problem(&self.status(ticket).await, status, slug);
        for path in CHANGING {
            assert_problem(&self.change(path, ticket).await, status, slug);
        }
    }

    async fn refuses_pass(&self, what: &str, pass: &str, status: u16, slug: &str) {
        println!("{what}: {slug}");
        assert_problem(&self.verify(pass).await, status, slug);
        // Beside a good ticket in its cookie, a bad pass is no pass: nobody is admitted by it.
        let cookie = format!("ropeline-pass-mine={pass}");
        let ticket = format!("Bearer {}", self.waiting.ticket.as_deref().unwrap());
        let headers = [("authorization", ticket.as_str()), ("cookie", cookie.as_str())];
        let answer = self.world.raw(Method::GET, "/queue/status?event=mine", &headers, "").await;
        assert_status(&answer, 200);
        assert_ne!(answer.json()["state"], "admitted", "{what}: {}", answer.text());
    }

    /// After all that: every place and the session are as they were.
    async fn nothing_has_changed(mut self) {
        assert_eq!(Self::counts(&self.world).await, self.before);
        for visitor in [&mut self.waiting, &mut self.stranger] {
            let number = visitor.number();
            assert_status(&visitor.enter().await.unwrap(), 200);
            assert_eq!(visitor.number(), number);
            assert!(matches!(visitor.place["state"].as_str(), Some("waiting" | "called")), "{}", visitor.place);
        }
        for visitor in [&mut self.admitted, &mut self.elsewhere] {
            let pass = pass_claims(visitor.pass.as_deref().unwrap());
            assert_status(&visitor.claim().await.unwrap(), 200);
            assert_eq!(pass_claims(visitor.pass.as_deref().unwrap()).jti, pass.jti);
            assert_eq!(visitor.place["session_expires_at"].as_str().map(str::len), Some(24));
        }
    }

    fn my_ticket(&self) -> TicketClaims {
        ticket_claims(self.waiting.ticket.as_deref().unwrap())
    }

    fn my_pass(&self) -> PassClaims {
        pass_claims(self.admitted.pass.as_deref().unwrap())
    }
}

/// A token with this header, and a signature that is none.
fn unsigned(header: &Value, claims: &impl serde::Serialize, signature: &[u8]) -> String {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let claims = part(serde_json::to_string(claims).unwrap());
    format!("{}.{claims}.{}", part(header.to_string()), URL_SAFE_NO_PAD.encode(signature))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_good_only_with_its_visitors_key() {
    let scene = Scene::new().await;
    let others = scene.stranger.ticket.clone().unwrap();
    for path in CHANGING {
        assert_problem(&scene.change(path, &others).await, 403, "visitor-mismatch");
        let bearer = format!("Bearer {others}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer = scene.world.raw(Method::POST, path, &headers, json!({"event": "mine"}).to_string()).await;
        assert_problem(&answer, 401, "visitor-missing");
        let headers = [("ropeline-visitor", scene.waiting.key.as_str()), headers[1]];
        let answer = scene.world.raw(Method::POST, path, &headers, json!({"event": "mine"}).to_string()).await;
        assert_problem(&answer, 401, "ticket-missing");
    }
    let answer = scene.world.raw(Method::GET, "/queue/status?event=mine", &[], "").await;
    assert_problem(&answer, 401, "ticket-missing");
    let answer = scene.world.raw(Method::GET, "/queue/verify?event=mine", &[], "").await;
    assert_problem(&answer, 401, "ticket-missing");
    // A ticket alone tells where its place is, and never more: no pass, no new ticket for another visitor.
    let told = scene.status(&others).await.json();
    assert_eq!(told["number"], scene.stranger.number());
    assert!(told.get("pass").is_none() && told.get("ticket").is_none(), "{told}");
    scene.nothing_has_changed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_altered_ticket_or_pass_is_refused_wherever_a_character_was_changed() {
    let scene = Scene::new().await;
    let ticket = scene.waiting.ticket.clone().unwrap();
    let lengths: Vec<usize> = ticket.split('.').map(str::len).collect();
    for (part, length) in lengths.iter().enumerate() {
        for at in (0..*length).step_by(length / 7).chain([length - 1]) {
            let forged = altered(&ticket, part, at);
            for path in CHANGING {
                assert_problem(&scene.change(path, &forged).await, 401, "ticket-invalid");
            }
            let status = scene.status(&forged).await;
            // A poll believes the MAC over the claims: what it tells is about the true place, or nothing.
            if part != 1 && status.status == 200 {
                assert_eq!(status.json()["number"], scene.waiting.number());
            } else {
                assert_problem(&status, 401, "ticket-invalid");
            }
        }
    }
    let pass = scene.admitted.pass.clone().unwrap();
    let lengths: Vec<usize> = pass.split('.').map(str::len).collect();
    assert_status(&scene.verify(&pass).await, 204);
    for (part, length) in lengths.iter().enumerate() {
        for at in (0..*length).step_by(length / 7).chain([length - 1]) {
            let what = format!("character {at} of part {part}");
            scene.refuses_pass(&what, &altered(&pass, part, at), 401, "ticket-invalid").await;
        }
    }
    for broken in ["x", "..", "a.b.c", &ticket[..ticket.len() - 1], &format!("{ticket}A"), &format!("{ticket}.A")] {
        scene.refuses_ticket("broken", broken, 401, "ticket-invalid").await;
        scene.refuses_pass("broken", broken, 401, "ticket-invalid").await;
    }
    scene.nothing_has_changed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_says_the_wrong_thing_is_refused_even_if_rightly_signed() {
    let scene = Scene::new().await;
    let (mine, now) = (scene.my_ticket(), now_ms() / 1_000);
    let ticket = |claims: TicketClaims| scene.forge.ticket(&claims);
    let issuer = scene.world.issuer.clone();

    let expired = ticket(TicketClaims { iat: now - 7_200, exp: now - 60, ..mine.clone() });
    scene.refuses_ticket("expired", &expired, 401, "ticket-expired").await;
    let early = ticket(TicketClaims { iat: now + 3_600, exp: now + 7_200, ..mine.clone() });
    scene.refuses_ticket("from the future", &early, 401, "ticket-invalid").await;
    let elsewhere = scene.elsewhere.ticket.clone().unwrap();
    scene.refuses_ticket("another event's", &elsewhere, 403, "wrong-event").await;
    let renamed = ticket(TicketClaims { evt: "other".to_owned(), ..mine.clone() });
    scene.refuses_ticket("mine, made out to another event", &renamed, 403, "wrong-event").await;
    for (what, aud) in [("the shop's", "mine".to_owned()), ("another issuer's", format!("{issuer}/x"))] {
        let forged = ticket(TicketClaims { aud, ..mine.clone() });
        scene.refuses_ticket(what, &forged, 401, "ticket-invalid").await;
    }
    let forged = ticket(TicketClaims { iss: "https://queue.example.org".to_owned(), ..mine.clone() });
    scene.refuses_ticket("another issuer", &forged, 401, "ticket-invalid").await;

    let pass = scene.admitted.pass.clone().unwrap();
    scene.refuses_ticket("a pass as ticket", &pass, 401, "ticket-invalid").await;
    let as_pass = scene.forge.signed(PASS_TYP, &mine);
    scene.refuses_ticket("a ticket with the type of a pass", &as_pass, 401, "ticket-invalid").await;
    let untyped = scene.forge.signed("JWT", &mine);
    scene.refuses_ticket("a ticket without its type", &untyped, 401, "ticket-invalid").await;

    // A place that was never given, and somebody else's number under my name: rightly signed, and yet no place of mine.
    for num in [scene.stranger.number(), 4_711] {
        let forged = ticket(TicketClaims { num, ..mine.clone() });
        for path in ["/queue/claim", "/queue/renew"] {
            assert_problem(&scene.change(path, &forged).await, 410, "place-left");
        }
        assert_status(&scene.change("/queue/leave", &forged).await, 204);
    }
    scene.nothing_has_changed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_or_pass_of_a_foreign_key_or_no_key_is_refused() {
    let scene = Scene::new().await;
    let (ticket, pass) = (scene.my_ticket(), scene.my_pass());
    let foreign = Forge::foreign();
    scene.refuses_ticket("a foreign key's", &foreign.ticket(&ticket), 401, "ticket-invalid").await;
    scene.refuses_pass("a foreign key's", &foreign.pass(&pass), 401, "ticket-invalid").await;
    let kid = scene.world.raw(Method::GET, "/queue/jwks.json", &[], "").await.json()["keys"][0]["kid"].clone();
    for alg in ["none", "HS256", "EdDSA", "ES256"] {
        for signature in [&[][..], &[0; 64][..], &[7; 32][..]] {
            let header = |typ: &str| json!({"alg": alg, "typ": typ, "kid": kid});
            // The jti is a wrong one: the MAC must not be believed either.
            let claims = TicketClaims { jti: "A".repeat(43), ..ticket.clone() };
            scene.refuses_ticket(alg, &unsigned(&header(TICKET_TYP), &claims, signature), 401, "ticket-invalid").await;
            scene.refuses_pass(alg, &unsigned(&header(PASS_TYP), &pass, signature), 401, "ticket-invalid").await;
        }
    }
    scene.nothing_has_changed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_that_says_the_wrong_thing_is_refused_even_if_rightly_signed() {
    let scene = Scene::new().await;
    let (mine, now) = (scene.my_pass(), now_ms() / 1_000);
    let pass = |claims: PassClaims| scene.forge.pass(&claims);
    assert_status(&scene.verify(&pass(mine.clone())).await, 204);

    let expired = pass(PassClaims { iat: now - 600, exp: now - 60, ..mine.clone() });
    scene.refuses_pass("expired", &expired, 401, "ticket-expired").await;
    let early = pass(PassClaims { iat: now + 3_600, exp: now + 7_200, ..mine.clone() });
    scene.refuses_pass("from the future", &early, 401, "ticket-invalid").await;
    let elsewhere = scene.elsewhere.pass.clone().unwrap();
    scene.refuses_pass("another event's", &elsewhere, 403, "wrong-event").await;
    let aimed = pass(PassClaims { aud: "other".to_owned(), ..mine.clone() });
    scene.refuses_pass("for another audience", &aimed, 401, "ticket-invalid").await;
    let issued = pass(PassClaims { iss: "https://queue.example.org".to_owned(), ..mine.clone() });
    scene.refuses_pass("of another issuer", &issued, 401, "ticket-invalid").await;
    let twisted = pass(PassClaims { jti: "mine/2".to_owned(), ..mine.clone() });
    scene.refuses_pass("whose jti is another admission's", &twisted, 401, "ticket-invalid").await;
    let ticket = scene.waiting.ticket.clone().unwrap();
    scene.refuses_pass("a ticket as pass", &ticket, 401, "ticket-invalid").await;
    let as_ticket = scene.forge.signed(TICKET_TYP, &mine);
    scene.refuses_pass("a pass with the type of a ticket", &as_ticket, 401, "ticket-invalid").await;

    // `verify` is for gateways: whatever is wrong, it is 401 or 403.
    let bearer = format!("Bearer {}", scene.admitted.pass.as_deref().unwrap());
    for event in ["other", "unknown", "NOT%20AN%20ID", ""] {
        let path = format!("/queue/verify?event={event}");
        let answer = scene.world.raw(Method::GET, &path, &[("authorization", &bearer)], "").await;
        assert!(matches!(answer.status.as_u16(), 401 | 403), "{event:?}: {}", answer.status);
    }
    scene.nothing_has_changed().await;
}
