//! What a domain controller of Windows serves and Samba, as it runs here, does not: RPC, SMB, time.
//!
//! The ports are fixed, and may be wanted inside a namespace, where threads of this process cannot
//! be: socat takes them there, and hands every connection or datagram to a thread here.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use tempfile::TempDir;

use super::namespace::Namespace;
use super::process::{Program, Server};

const SOCAT: Program = Program { name: "socat", package: "socat" };
const SOCKET: &str = "socket";

/// Where the peers are: with a domain controller, or alone on an address of loopback.
#[derive(Clone, Copy, Debug)]
pub struct BesideDc<'a> {
    address: Ipv4Addr,
    namespace: Option<&'a Namespace>,
}

/// A port that is served until this is dropped.
#[derive(Debug)]
pub struct Service {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    server: Server,
}

impl<'a> BesideDc<'a> {
    pub fn at(address: Ipv4Addr) -> Self {
        Self { address, namespace: None }
    }

    /// On the loopback of `namespace`.
    pub fn within(self, namespace: &'a Namespace) -> Self {
        Self { namespace: Some(namespace), ..self }
    }

    /// RPC on TCP 135: `answer` turns what one read brought into what is written, nothing if empty.
    pub fn rpc(&self, answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static) -> Service {
        self.tcp(135, answer)
    }

    /// The endpoint mapper, which knows Netlogon at this port, or nowhere.
    pub fn endpoint_mapper(&self, netlogon: Option<u16>) -> Service {
        self.rpc(move |question| map_endpoint(question, netlogon))
    }

    /// SMB on TCP 445: it connects, and says nothing.
    pub fn smb(&self) -> Service {
        self.tcp(445, |_| Vec::new())
    }

    /// NTP on UDP 123, from a clock that is `ahead` of ours by so many seconds.
    pub fn ntp(&self, ahead: f64) -> Service {
        self.udp(123, move |question| time_reply(question, ahead))
    }

    pub fn tcp(
        &self,
        port: u16,
        answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Service {
        let listen = format!("TCP4-LISTEN:{port},bind={},reuseaddr,fork", self.address);
        let address = SocketAddrV4::new(self.address, port);
        self.start(&listen, answer, |server| server.hears(address))
    }

    pub fn udp(
        &self,
        port: u16,
        answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
    ) -> Service {
        let listen = format!("UDP4-RECVFROM:{port},bind={},fork", self.address);
        let address = SocketAddrV4::new(self.address, port);
        self.start(&listen, answer, |server| server.hears_datagrams(address))
    }

    fn start(
        &self,
        listen: &str,
        answer: impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static,
        ready: impl Fn(&Server) -> bool,
    ) -> Service {
        let home = TempDir::new().unwrap();
        let listener = UnixListener::bind(home.path().join(SOCKET)).unwrap();
        let mut command = Namespace::command(self.namespace, SOCAT);
        command.arg(listen).arg(format!("UNIX-CONNECT:{SOCKET}"));
        let server = Server::start(SOCAT, home, &mut command, ready);
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let thread = thread::spawn(move || serve(&listener, &stop, &Arc::new(answer)));
        Service { stopping, thread: Some(thread), server }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = UnixStream::connect(self.server.home().join(SOCKET));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Each connection in a thread of its own, until the other side closes.
fn serve(
    listener: &UnixListener,
    stopping: &AtomicBool,
    answer: &Arc<impl Fn(&[u8]) -> Vec<u8> + Send + Sync + 'static>,
) {
    for mut stream in listener.incoming().flatten() {
        if stopping.load(Ordering::SeqCst) {
            return;
        }
        let answer = Arc::clone(answer);
        thread::spawn(move || {
            let mut request = [0; 16 * 1024];
            while let Ok(length @ 1..) = stream.read(&mut request) {
                if stream.write_all(&answer(&request[..length])).is_err() {
                    return;
                }
            }
        });
    }
}

/// What Samba 4.17 says to who binds to its endpoint mapper and then asks for Netlogon.
fn map_endpoint(question: &[u8], netlogon: Option<u16>) -> Vec<u8> {
    let Some(kind) = question.get(2) else { return Vec::new() };
    let (answer, body) = match (*kind, netlogon) {
        (RPC_BIND, _) => (RPC_BIND_ACK, octets(BOUND)),
        (_, Some(port)) => (RPC_RESPONSE, octets(&MAPPED.replace("PORT", &format!("{port:04x}")))),
        (_, None) => (RPC_RESPONSE, octets(NOT_MAPPED)),
    };
    let size = u16::try_from(16 + body.len()).unwrap().to_le_bytes();
    let header = [5, 0, answer, 3, 0x10, 0, 0, 0, size[0], size[1], 0, 0, 1, 0, 0, 0];
    [&header[..], &body].concat()
}

fn octets(hex: &str) -> Vec<u8> {
    let pairs = (0..hex.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

const RPC_RESPONSE: u8 = 2;
const RPC_BIND: u8 = 11;
const RPC_BIND_ACK: u8 = 12;
const BOUND: &str = "b810b81047ed000004003133350000000100000000000000045d888aeb1cc9119fe808002b1048600200\
    0000";
const MAPPED: &str = "800000000000000000000000000000000000000000000000000000000100000004000000000000000100\
    0000020000004b0000004b000000050013000d785634123412cdabef0001234567cffb01000200000013\
    000d045d888aeb1cc9119fe808002b10486002000200000001000b020000000100070200PORT01000904\
    00000000000000000000";
/// Status 0x16c9a0d6: nothing is registered.
const NOT_MAPPED: &str = "400000000000000000000000000000000000000000000000000000000000000004000000000000000000\
    0000d6a0c916";

/// Of a server with a good clock (RFC 5905, section 7.3): what was asked comes back as the origin.
fn time_reply(question: &[u8], ahead: f64) -> Vec<u8> {
    let Some(origin) = question.get(40..48) else { return Vec::new() };
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seconds = since_1970.as_secs_f64() + ahead + 2_208_988_800.0;
    let fraction = (seconds.fract() * 4_294_967_296.0) as u64;
    let now = ((seconds as u64) << 32 | fraction).to_be_bytes();
    let mut reply = vec![0; 24];
    // Version 4, mode server, stratum 2.
    reply[..2].copy_from_slice(&[0x24, 2]);
    [reply.as_slice(), origin, &now, &now].concat()
}
