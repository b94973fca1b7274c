//! What stands before the runtime where Cloudflare does not: nginx with `ops/nginx/worker.conf`, of which only the addresses are changed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::paths;
use crate::process::{Output, Process, free_port, port_answers};
use crate::tools::proxies::Proxies;
use crate::ui::Ui;

/// nginx, running.
#[derive(Debug)]
pub struct Front {
    /// Where visitors come, `host:port`.
    pub authority: String,
    _nginx: Process,
}

impl Front {
    /// Starts it before the Worker at `worker`, in `dir`.
    ///
    /// # Errors
    /// When it is missing and cannot be installed, does not come up, or its configuration is not what is expected.
    pub fn start(ui: &Ui, worker: &str, dir: &Path) -> Result<Self> {
        let proxies = Proxies::ensure(ui)?;
        let port = free_port()?;
        let file = paths::root().join("ops/nginx/worker.conf");
        let mut text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        for (from, to) in [("127.0.0.1:8080", format!("127.0.0.1:{port}")), ("127.0.0.1:8787", worker.to_owned())] {
            ensure!(text.contains(from), "worker.conf has no {from}");
            text = text.replace(from, &to);
        }
        let dir = dir.join("front");
        std::fs::create_dir_all(&dir)?;
        let file = dir.join("nginx.conf");
        std::fs::write(&file, text)?;
        let mut nginx = Process::spawn("nginx", &mut proxies.nginx(&file, &dir), Output::Log(&dir.join("log")))?;
        nginx.wait_until(Duration::from_secs(10), || port_answers(port))?;
        Ok(Self { authority: format!("127.0.0.1:{port}"), _nginx: nginx })
    }
}
