//! A network of its own, with nothing but a loopback and a packet filter.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::process::{Program, poll};

const UNSHARE: Program = Program { name: "unshare", package: "util-linux" };
const NSENTER: Program = Program { name: "nsenter", package: "util-linux" };
const IP: Program = Program { name: "ip", package: "iproute2" };
const NFT: Program = Program { name: "nft", package: "nftables" };

/// A network namespace. It needs no name and no cleaning up: it lasts for as long as something runs
/// in it, and its keeper ends with the pipe to this process, however that ends.
#[derive(Debug)]
pub struct Namespace {
    keeper: Child,
}

impl Namespace {
    /// Makes a namespace whose loopback obeys `rules`, each a rule of nftables for what comes in,
    /// such as `tcp dport 443 drop`.
    pub fn new(rules: &[&str]) -> Self {
        let keeper = Command::new(UNSHARE.path())
            .args(["--map-root-user", "--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let namespace = Self { keeper };
        namespace.wait();
        namespace.run(IP, &["link", "set", "lo", "up"], "");
        let rules = rules.join("\n");
        let hook = "type filter hook input priority 0;";
        let filter = format!("table inet test {{\nchain incoming {{\n{hook}\n{rules}\n}}\n}}\n");
        namespace.run(NFT, &["-f", "-"], &filter);
        namespace
    }

    /// A command that runs `program`: in `namespace`, or where we are.
    pub fn command(namespace: Option<&Self>, program: Program) -> Command {
        namespace.map_or_else(|| program.command(), |inside| inside.inside(&program.path()))
    }

    /// A command that runs the executable `program` in it. Its process is the program's own.
    pub fn inside(&self, program: &Path) -> Command {
        let mut command = Command::new(NSENTER.path());
        command.args(["--target", &self.keeper.id().to_string()]);
        command.args(["--user", "--preserve-credentials", "--net", "--"]).arg(program);
        command.stdin(Stdio::null());
        command
    }

    /// Until the keeper has left our network behind.
    fn wait(&self) {
        let network_of = |process: &str| {
            std::fs::read_link(PathBuf::from("/proc").join(process).join("ns/net")).ok()
        };
        let ours = network_of("self");
        let keeper = self.keeper.id().to_string();
        let left = || network_of(&keeper).filter(|theirs| Some(theirs) != ours.as_ref());
        assert!(
            poll(Duration::from_secs(10), left).is_some(),
            "unshare makes no network namespace: are they forbidden to this user?"
        );
    }

    fn run(&self, program: Program, args: &[&str], input: &str) {
        let mut child =
            self.inside(&program.path()).args(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{} {args:?}\n{input}", program.name);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
