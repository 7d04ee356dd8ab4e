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
        namespace.obey(rules, &[]);
        namespace
    }

    /// Has other rules from now on: for what comes in, and for what goes out.
    pub fn obey(&self, incoming: &[&str], outgoing: &[&str]) {
        let chain = |name: &str, hook: &str, rules: &[&str]| {
            let rules = rules.join("\n");
            format!("chain {name} {{\ntype filter hook {hook} priority 0;\n{rules}\n}}\n")
        };
        let chains = chain("incoming", "input", incoming) + &chain("outgoing", "output", outgoing);
        // The table may not be there yet, and what is not there cannot be deleted.
        let filter =
            format!("table inet test\ndelete table inet test\ntable inet test {{\n{chains}}}\n");
        self.run(NFT, &["-f", "-"], &filter);
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

    /// Until the keeper has left our network behind, and is root there: it becomes that last.
    fn wait(&self) {
        let network_of = |process: &str| {
            std::fs::read_link(PathBuf::from("/proc").join(process).join("ns/net")).ok()
        };
        let ours = network_of("self");
        let keeper = self.keeper.id().to_string();
        let is_root = || {
            let groups = std::fs::read_to_string(format!("/proc/{keeper}/gid_map"));
            groups.is_ok_and(|groups| !groups.is_empty())
        };
        let left =
            || network_of(&keeper).filter(|theirs| Some(theirs) != ours.as_ref() && is_root());
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
