//! A server process: its directory, its log, when it is ready, and its end.

use std::env;
use std::fs::{self, File};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const READY_WITHIN: Duration = Duration::from_secs(60);

/// A program, and the Debian package that has it.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    pub package: &'static str,
}

impl Program {
    /// A command that runs it, with nothing to read.
    pub fn command(self) -> Command {
        let mut command = Command::new(self.path());
        command.stdin(Stdio::null());
        command
    }

    pub fn path(self) -> PathBuf {
        let path = env::var_os("PATH").unwrap_or_default();
        let program = env::split_paths(&path)
            .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
            .map(|directory| directory.join(self.name))
            .find(|program| program.is_file());
        let Some(program) = program else {
            panic!("there is no {} here: run tests/install (package {})", self.name, self.package)
        };
        program
    }
}

/// A running server. Dropping it kills it, and removes its directory.
#[derive(Debug)]
pub struct Server {
    child: Child,
    home: TempDir,
    name: &'static str,
}

impl Server {
    /// Starts `command` with its output in a log in `home`, and waits until `ready` says so.
    pub fn start(
        program: Program,
        home: TempDir,
        command: &mut Command,
        ready: impl Fn(&Self) -> bool,
    ) -> Self {
        let log = File::create(home.path().join("log")).unwrap();
        command.current_dir(home.path()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.name));
        let mut server = Self { child, home, name: program.name };
        let become_ready = poll(READY_WITHIN, || {
            if let Some(status) = server.child.try_wait().unwrap() {
                panic!("{} ended with {status} before it was ready\n{}", server.name, server.log());
            }
            ready(&server).then_some(())
        });
        assert!(become_ready.is_some(), "{} is not ready yet\n{}", server.name, server.log());
        server
    }

    /// The directory of its configuration and data.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// Sends a signal such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill {signal}\n{}", self.log());
    }

    /// Whether somebody listens there for TCP, in the network that this server is in: the kernel
    /// tells, and the server notices nothing.
    pub fn hears(&self, tcp: SocketAddrV4) -> bool {
        self.has_socket("tcp", tcp, "0A")
    }

    /// The same for UDP.
    pub fn hears_datagrams(&self, udp: SocketAddrV4) -> bool {
        self.has_socket("udp", udp, "07")
    }

    fn has_socket(&self, protocol: &str, at: SocketAddrV4, state: &str) -> bool {
        let sockets = fs::read_to_string(format!("/proc/{}/net/{protocol}", self.child.id()));
        let host = u32::from_ne_bytes(at.ip().octets());
        let socket = format!(" {host:08X}:{:04X} 00000000:0000 {state} ", at.port());
        sockets.is_ok_and(|sockets| sockets.contains(&socket))
    }

    /// What it has written to standard output and standard error.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.home().join("log")).unwrap()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {} ---\n{}", self.name, self.log());
        }
    }
}

/// Asks again and again until there is an answer, for at most `limit`.
pub fn poll<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() >= deadline {
            return answer;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
