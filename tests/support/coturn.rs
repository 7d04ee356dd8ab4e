//! A real coturn: a STUN and TURN server over UDP.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use tempfile::TempDir;

use super::ports::free_address;
use super::process::{Program, Server};

const TURNSERVER: Program = Program { name: "turnserver", package: "coturn" };

/// A Binding request (RFC 8489, section 5) with the transaction id `anc-healthd.`.
const BINDING: &[u8; 20] = b"\x00\x01\x00\x00\x21\x12\xa4\x42anc-healthd.";

/// A running `turnserver`.
#[derive(Debug)]
pub struct Coturn {
    pub address: SocketAddr,
    server: Server,
}

impl Coturn {
    /// STUN alone: Binding is answered, Allocate is not.
    pub fn stun() -> Self {
        Self::stun_at(free_address())
    }

    pub fn stun_at(address: SocketAddr) -> Self {
        Self::start(address, "stun-only")
    }

    /// STUN, and TURN for the user `probe` with the password `secret`: Allocate without them gets 401.
    pub fn turn() -> Self {
        Self::start(
            free_address(),
            "lt-cred-mech\nrealm=contoso.test\nuser=probe:secret\n\
             relay-ip=127.0.0.1\nmin-port=61000\nmax-port=61999",
        )
    }

    /// What coturn logs.
    pub fn log(&self) -> String {
        self.server.log()
    }

    fn start(address: SocketAddr, mode: &str) -> Self {
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("turn.conf"), configuration(address, mode)).unwrap();
        let mut command = TURNSERVER.command();
        command.arg("-c").arg(home.path().join("turn.conf"));
        let server = Server::start(TURNSERVER, home, &mut command, |_| binds(address));
        Self { address, server }
    }
}

fn configuration(address: SocketAddr, mode: &str) -> String {
    format!(
        "listening-ip={ip}\nlistening-port={port}\n{mode}\n\
         no-tcp\nno-tls\nno-dtls\nno-cli\nno-rfc5780\nno-software-attribute\n\
         log-file=stdout\npidfile=turn.pid\nuserdb=turn.db\n",
        ip = address.ip(),
        port = address.port(),
    )
}

fn binds(server: SocketAddr) -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let mut answer = [0; 512];
    socket.send(BINDING).is_ok()
        && socket.recv(&mut answer).is_ok_and(|length| length >= 20)
        && answer[..2] == [0x01, 0x01]
        && answer[4..20] == BINDING[4..]
}
