//! Peers that misbehave below the protocol, which no real server does on request.

use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::ports::free_address;

const CLIENT_SPEAKS_WITHIN: Duration = Duration::from_secs(10);

/// A UDP port that takes everything and answers nothing. Hold the socket for as long as it is to be silent.
pub fn silent_udp() -> UdpSocket {
    UdpSocket::bind(free_address()).unwrap()
}

/// A TCP port that connects (the kernel does) and then says nothing. Hold the listener.
pub fn silent_tcp() -> TcpListener {
    TcpListener::bind(free_address()).unwrap()
}

/// A TCP port that answers the first bytes, such as a ClientHello, with a reset.
pub fn resetting_tcp() -> Peer {
    // Linux resets a connection that is closed with received bytes still unread.
    Peer::start(|stream| drop(stream.peek(&mut [0])))
}

/// A TCP port that reads the first bytes, such as a ClientHello, and closes in good order.
pub fn closing_tcp() -> Peer {
    Peer::start(|mut stream| {
        let _ = stream.read(&mut [0; 16 * 1024]);
        let _ = stream.shutdown(Shutdown::Both);
    })
}

/// A thread that treats one TCP connection after the other in the same way.
#[derive(Debug)]
pub struct Peer {
    pub address: SocketAddr,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    fn start(treat: impl Fn(TcpStream) + Send + 'static) -> Self {
        let listener = silent_tcp();
        let address = listener.local_addr().unwrap();
        let stopping = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopping);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                stream.set_read_timeout(Some(CLIENT_SPEAKS_WITHIN)).unwrap();
                treat(stream);
            }
        };
        Self { address, stopping, thread: Some(thread::spawn(serve)) }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
