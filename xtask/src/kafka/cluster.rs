//! A cluster as in production, on this machine: three nodes that are broker and controller each, three copies of
//! everything, two of which must have what is acknowledged; a listener for each kind of security; users and ACLs.
//!
//! Methods take `&self`, so that the tests of a program can share it: a node is behind a lock of its own.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::certificates::Certificates;
use super::console::{Console, java};
use super::{CLUSTER_ID, START};
use crate::process::{self, Output, Process};
use crate::tools::hex;
use crate::{keys, paths};

/// How many nodes.
const NODES: usize = 3;
/// A small heap is enough for tests.
const HEAP: &str = "256m";
/// Below the ports that the system gives to outgoing connections: nobody takes the port of a node that is down.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A kind of connection that the cluster takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Plain TCP, and everything is allowed.
    Plain,
    /// TLS; the certificate is for `localhost`.
    Tls,
    /// TLS with a client certificate.
    MutualTls,
    /// SASL over plain TCP.
    Sasl,
    /// SASL over TLS.
    SaslTls,
    /// KRaft's own.
    Controller,
}

impl Listener {
    const ALL: [Self; 6] = [Self::Plain, Self::Tls, Self::MutualTls, Self::Sasl, Self::SaslTls, Self::Controller];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Tls => "TLS",
            Self::MutualTls => "MTLS",
            Self::Sasl => "SASL",
            Self::SaslTls => "SASLTLS",
            Self::Controller => "CONTROLLER",
        }
    }

    /// As it is advertised.
    fn host(self) -> &'static str {
        match self {
            Self::Tls | Self::MutualTls | Self::SaslTls => "localhost",
            Self::Plain | Self::Sasl | Self::Controller => "127.0.0.1",
        }
    }
}

/// Three running nodes, numbered 1 to 3. Dropped, they are killed.
#[derive(Debug)]
pub struct Cluster {
    dir: PathBuf,
    jars: PathBuf,
    certificates: Certificates,
    /// By node, in the order of [`Listener::ALL`].
    ports: [[u16; Listener::ALL.len()]; NODES],
    nodes: [Mutex<Option<Process>>; NODES],
    password: String,
}

impl Cluster {
    /// The user with a password, for PLAIN and both SCRAMs, who may do what [`Cluster::allow`] says.
    pub const USER: &str = "relay";

    /// A new cluster with its data in `dir`; comes back when all nodes listen.
    ///
    /// # Errors
    /// When a node does not come up; with the end of its log.
    pub fn start_with(jars: PathBuf, dir: &Path) -> Result<Self> {
        let certificates = Certificates::generate(&dir.join("certificates"))?;
        let cluster = Self {
            dir: dir.to_path_buf(),
            jars,
            certificates,
            ports: free_ports()?,
            nodes: [const { Mutex::new(None) }; NODES],
            password: hex(&keys::random()?),
        };
        // Each of these is a JVM, and most of its time goes into its start.
        let made = &cluster;
        std::thread::scope(|scope| {
            let formats: Vec<_> = (1..=NODES).map(|node| scope.spawn(move || made.format(node))).collect();
            formats.into_iter().try_for_each(|format| format.join().unwrap_or_else(|_| bail!("a panic")))
        })?;
        for node in 1..=NODES {
            cluster.spawn(node)?;
        }
        (1..=NODES).try_for_each(|node| cluster.wait_for(node))?;
        Ok(cluster)
    }

    /// All nodes' addresses on a listener, separated by commas.
    #[must_use]
    pub fn bootstrap(&self, listener: Listener) -> String {
        let all: Vec<String> = (1..=NODES).map(|node| self.address(node, listener)).collect();
        all.join(",")
    }

    /// `host:port` of one node on a listener.
    #[must_use]
    pub fn address(&self, node: usize, listener: Listener) -> String {
        format!("{}:{}", listener.host(), self.port(node, listener))
    }

    /// The certificates of this cluster and its clients.
    #[must_use]
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// The password of [`Cluster::USER`].
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Kafka's console tools, for this cluster.
    #[must_use]
    pub fn console(&self) -> Console {
        Console::new(&self.jars, &self.bootstrap(Listener::Plain))
    }

    /// Makes a topic with one partition, whose copies are on `nodes`; the first one leads it as long as it is there.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn create_topic(&self, name: &str, nodes: [usize; NODES]) -> Result<()> {
        let copies = nodes.map(|node| node.to_string()).join(":");
        self.console().output("TopicCommand", &["--create", "--topic", name, "--replica-assignment", &copies])?;
        Ok(())
    }

    /// Lets `principals`, like `User:relay`, do `operations` on all topics whose names start with `prefix`.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn allow(&self, principals: &[&str], operations: &[&str], prefix: &str) -> Result<()> {
        let mut arguments = vec!["--add", "--topic", prefix, "--resource-pattern-type", "prefixed"];
        for principal in principals {
            arguments.extend(["--allow-principal", principal]);
        }
        for operation in operations {
            arguments.extend(["--operation", operation]);
        }
        self.console().output("AclCommand", &arguments)?;
        Ok(())
    }

    /// The leader of a topic's only partition, and who has all of it.
    ///
    /// # Errors
    /// When the cluster does not say.
    pub fn state(&self, topic: &str) -> Result<TopicState> {
        let text = self.console().output("TopicCommand", &["--describe", "--topic", topic])?;
        TopicState::parse(&text).with_context(|| format!("cannot read the state of {topic} in {text}"))
    }

    /// What a node has of a partition on disk: record batches, one behind the other.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn log(&self, node: usize, topic: &str, partition: u16) -> Result<Vec<u8>> {
        let name = format!("data/{topic}-{partition}/{:020}.log", 0);
        let path = self.node_dir(node).join(name);
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Waits until all copies of a topic are complete.
    ///
    /// # Errors
    /// When they are not, within `patience`.
    pub fn wait_in_sync(&self, topic: &str, patience: Duration) -> Result<()> {
        let until = Instant::now() + patience;
        loop {
            let state = self.state(topic);
            if state.as_ref().is_ok_and(|state| state.in_sync.len() == NODES) {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the copies of {topic} are not complete: {state:?}");
            }
        }
    }

    /// Gives every partition back to the node that should lead it.
    ///
    /// # Errors
    /// When the cluster refuses.
    pub fn elect_preferred(&self) -> Result<()> {
        let arguments = ["--election-type", "preferred", "--all-topic-partitions"];
        self.console().output("LeaderElectionCommand", &arguments)?;
        Ok(())
    }

    /// SIGKILL; its data stays.
    pub fn kill9(&self, node: usize) {
        if let Some(process) = self.node(node).as_mut() {
            process.kill9();
        }
    }

    /// Stops a node in order: it hands its partitions over first.
    ///
    /// # Errors
    /// When the system cannot tell how it ended.
    pub fn stop(&self, node: usize) -> Result<()> {
        if let Some(process) = self.node(node).as_mut() {
            process.stop(Duration::from_secs(60))?;
        }
        Ok(())
    }

    /// SIGSTOP: its connections stay open, and it says nothing any more.
    pub fn freeze(&self, node: usize) {
        if let Some(process) = self.node(node).as_mut() {
            process.signal(Signal::STOP);
        }
    }

    /// SIGCONT.
    pub fn thaw(&self, node: usize) {
        if let Some(process) = self.node(node).as_mut() {
            process.signal(Signal::CONT);
        }
    }

    /// Starts a node again on its data and ports; comes back when it listens.
    ///
    /// # Errors
    /// When it does not come up; with the end of its log.
    pub fn start(&self, node: usize) -> Result<()> {
        self.spawn(node)?;
        self.wait_for(node)
    }

    /// Starts every node that does not run, and wakes those that are frozen.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_all(&self) -> Result<()> {
        let mut down = Vec::new();
        for node in 1..=NODES {
            self.thaw(node);
            if !self.node(node).as_mut().is_some_and(Process::is_running) {
                self.spawn(node)?;
                down.push(node);
            }
        }
        down.into_iter().try_for_each(|node| self.wait_for(node))
    }

    fn node(&self, node: usize) -> MutexGuard<'_, Option<Process>> {
        // Numbers are 1 to 3; a panic of one test must not hide what failed first.
        self.nodes[node - 1].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn port(&self, node: usize, listener: Listener) -> u16 {
        let place = Listener::ALL.iter().position(|known| *known == listener).unwrap_or_default();
        self.ports[node - 1][place]
    }

    fn node_dir(&self, node: usize) -> PathBuf {
        self.dir.join(format!("node-{node}"))
    }

    fn format(&self, node: usize) -> Result<()> {
        let dir = self.node_dir(node);
        std::fs::create_dir_all(&dir)?;
        let configuration = self.write_configuration(node)?;
        let scram = |mechanism: &str| format!("{mechanism}=[name={},password={}]", Self::USER, self.password);
        process::run_logged(
            "kafka.tools.StorageTool format",
            java(&self.jars, HEAP)
                .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID])
                .args(["--add-scram", &scram("SCRAM-SHA-256"), "--add-scram", &scram("SCRAM-SHA-512"), "-c"])
                .arg(&configuration),
            &dir.join("format.log"),
        )
    }

    fn spawn(&self, node: usize) -> Result<()> {
        let dir = self.node_dir(node);
        let log = dir.join("kafka.log");
        let mut command = java(&self.jars, HEAP);
        command.arg("kafka.Kafka").arg(dir.join("server.properties"));
        let process = Process::spawn(&format!("Kafka node {node}"), &mut command, Output::Log(&log))?;
        self.node(node).replace(process);
        Ok(())
    }

    fn wait_for(&self, node: usize) -> Result<()> {
        let port = self.port(node, Listener::Plain);
        match self.node(node).as_mut() {
            Some(process) => process.wait_until(START, || process::port_answers(port)),
            None => bail!("node {node} was never started"),
        }
    }

    fn write_configuration(&self, node: usize) -> Result<PathBuf> {
        let template = paths::root().join("ops/kafka/cluster.properties");
        let dir = self.node_dir(node);
        let voter = |node: usize| format!("{node}@{}", self.address(node, Listener::Controller));
        let voters: Vec<String> = (1..=NODES).map(voter).collect();
        let mut text = std::fs::read_to_string(&template)
            .with_context(|| format!("cannot read {}", template.display()))?
            .replace("@ID@", &node.to_string())
            .replace("@VOTERS@", &voters.join(","))
            .replace("@DATA@", &dir.join("data").display().to_string())
            .replace("@CERTIFICATES@", &self.certificates.dir().display().to_string())
            .replace("@PLAIN_USERS@", &format!("user_{}=\"{}\"", Self::USER, self.password));
        for listener in Listener::ALL {
            text = text.replace(&format!("@{}@", listener.name()), &self.port(node, listener).to_string());
        }
        let path = dir.join("server.properties");
        std::fs::write(&path, text)?;
        Ok(path)
    }
}

/// Who leads a partition, and who has all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicState {
    /// The node that leads it; none when there is none.
    pub leader: Option<usize>,
    /// The nodes that have everything.
    pub in_sync: Vec<usize>,
}

impl TopicState {
    /// `Topic: t  Partition: 0  Leader: 1  Replicas: 1,2,3  Isr: 1,2,3  …`
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().find(|line| line.contains("Partition: "))?;
        let after =
            |name: &str| line.split_once(name).map(|(_, rest)| rest.split_whitespace().next().unwrap_or_default());
        let leader = after("Leader: ")?.parse().ok();
        let in_sync = after("Isr: ")?.split(',').filter_map(|node| node.parse().ok()).collect();
        Some(Self { leader, in_sync })
    }
}

fn free_ports() -> Result<[[u16; Listener::ALL.len()]; NODES]> {
    let from = PORTS.start + getrandom::u32()? as u16 % (PORTS.end - PORTS.start);
    let mut free = (from..PORTS.end).chain(PORTS.start..from).filter(|port| process::port_is_free(*port));
    let mut ports = [[0; Listener::ALL.len()]; NODES];
    for port in ports.iter_mut().flatten() {
        *port = free.next().context("no free port")?;
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_topic_is_read() {
        let text = "Topic: t\tTopicId: x\tPartitionCount: 1\n\tTopic: t\tPartition: 0\tLeader: 2\tReplicas: 1,2,3\tIsr: 2,3\tElr: \tLastKnownElr: \n";
        assert_eq!(TopicState::parse(text), Some(TopicState { leader: Some(2), in_sync: vec![2, 3] }));
        assert_eq!(TopicState::parse(&text.replace("Leader: 2", "Leader: none")).unwrap().leader, None);
    }
}
