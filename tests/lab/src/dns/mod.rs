//! The two DNS servers of the simulated network: they answer for the directory's domain and for the
//! endpoints, over UDP and TCP, and ask the switchboard about every query.

mod zone;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_resolver::proto::op::{Edns, Message, MessageType, ResponseCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time,
};
use tracing::debug;

pub(crate) use zone::Zone;

use crate::{
    datagrams::Datagrams,
    faults::{Active, Effect, Servers, Switchboard, Transport, Trouble},
    port::{Door, Port},
};

/// The domain that the directory's faults are about.
pub(crate) const DOMAIN: &str = zone::DOMAIN;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    First,
    Second,
}

pub(crate) struct Sockets {
    udp: Datagrams,
    tcp: Port,
}

#[derive(Clone)]
pub(crate) struct Server {
    which: Which,
    zone: Arc<Zone>,
    switchboard: Switchboard,
}

impl Sockets {
    /// A port that is free for both transports.
    pub(crate) async fn bind() -> io::Result<Self> {
        const ATTEMPTS: usize = 64;
        let mut outcome = Err(io::ErrorKind::AddrInUse.into());
        for _ in 0..ATTEMPTS {
            let udp = Datagrams::at((Ipv4Addr::LOCALHOST, 0).into()).await?;
            outcome = Port::at(udp.address()).await.map(|tcp| Self { udp, tcp });
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.tcp.address()
    }
}

impl Server {
    pub(crate) fn new(which: Which, zone: &Arc<Zone>, switchboard: &Switchboard) -> Self {
        Self { which, zone: Arc::clone(zone), switchboard: switchboard.clone() }
    }

    pub(crate) async fn serve(self, sockets: Sockets) {
        let Sockets { udp, tcp } = sockets;
        let door = |active: &Active| match self.trouble_in(active) {
            Some(Trouble::Truncates | Trouble::Closed) => Door::Closed,
            Some(Trouble::Silent | Trouble::Refuses | Trouble::Fails | Trouble::Garbles) | None => {
                Door::Open
            }
        };
        let answer = |stream| {
            let server = self.clone();
            async move {
                let served = time::timeout(PATIENCE, server.serve_connection(stream)).await;
                debug!(?served, "served DNS over TCP");
            }
        };
        let over_tcp = tcp.serve(self.switchboard.watch(), door, answer);
        let over_udp = udp.serve(
            self.switchboard.watch(),
            |active| self.is_closed(active),
            |query, _| self.answer(query, Transport::Udp),
            || Duration::ZERO,
        );
        tokio::join!(over_tcp, over_udp);
    }

    /// Each message goes after its length, in two bytes.
    pub(crate) async fn serve_connection(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            let length = stream.read_u16().await?;
            let mut query = vec![0; usize::from(length)];
            stream.read_exact(&mut query).await?;
            if let Some(answer) = self.answer(&query, Transport::Tcp) {
                stream.write_u16(u16::try_from(answer.len()).map_err(io::Error::other)?).await?;
                stream.write_all(&answer).await?;
            }
        }
    }

    /// Nothing when the server is silent, or was not asked anything.
    pub(crate) fn answer(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let query = Message::from_vec(query).ok()?;
        let question = query.queries.first().filter(|_| is_query(&query))?;
        let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
        answer.metadata.recursion_desired = query.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(question.clone());
        if query.edns.is_some() {
            answer.set_edns(Edns::new());
        }
        match self.switchboard.find(|effect| self.trouble(effect)) {
            Some(Trouble::Silent | Trouble::Closed) => return None,
            Some(Trouble::Refuses) => answer.metadata.response_code = ResponseCode::Refused,
            Some(Trouble::Fails) => answer.metadata.response_code = ResponseCode::ServFail,
            Some(Trouble::Garbles) => return garbled(&answer),
            Some(Trouble::Truncates) if transport == Transport::Udp => {
                answer.metadata.truncation = true;
            }
            Some(Trouble::Truncates) | None => {
                self.zone.answer(self.which, question, &self.switchboard, &mut answer);
            }
        }
        answer.to_vec().ok()
    }

    fn is_closed(&self, active: &Active) -> bool {
        self.trouble_in(active) == Some(Trouble::Closed)
    }

    fn trouble_in(&self, active: &Active) -> Option<Trouble> {
        active.find(|effect| self.trouble(effect))
    }

    fn trouble(&self, effect: Effect) -> Option<Trouble> {
        let Effect::Server(servers, trouble) = effect else { return None };
        (servers == Servers::Both || self.which == Which::Second).then_some(trouble)
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

fn is_query(message: &Message) -> bool {
    message.metadata.message_type == MessageType::Query
}

/// A reply to the right question whose one record breaks off after its type.
fn garbled(answer: &Message) -> Option<Vec<u8>> {
    const ANSWER_COUNT: usize = 7;
    const QUESTION_S_NAME: [u8; 2] = [0xc0, 0x0c];
    const TYPE_A: [u8; 2] = [0x00, 0x01];
    let mut plain = Message::response(answer.metadata.id, answer.metadata.op_code);
    plain.add_queries(answer.queries.iter().cloned());
    let mut bytes = plain.to_vec().ok()?;
    *bytes.get_mut(ANSWER_COUNT)? = 1;
    bytes.extend_from_slice(&QUESTION_S_NAME);
    bytes.extend_from_slice(&TYPE_A);
    Some(bytes)
}

#[cfg(test)]
mod tests;
