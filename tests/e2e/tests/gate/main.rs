//! The gate in front of a shop, on the real runtime: who gets to the shop, with what, and who waits where.
//!
//! * `accounts`: who is signed in at the shop, where an event asks for that.
//! * `through`: what those with a pass find unchanged.
//! * `tricks`: every way around that has a name.
//! * `unsure`: the line cannot be asked; break-glass.

mod accounts;
mod shop;
mod through;
mod tricks;
mod unsure;
mod waiting;

use ropeline_e2e::{Answer, Method, Value, World, WorldOptions, json};

use self::shop::Shop;

const EVENT: &str = "sale";
/// As the tests' client names it.
const HOST: &str = "127.0.0.1";

/// A shop, and a Worker before it with one event whose settings are `more`.
async fn gated(options: WorldOptions, more: Value) -> (World, Shop) {
    let shop = Shop::start().await;
    let world = options.shop(shop.port).start();
    let mut settings = json!({"gate": {"hosts": [HOST], "open_paths": ["/healthz", "/static/*"]}});
    if let (Some(settings), Value::Object(more)) = (settings.as_object_mut(), more) {
        settings.extend(more);
    }
    world.create(EVENT, &settings).await;
    (world, shop)
}

/// A browser with a jar of its own.
#[derive(Default)]
struct Browser {
    jar: Vec<(String, String)>,
}

impl Browser {
    fn cookie(&self, name: &str) -> Option<&str> {
        self.jar.iter().find(|(kept, _)| kept == name).map(|(_, value)| value.as_str())
    }

    fn cookies(&self) -> String {
        self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().expect("a cookie").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("name and value");
            self.jar.retain(|(kept, _)| kept != name);
            self.jar.push((name.to_owned(), value.to_owned()));
        }
    }

    async fn send(&mut self, world: &World, method: Method, path: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let cookies = self.cookies();
        let mut headers = more.to_vec();
        if !cookies.is_empty() {
            headers.push(("cookie", &cookies));
        }
        let answer = world.raw(method, path, &headers, body.to_owned()).await;
        self.keep(&answer);
        answer
    }

    /// Goes to a page, as if its address had been typed.
    async fn go(&mut self, world: &World, path: &str) -> Answer {
        self.send(world, Method::GET, path, &NAVIGATES, "").await
    }
}

const NAVIGATES: [(&str, &str); 4] = [
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-site", "none"),
    ("accept", "text/html,application/xhtml+xml"),
];

/// A browser that is in.
async fn inside(world: &World, shop: &Shop) -> Browser {
    let mut browser = Browser::default();
    let answer = browser.go(world, "/").await;
    assert!(answer.json()["pass"].is_string(), "{} {}", answer.status, answer.text());
    shop.take();
    browser
}
