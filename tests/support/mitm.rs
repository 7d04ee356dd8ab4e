//! A real mitmproxy: a box on the path that opens TLS and signs with a CA of its own.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;

use tempfile::TempDir;

use super::ports::free_address;
use super::process::{Program, Server};

const MITMDUMP: Program = Program { name: "mitmdump", package: "mitmproxy" };

/// A running `mitmdump`: whoever connects believes to be at the upstream.
#[derive(Debug)]
pub struct Mitmproxy {
    pub address: SocketAddr,
    server: Server,
}

impl Mitmproxy {
    /// Stands before the TLS server at `upstream`, and trusts whatever that presents.
    pub fn reverse(upstream: SocketAddr) -> Self {
        let address = free_address();
        let home = TempDir::new().unwrap();
        let mut command = MITMDUMP.command();
        command
            .args(["--mode", &format!("reverse:https://{upstream}"), "--ssl-insecure"])
            .args(["--listen-host", &address.ip().to_string()])
            .args(["--listen-port", &address.port().to_string()])
            .args(["--set", "confdir=."]);
        let listening = |_: &Server| TcpStream::connect(address).is_ok();
        let server = Server::start(MITMDUMP, home, &mut command, listening);
        Self { address, server }
    }

    /// The CA that signs what it presents: `CN=mitmproxy`.
    pub fn ca_file(&self) -> PathBuf {
        self.server.home().join("mitmproxy-ca-cert.pem")
    }

    pub fn ca_pem(&self) -> String {
        fs::read_to_string(self.ca_file()).unwrap()
    }

    /// What mitmproxy logs: connections, and handshakes that failed.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
