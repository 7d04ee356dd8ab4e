//! Between the daemon and a domain controller: a relay that knows TLS records from the outside, and
//! fails at a chosen place.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// Where a connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Instead of passing on the client's n-th record of application data, the first being 1.
    /// In TLS 1.3 that is the end of the handshake; each message of LDAP is one after it.
    Question(usize),
    /// After that record has been passed on: with the first thing the server says then.
    Answer(usize),
    /// After so many octets to the server.
    Up(usize),
    /// After so many octets to the client.
    Down(usize),
}

/// How it fails there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Both sides are closed in good order.
    Close,
    /// Both sides are reset.
    Reset,
    /// Nothing more is passed on in either direction; the connections stand.
    Silence,
    /// Everything is passed on, this much later, once.
    Delay(Duration),
    /// The same at every such place.
    Slow(Duration),
    /// One octet is changed.
    Garble,
}

pub type Plan = Option<(Place, Failure)>;

/// Relays two ports of an address of its own, until it is dropped.
pub struct Relay {
    pub address: Ipv4Addr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    plan: Box<dyn Fn(usize) -> Plan + Send + Sync>,
    connections: AtomicUsize,
    failures: AtomicUsize,
    questions: AtomicUsize,
    octets: [AtomicUsize; 2],
}

impl Relay {
    /// At `address`, ports 389 and 636, to the same ports of `to`. `plan` tells what becomes of the
    /// n-th connection, the first being 0.
    pub fn start(
        address: Ipv4Addr,
        to: Ipv4Addr,
        plan: impl Fn(usize) -> Plan + Send + Sync + 'static,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let shared = Arc::new(Shared {
            plan: Box::new(plan),
            connections: AtomicUsize::new(0),
            failures: AtomicUsize::new(0),
            questions: AtomicUsize::new(0),
            octets: Default::default(),
        });
        for port in [389, 636] {
            // Bound by the standard library: a test may be inside another runtime.
            let listener = std::net::TcpListener::bind((address, port)).unwrap();
            listener.set_nonblocking(true).unwrap();
            let (shared, to) = (Arc::clone(&shared), SocketAddr::from((to, port)));
            runtime.spawn(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(Arc::clone(&shared).relay(near, to));
                }
            });
        }
        Self { address, shared, runtime: Some(runtime) }
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many connections have failed as planned.
    pub fn failures(&self) -> usize {
        self.shared.failures.load(Ordering::SeqCst)
    }

    /// The client's records of application data, of all connections together.
    pub fn questions(&self) -> usize {
        self.shared.questions.load(Ordering::SeqCst)
    }

    /// Octets passed on to the server, and to the client.
    pub fn octets(&self) -> [usize; 2] {
        self.shared.octets.each_ref().map(|octets| octets.load(Ordering::SeqCst))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

const UP: usize = 0;
const DOWN: usize = 1;
/// Longer than any run: the client gives up first.
const SILENT_FOR: Duration = Duration::from_secs(120);

impl Shared {
    async fn relay(self: Arc<Self>, mut near: TcpStream, to: SocketAddr) {
        let plan = (self.plan)(self.connections.fetch_add(1, Ordering::SeqCst));
        let Ok(mut far) = TcpStream::connect(to).await else { return };
        let _ = (near.set_nodelay(true), far.set_nodelay(true));
        let mut conversation = Conversation { plan, records: Records::default(), passed: [0; 2] };
        let (mut from_near, mut from_far) = (vec![0; 16 * 1024], vec![0; 16 * 1024]);
        loop {
            let (way, size) = tokio::select! {
                read = near.read(&mut from_near) => (UP, read),
                read = far.read(&mut from_far) => (DOWN, read),
            };
            let Ok(size @ 1..) = size else { break };
            let (to, octets) = if way == UP {
                (&mut far, &mut from_near[..size])
            } else {
                (&mut near, &mut from_far[..size])
            };
            let before = conversation.records.count;
            let failure = conversation.hear(way, octets);
            let asked = conversation.records.count - before;
            self.questions.fetch_add(asked, Ordering::SeqCst);
            let passed = match failure {
                None => size,
                Some((at, failure)) => {
                    self.failures.fetch_add(1, Ordering::SeqCst);
                    if !matches!(failure, Failure::Slow(_)) {
                        conversation.plan = None;
                    }
                    match failure {
                        Failure::Delay(by) | Failure::Slow(by) => tokio::time::sleep(by).await,
                        Failure::Garble => octets[at.min(size - 1)] ^= 0x55,
                        Failure::Close | Failure::Reset | Failure::Silence => {
                            let _ = to.write_all(&octets[..at]).await;
                            end(failure, near, far).await;
                            return;
                        }
                    }
                    size
                }
            };
            self.octets[way].fetch_add(passed, Ordering::SeqCst);
            if to.write_all(&octets[..passed]).await.is_err() {
                break;
            }
        }
    }
}

async fn end(failure: Failure, near: TcpStream, far: TcpStream) {
    match failure {
        Failure::Reset => {
            for stream in [&near, &far] {
                let _ = stream.set_zero_linger();
            }
        }
        Failure::Silence => tokio::time::sleep(SILENT_FOR).await,
        Failure::Close | Failure::Delay(_) | Failure::Slow(_) | Failure::Garble => (),
    }
}

/// How far a connection has come.
struct Conversation {
    plan: Plan,
    records: Records,
    passed: [usize; 2],
}

impl Conversation {
    /// Where in `octets` it fails, and how.
    fn hear(&mut self, way: usize, octets: &[u8]) -> Option<(usize, Failure)> {
        let begun = self.records.count;
        let at_record = match (way, self.plan) {
            (UP, Some((Place::Question(number), _))) => self.records.hear(octets, number),
            (UP, _) => self.records.hear(octets, usize::MAX),
            _ => None,
        };
        let (place, failure) = self.plan?;
        let at = match place {
            Place::Question(_) => at_record,
            Place::Answer(number) => (way == DOWN && begun >= number).then_some(0),
            Place::Up(most) => (way == UP).then(|| self.room(way, most, octets)).flatten(),
            Place::Down(most) => (way == DOWN).then(|| self.room(way, most, octets)).flatten(),
        };
        if at.is_none() {
            self.passed[way] += octets.len();
        }
        at.map(|at| (at, failure))
    }

    fn room(&self, way: usize, most: usize, octets: &[u8]) -> Option<usize> {
        let room = most.saturating_sub(self.passed[way]);
        (room < octets.len()).then_some(room)
    }
}

/// Counts records of application data (RFC 8446, section 5.1), however they are cut.
#[derive(Default)]
struct Records {
    header: Vec<u8>,
    left: usize,
    count: usize,
}

impl Records {
    /// Where in `octets` the record of this number begins, if it does.
    fn hear(&mut self, octets: &[u8], number: usize) -> Option<usize> {
        let mut found = None;
        for (at, octet) in octets.iter().enumerate() {
            if self.left > 0 {
                self.left -= 1;
                continue;
            }
            self.header.push(*octet);
            if let [kind, _, _, high, low] = self.header[..] {
                self.left = usize::from(u16::from_be_bytes([high, low]));
                self.header.clear();
                if kind == APPLICATION_DATA {
                    self.count += 1;
                    if self.count == number {
                        // A header cut in two has gone already; that fails as well.
                        found = Some((at + 1).saturating_sub(5));
                    }
                }
            }
        }
        found
    }
}

const APPLICATION_DATA: u8 = 23;
