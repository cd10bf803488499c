//! Machines of one's own: each has a network namespace, all meet at one bridge. Without the right to
//! make them, machines are addresses of the loopback, which nothing can part.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};

use crate::Outcome;

/// A network, removed when dropped.
#[derive(Debug)]
pub(crate) struct Network {
    /// Name of the bridge; absent where there are no namespaces.
    bridge: Option<String>,
    net: u8,
    machines: u8,
}

/// A machine in the network.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) address: Ipv4Addr,
    namespace: Option<String>,
    /// The end of its cable that is at the bridge.
    cable: String,
}

impl Network {
    /// Makes one with namespaces where that is asked for and possible.
    pub(crate) fn new(parts: bool) -> Self {
        let number = std::process::id();
        let net = u8::try_from(number % 250).unwrap_or(1);
        let name = format!("sp{}", number % 100_000);
        let own = format!("10.213.{net}.1/24");
        let made = parts
            && ip(&["link", "add", &name, "type", "bridge"]).is_ok()
            && ip(&["addr", "add", &own, "dev", &name]).is_ok()
            && ip(&["link", "set", &name, "up"]).is_ok();
        Self { bridge: made.then_some(name), net, machines: 0 }
    }

    /// Tells whether machines can be parted.
    pub(crate) const fn parts(&self) -> bool {
        self.bridge.is_some()
    }

    /// Adds a machine.
    pub(crate) fn machine(&mut self) -> Outcome<Machine> {
        self.machines += 1;
        let number = self.machines;
        let Some(bridge) = &self.bridge else {
            let address = Ipv4Addr::new(127, 0, 213, 10 + number);
            return Ok(Machine { address, namespace: None, cable: String::new() });
        };
        let (inside, cable) = (format!("{bridge}i{number}"), format!("{bridge}o{number}"));
        let (namespace, address) =
            (format!("{bridge}-{number}"), Ipv4Addr::new(10, 213, self.net, 10 + number));
        ip(&["netns", "add", &namespace])?;
        ip(&["link", "add", &inside, "type", "veth", "peer", "name", &cable])?;
        ip(&["link", "set", &inside, "netns", &namespace])?;
        ip(&["link", "set", &cable, "master", bridge, "up"])?;
        let within = ["-n", &namespace];
        let run = |words: &[&str]| ip(&[&within, words].concat());
        run(&["addr", "add", &format!("{address}/24"), "dev", &inside])?;
        run(&["link", "set", &inside, "up"])?;
        run(&["link", "set", "lo", "up"])?;
        Ok(Machine { address, namespace: Some(namespace), cable })
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let Some(bridge) = &self.bridge else { return };
        for number in 1..=self.machines {
            // What is not there need not be removed.
            let _namespace = ip(&["netns", "del", &format!("{bridge}-{number}")]);
        }
        let _bridge = ip(&["link", "del", bridge]);
    }
}

impl Machine {
    /// The machine that this program runs on.
    pub(crate) const fn this() -> Self {
        Self { address: Ipv4Addr::LOCALHOST, namespace: None, cable: String::new() }
    }

    /// Returns a port that is free: the usual one, where nobody else has the address.
    pub(crate) fn free_port(&self, usual: u16) -> Outcome<u16> {
        if self.namespace.is_some() {
            return Ok(usual);
        }
        Ok(TcpListener::bind((self.address, 0))?.local_addr()?.port())
    }

    /// Makes the command that runs a program there.
    pub(crate) fn command(&self, program: &str) -> Command {
        let Some(namespace) = &self.namespace else { return Command::new(program) };
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, program]);
        command
    }

    /// Pulls the machine's cable, or puts it back.
    pub(crate) fn cut_off(&self, is_cut: bool) -> Outcome<()> {
        ip(&["link", "set", &self.cable, if is_cut { "down" } else { "up" }])
    }

    /// Parts two machines, or joins them again: what this one sends to the other is dropped.
    pub(crate) fn part_from(&self, other: &Self, is_cut: bool) -> Outcome<()> {
        let Some(namespace) = &self.namespace else { return Err("there are no namespaces".into()) };
        let (how, to) = (if is_cut { "add" } else { "del" }, format!("{}/32", other.address));
        ip(&["-n", namespace, "route", how, "blackhole", &to])
    }
}

fn ip(words: &[&str]) -> Outcome<()> {
    let done = Command::new("ip").args(words).stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&done.stderr);
    Err(format!("ip {}: {}", words.join(" "), told.trim()).into())
}
