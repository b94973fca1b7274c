//! All parts together, as a deployment has them: broker, Worker, relay, shop.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::kafka::{self, Kafka, KafkaOptions};
use crate::keys::Keys;
use crate::process;
use crate::services::{Relay, RelayOptions, Shop, ShopOptions};
use crate::tools::Tools;
use crate::ui::Ui;
use crate::workerd::{Workerd, WorkerdOptions};

/// The topic that `up` and the tests use.
pub const TOPIC: &str = "ropeline.admissions";

/// The broker: ours, or one that is there.
#[derive(Debug, Clone)]
pub enum Broker {
    /// Started with the stack, on these two ports.
    Own {
        /// Where clients connect.
        port: u16,
        /// KRaft's own.
        controller_port: u16,
    },
    /// `host:port` of one that is there. It is never stopped.
    At(String),
}

/// What to start, and where.
#[derive(Debug, Clone)]
pub struct StackOptions {
    /// Keys, state, data and logs of everything.
    pub dir: PathBuf,
    /// The Worker's port.
    pub worker_port: u16,
    /// The shop's port.
    pub shop_port: u16,
    /// The broker.
    pub broker: Broker,
    /// The event whose passes the shop takes.
    pub event: String,
}

impl StackOptions {
    /// Everything of its own in `dir`, on free ports.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn in_dir(dir: impl Into<PathBuf>, event: &str) -> Result<Self> {
        Ok(Self {
            dir: dir.into(),
            worker_port: process::free_port()?,
            shop_port: process::free_port()?,
            broker: Broker::Own { port: process::free_port()?, controller_port: process::free_port()? },
            event: event.to_owned(),
        })
    }
}

/// All parts, running. Fields are dropped in order: the relay goes first, the
/// broker last.
pub struct Stack {
    /// The relay.
    pub relay: Relay,
    /// The shop.
    pub shop: Shop,
    /// The Worker.
    pub workerd: Workerd,
    /// The broker, when it is ours.
    pub kafka: Option<Kafka>,
    /// `host:port` of the broker.
    pub bootstrap: String,
    /// The secrets of all.
    pub keys: Keys,
}

impl Stack {
    /// Starts everything; comes back when all of it answers. Bundle and programs
    /// must have been built.
    ///
    /// # Errors
    /// When a part does not come up; with the end of its log.
    pub fn start(ui: &Ui, tools: &Tools, options: &StackOptions) -> Result<Self> {
        let dir = &options.dir;
        let logs = dir.join("logs");
        let keys = Keys::load_or_generate(&dir.join("keys.json"))?;
        let (kafka, bootstrap) = match &options.broker {
            Broker::At(address) => (None, address.clone()),
            Broker::Own { port, controller_port } => {
                ui.step(format!("start: Kafka on port {port}"));
                let kafka = Kafka::start(
                    ui,
                    KafkaOptions {
                        dir: dir.join("kafka"),
                        port: *port,
                        controller_port: *controller_port,
                        settings: Vec::new(),
                    },
                )?;
                let bootstrap = kafka.bootstrap();
                (Some(kafka), bootstrap)
            }
        };
        kafka::create_topic(&bootstrap, TOPIC, 3)?;
        ui.step(format!("start: the Worker on port {}", options.worker_port));
        let workerd = Workerd::start(tools, &WorkerdOptions::product(options.worker_port, dir.join("state"), &keys))?;
        ui.step("start: the relay");
        let relay =
            Relay::start(&RelayOptions::new(&workerd.url(), &bootstrap, TOPIC, &keys.relay, &logs.join("relay.log")))?;
        ui.step(format!("start: the shop on port {}", options.shop_port));
        let shop = Shop::start(&ShopOptions::new(
            options.shop_port,
            &workerd.url(),
            &options.event,
            &keys.origin,
            &logs.join("shop.log"),
        ))?;
        Ok(Self { relay, shop, workerd, kafka, bootstrap, keys })
    }

    /// Fails when a part has ended by itself.
    ///
    /// # Errors
    /// With the part and the end of its log.
    pub fn check(&mut self) -> Result<()> {
        if !self.workerd.is_running() {
            bail!("the Worker has ended\n{}", self.workerd.tail());
        }
        if !self.relay.is_running() {
            bail!("the relay has ended\n{}", self.relay.tail());
        }
        if !self.shop.is_running() {
            bail!("the shop has ended\n{}", self.shop.tail());
        }
        if let Some(kafka) = &mut self.kafka
            && !kafka.is_running()
        {
            bail!("Kafka has ended\n{}", kafka.tail());
        }
        Ok(())
    }

    /// Stops everything in order: what is under way reaches Kafka first.
    ///
    /// # Errors
    /// When the system cannot tell how a part ended.
    pub fn stop(mut self) -> Result<()> {
        self.shop.stop()?;
        self.relay.stop()?;
        self.workerd.stop()?;
        if let Some(kafka) = &mut self.kafka {
            kafka.stop()?;
        }
        Ok(())
    }
}
