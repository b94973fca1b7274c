//! Stands between the program and the Worker: passes everything on, but for what a test wants otherwise.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::Response;
use ropeline_e2e::{Answer, Client, Method, World, json};

/// What happens to a request before it is passed on, and to the answer before it is passed back.
pub trait Between: Send + Sync + 'static {
    /// Called with method and path before the request is passed on.
    fn before(&self, method: &str, path: &str) -> impl Future<Output = ()> + Send {
        let _ = (method, path);
        async {}
    }

    /// The body to be passed back.
    fn after(&self, path: &str, answer: &Answer) -> Vec<u8> {
        let _ = path;
        answer.body.to_vec()
    }
}

/// Passes everything on. It says the time, as Cloudflare does and the runtime alone does not.
pub struct Plain;

impl Between for Plain {}

/// Whatever is asked, a page of somebody before the Worker comes back, with the Worker's status.
pub struct Page;

impl Between for Page {
    fn after(&self, _: &str, _: &Answer) -> Vec<u8> {
        b"<html>please sign in</html>".to_vec()
    }
}

/// Somebody else changes the event `demo` after it was read, before a request of this method comes.
pub struct Faster {
    method: &'static str,
    world: Arc<World>,
}

impl Faster {
    /// Before requests of this method.
    pub fn at(method: &'static str, world: &Arc<World>) -> Self {
        Self { method, world: Arc::clone(world) }
    }
}

impl Between for Faster {
    async fn before(&self, method: &str, _: &str) {
        if method == self.method {
            let body = json!({"message": "I was faster"});
            self.world.admin(Method::PUT, "/queue/admin/events/demo", &body).await;
        }
    }
}

struct Proxy<B> {
    authority: String,
    between: B,
}

/// Starts one on a free port of this machine, before `authority`; its address.
pub async fn start<B: Between>(authority: &str, between: B) -> String {
    let state = Arc::new(Proxy { authority: authority.to_owned(), between });
    let app = Router::new().fallback(pass::<B>).with_state(state);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

async fn pass<B: Between>(State(proxy): State<Arc<Proxy<B>>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    proxy.between.before(head.method.as_str(), &path).await;
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    let headers: Vec<(&str, &str)> = head
        .headers
        .iter()
        .filter(|(name, _)| !["host", "content-length"].contains(&name.as_str()))
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    let body = (!body.is_empty()).then_some(body);
    let answer = Client::new(&proxy.authority).send(head.method, &path, &headers, body).await.expect("an answer");
    let mut response = Response::builder().status(answer.status);
    for (name, value) in
        answer.headers.iter().filter(|(name, _)| *name != "content-length" && *name != "transfer-encoding")
    {
        response = response.header(name, value);
    }
    response.body(Body::from(proxy.between.after(&path, &answer))).expect("a response")
}
