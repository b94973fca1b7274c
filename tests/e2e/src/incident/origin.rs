//! The shop, behind a line that can be made slow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use xtask::free_port;
use xtask::http::Client;
use xtask::services::{Shop, ShopOptions};

use crate::World;
use crate::scene::EVENT;
use crate::tokens::{Forge, altered, pass_claims};

/// Longer than the shop is ever slow.
const PATIENCE: Duration = Duration::from_secs(30);

/// The example shop, and what stands before it.
pub struct Origin {
    /// Where visitors come, `host:port`.
    authority: String,
    delay_ms: Arc<AtomicU64>,
    /// Passes that nobody was given, and what is wrong with them.
    bad: [(&'static str, String); 3],
    _shop: Shop,
}

impl Origin {
    /// Starts both.
    ///
    /// # Panics
    /// When the shop does not come up.
    pub(super) async fn start(world: &World) -> Self {
        let port = free_port().expect("a port");
        let log = world.dir.join("logs/shop.log");
        let options = ShopOptions::new(port, &world.issuer, EVENT, &world.keys.origin, &log);
        let shop = Shop::start(&options).unwrap_or_else(|error| panic!("no shop: {error:#}"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let authority = listener.local_addr().expect("an address").to_string();
        let delay_ms = Arc::<AtomicU64>::default();
        tokio::spawn(carry(listener, port, Arc::clone(&delay_ms)));
        let real = pass(world).await;
        let bad = [
            ("a pass signed by others", Forge::foreign().pass(&pass_claims(&real))),
            ("an altered pass", altered(&real, 2, 40)),
            ("nonsense", "a.b.c".to_owned()),
        ];
        Self { authority, delay_ms, bad, _shop: shop }
    }

    /// Every request waits for so long before the shop has it.
    pub(super) fn delay(&self, delay: Duration) {
        self.delay_ms.store(u64::try_from(delay.as_millis()).expect("some seconds"), Ordering::Relaxed);
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority)
    }

    /// Who comes without a pass, or with a bad one: how many were refused, and who was not.
    pub(super) async fn try_the_door(&self) -> (usize, Vec<String>) {
        let (mut refused, mut broken) = (0, Vec::new());
        let bad = self.bad.iter().map(|(what, pass)| (*what, Some(pass.as_str())));
        for (what, pass) in bad.chain([("no pass", None)]) {
            let headers: Vec<_> = pass.map(|pass| ("ropeline-pass", pass)).into_iter().collect();
            match Client::new(&self.authority).patience(PATIENCE).get("/tickets", &headers).await {
                Ok(answer) if matches!(answer.status.as_u16(), 401 | 403 | 503) => refused += 1,
                Ok(answer) => broken.push(format!("{what}, and the shop answered {}", answer.status)),
                // No answer lets nobody in, either.
                Err(_) => {}
            }
        }
        (refused, broken)
    }
}

/// A pass of somebody who comes before all others, and stays.
async fn pass(world: &World) -> String {
    let mut visitor = world.visitor(EVENT);
    visitor.must_enter().await;
    let admission = visitor.go_in(PATIENCE).await;
    admission.unwrap_or_else(|error| panic!("the first visitor was not let in: {error:#}")).pass
}

/// Carries connections to the shop on `port`.
async fn carry(listener: TcpListener, port: u16, delay_ms: Arc<AtomicU64>) {
    while let Ok((visitor, _)) = listener.accept().await {
        let delay_ms = Arc::clone(&delay_ms);
        tokio::spawn(async move {
            let shop = TcpStream::connect(("127.0.0.1", port)).await?;
            let ((mut asks, mut told), (mut answers, mut asked)) = (visitor.into_split(), shop.into_split());
            tokio::spawn(async move { tokio::io::copy(&mut answers, &mut told).await });
            let mut request = vec![0; 16 * 1_024];
            loop {
                let read = asks.read(&mut request).await?;
                if read == 0 {
                    return asked.shutdown().await;
                }
                tokio::time::sleep(Duration::from_millis(delay_ms.load(Ordering::Relaxed))).await;
                asked.write_all(&request[..read]).await?;
            }
        });
    }
}
