//! The only way from libkrb5 to the KDC: a port on loopback, over TCP.
//!
//! Left alone, libkrb5 turns to UDP where TCP does not connect at once, and puts the same question
//! again when the answer takes more than three seconds. With a wrong password each of them counts
//! towards locking the account out, which must never be our doing.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::KerberosFault;
use crate::net::{TcpFault, tcp};

pub(super) struct Gate {
    listener: TcpListener,
    /// Keeps others from the same port of UDP. It is connected to itself, so that whatever
    /// libkrb5 sends there is refused at once.
    _udp: std::net::UdpSocket,
    kdc: SocketAddr,
}

impl Gate {
    pub(super) fn open(kdc: SocketAddr) -> io::Result<Self> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            match Self::at_any_port(kdc) {
                Ok(gate) => return Ok(gate),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into()))
    }

    fn at_any_port(kdc: SocketAddr) -> io::Result<Self> {
        let tcp = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = tcp.local_addr()?;
        let udp = std::net::UdpSocket::bind(address)?;
        udp.connect(address)?;
        tcp.set_nonblocking(true)?;
        Ok(Self { listener: TcpListener::from_std(tcp)?, _udp: udp, kdc })
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Passes questions and answers on until the KDC fails to answer one.
    ///
    /// Of questions that sign in two pass: the first hears which proof is wanted, the second has
    /// it. To any further one the last answer is given again.
    pub(super) async fn watch(&self, patience: Duration) -> KerberosFault {
        let (mut sign_ins, mut answer) = (0, Vec::new());
        loop {
            let mut libkrb5 = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => return KerberosFault::NoChild(error.to_string()),
            };
            // It may have given up in the meantime.
            let Ok(question) = message(&mut libkrb5).await else { continue };
            let signs_in = question.first() == Some(&SIGN_IN);
            sign_ins += u32::from(signs_in);
            if !signs_in || sign_ins <= 2 {
                answer = match self.ask(&question, patience).await {
                    Ok(answer) => answer,
                    Err(fault) => return fault,
                };
            }
            let _ = send(&mut libkrb5, &answer).await;
        }
    }

    async fn ask(&self, question: &[u8], patience: Duration) -> Result<Vec<u8>, KerberosFault> {
        let unreachable = |fault| KerberosFault::Unreachable { address: self.kdc, fault };
        let (mut stream, _) = tcp::connect(self.kdc, patience).await.map_err(unreachable)?;
        let exchange = async {
            send(&mut stream, question).await?;
            message(&mut stream).await
        };
        timeout(patience, exchange)
            .await
            .map_err(|_| unreachable(TcpFault::Timeout))?
            .map_err(|error| KerberosFault::Broken(format!("the KDC {}: {error}", self.kdc)))
    }
}

/// Reads a message, which over TCP has its length before it (RFC 4120 section 7.2.2).
async fn message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    if length > LONGEST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not Kerberos"));
    }
    let mut message = Vec::new();
    stream.take(length.into()).read_to_end(&mut message).await?;
    let whole = u32::try_from(message.len()) == Ok(length);
    if whole { Ok(message) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

async fn send(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await
}

/// The tag of an AS-REQ.
const SIGN_IN: u8 = 0x6a;
/// A ticket with the groups of a busy account has some ten thousand octets.
const LONGEST: u32 = 256 * 1024;
/// For a port that is free for both TCP and UDP.
const ATTEMPTS: u32 = 8;

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);
    const TICKET: u8 = 0x6c;

    #[tokio::test]
    async fn a_third_sign_in_does_not_pass_and_hears_the_last_answer() {
        let (kdc, heard) = counting_kdc().await;
        let gate = Gate::open(kdc).unwrap();
        let asked = async {
            let mut answers = Vec::new();
            for tag in [SIGN_IN, SIGN_IN, SIGN_IN, SIGN_IN, TICKET] {
                answers.push(ask(gate.address().unwrap(), &[tag, 0]).await.unwrap());
            }
            answers
        };
        let answers = tokio::select! {
            answers = asked => answers,
            fault = gate.watch(PATIENCE) => panic!("{fault}"),
        };
        assert_eq!(answers, [[1], [2], [2], [2], [3]]);
        assert_eq!(heard.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn the_same_port_of_udp_is_refused_at_once() {
        let gate = Gate::open(([127, 0, 0, 1], 9).into()).unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(gate.address().unwrap()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.send(b"question").unwrap();
        let error = socket.recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn a_closed_a_silent_and_a_babbling_kdc_are_told_apart() {
        let refused = ([127, 0, 0, 1], 9).into();
        let fault = TcpFault::Refused;
        assert_eq!(watched(refused).await, KerberosFault::Unreachable { address: refused, fault });

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let fault = TcpFault::Timeout;
        assert_eq!(watched(address).await, KerberosFault::Unreachable { address, fault });

        let babbling = kdc(|_| b"HTTP/1.1 400 Bad Request\r\n".to_vec()).await;
        assert!(matches!(watched(babbling).await, KerberosFault::Broken(_)));
    }

    /// What the gate comes to when libkrb5 asks.
    async fn watched(kdc: SocketAddr) -> KerberosFault {
        let gate = Gate::open(kdc).unwrap();
        let address = gate.address().unwrap();
        let asking = tokio::spawn(async move { ask(address, &[SIGN_IN]).await.is_err() });
        let fault = gate.watch(PATIENCE).await;
        assert!(asking.await.unwrap());
        fault
    }

    async fn ask(gate: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(gate).await?;
        send(&mut stream, question).await?;
        message(&mut stream).await
    }

    /// Answers with how many questions it has had.
    async fn counting_kdc() -> (SocketAddr, Arc<AtomicU32>) {
        let heard = Arc::new(AtomicU32::new(0));
        let count = heard.clone();
        let kdc = kdc(move |_| {
            let now = count.fetch_add(1, Ordering::Relaxed) + 1;
            vec![0, 0, 0, 1, u8::try_from(now).unwrap()]
        });
        (kdc.await, heard)
    }

    async fn kdc(answer: impl Fn(Vec<u8>) -> Vec<u8> + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let question = message(&mut stream).await.unwrap();
                stream.write_all(&answer(question)).await.unwrap();
            }
        });
        address
    }
}
