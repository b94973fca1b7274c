//! Machines on networks: a bridge for each network, and on it a port for each machine that is there.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::{Machine, run};

/// What one port of a bridge carries to its machine. What comes faster waits before it, as in any interface.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Megabits a second.
    pub mbit: u32,
    /// What may wait, in kilobytes.
    pub waiting_kb: u32,
}

/// Machines and the networks between them.
#[derive(Debug)]
pub struct Lan {
    machines: BTreeMap<String, Machine>,
    addresses: BTreeMap<(String, String), Ipv4Addr>,
    _switch: Machine,
}

impl Lan {
    /// Machines by name, each with the networks that it is on. With a rate every port has that one.
    ///
    /// # Panics
    /// When something is missing, with how to get it.
    #[must_use]
    pub fn new(plan: &BTreeMap<String, Vec<String>>, rate: Option<Rate>) -> Self {
        let switch = Machine::new("switch");
        let mut networks: Vec<&String> = plan.values().flatten().collect();
        networks.sort();
        networks.dedup();
        for network in &networks {
            let bridge = format!("br-{network}");
            switch.ip(&["link", "add", &bridge, "type", "bridge"]);
            switch.ip(&["link", "set", &bridge, "up"]);
        }
        let mut lan = Self { machines: BTreeMap::new(), addresses: BTreeMap::new(), _switch: switch };
        for (role, on) in plan {
            let machine = Machine::new(role);
            for network in on {
                let index = networks.iter().position(|found| *found == network).expect("a network of the plan");
                lan.plug(&machine, role, network, u8::try_from(index).expect("a few networks"), rate);
            }
            lan.machines.insert(role.clone(), machine);
        }
        lan
    }

    /// 198.18.0.0/15 is set aside for tests of networks (RFC 2544, appendix C.2.2).
    fn plug(&mut self, machine: &Machine, role: &str, network: &str, index: u8, rate: Option<Rate>) {
        let host = u8::try_from(self.machines.len() + 1).expect("a few machines");
        let port = format!("{host}-{index}");
        let switch = &self._switch;
        switch.ip(&["link", "add", &port, "type", "veth", "peer", "name", network, "netns", &machine.name]);
        switch.ip(&["link", "set", &port, "master", &format!("br-{network}"), "up"]);
        let address = Ipv4Addr::new(198, 18, index, host);
        machine.ip(&["address", "add", &format!("{address}/24"), "dev", network]);
        machine.ip(&["link", "set", network, "up"]);
        if let Some(Rate { mbit, waiting_kb }) = rate {
            let (mbit, waiting) = (format!("{mbit}mbit"), format!("{waiting_kb}kb"));
            let words =
                ["qdisc", "add", "dev", &port, "root", "tbf", "rate", &mbit, "burst", "16kb", "limit", &waiting];
            run("tc", &[&["-n", &switch.name][..], &words].concat());
        }
        self.addresses.insert((role.to_owned(), network.to_owned()), address);
    }

    /// A machine.
    ///
    /// # Panics
    /// When the plan has none of this name.
    #[must_use]
    pub fn machine(&self, role: &str) -> &Machine {
        self.machines.get(role).unwrap_or_else(|| panic!("there is no machine {role}"))
    }

    /// The address of a machine on a network that `from` is on, too; `None` where the two share none.
    #[must_use]
    pub fn route(&self, from: &str, to: &str) -> Option<Ipv4Addr> {
        let mut of = self.addresses.iter().filter(|((role, _), _)| role == to);
        of.find(|((_, network), _)| self.addresses.contains_key(&(from.to_owned(), network.clone()))).map(|(_, at)| *at)
    }
}
