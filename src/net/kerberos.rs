//! A Kerberos KDC: whether it answers, and what time it has (RFC 4120).
//!
//! The question is an AS request without pre-authentication. It proves nothing and so can be no
//! wrong password: the usual answer is that pre-authentication is required, which no domain
//! controller counts as a failed sign-in.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{
    TcpFault, UdpFault,
    ber::{self, Parts, generalized_time, tlv},
    tcp, udp,
};

/// What carries the question. Windows uses UDP unless the answer does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// A KDC's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KdcReply {
    /// Since the question was first sent; over TCP with the connection.
    pub took: Duration,
    /// The `error-code` of a KRB-ERROR (RFC 4120, section 7.5.9); none if it gave a ticket.
    pub code: Option<i64>,
    /// Its clock, of a KRB-ERROR.
    pub clock: Option<SystemTime>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KerberosFault {
    #[error("{0}")]
    Udp(UdpFault),
    #[error("{0}")]
    Tcp(TcpFault),
    #[error("connected, and no answer")]
    Silent,
    #[error("connection ended")]
    Closed,
    #[error("not Kerberos")]
    Malformed,
}

/// Asks the KDC of `realm`, in capitals, for a ticket for `client`.
pub async fn ask(
    address: SocketAddr,
    realm: &str,
    client: &str,
    transport: Transport,
    limit: Duration,
) -> Result<KdcReply, KerberosFault> {
    let question = question(realm, client);
    match transport {
        Transport::Udp => {
            let asked = udp::ask(address, &[&question], limit, |bytes| read(bytes).ok()).await;
            let heard = asked.map_err(KerberosFault::Udp)?;
            Ok(KdcReply { took: heard.took, ..heard.what })
        }
        Transport::Tcp => {
            let started = Instant::now();
            let (mut stream, _) = tcp::connect(address, limit).await.map_err(KerberosFault::Tcp)?;
            let size = u32::try_from(question.len()).unwrap_or(u32::MAX);
            let sent = [&size.to_be_bytes(), &question[..]].concat();
            let exchange = async {
                stream.write_all(&sent).await.map_err(|_| KerberosFault::Closed)?;
                let size = stream.read_u32().await.map_err(|_| KerberosFault::Closed)?;
                if size > LARGEST {
                    return Err(KerberosFault::Malformed);
                }
                let mut answer = vec![0; size as usize];
                stream.read_exact(&mut answer).await.map_err(|_| KerberosFault::Closed)?;
                read(&answer).map_err(|_| KerberosFault::Malformed)
            };
            let heard = timeout(limit, exchange).await.map_err(|_| KerberosFault::Silent)??;
            Ok(KdcReply { took: started.elapsed(), ..heard })
        }
    }
}

/// AS-REQ (section 5.4.1), without `padata`.
fn question(realm: &str, client: &str) -> Vec<u8> {
    let field = |number: u8, content: Vec<u8>| tlv(CONTEXT | number, &content);
    let integer = |value: u32| {
        let octets = i64::from(value).to_be_bytes();
        // As short as may be, and not negative (X.690, section 8.3.2).
        let needless = octets.windows(2).take_while(|it| it[0] == 0 && it[1] < 0x80).count();
        tlv(INTEGER, &octets[needless..])
    };
    let text = |text: &str| tlv(GENERAL_STRING, text.as_bytes());
    let name = |kind: u32, parts: &[&str]| {
        let parts: Vec<u8> = parts.iter().flat_map(|part| text(part)).collect();
        tlv(SEQUENCE, &[field(0, integer(kind)), field(1, tlv(SEQUENCE, &parts))].concat())
    };
    let nonce: u32 = rand::random();
    let types: Vec<u8> = ENCRYPTION_TYPES.into_iter().flat_map(integer).collect();
    let body = [
        field(0, tlv(BIT_STRING, &[0, 0, 0, 0, 0])),
        field(1, name(PRINCIPAL, &[client])),
        field(2, text(realm)),
        field(3, name(SERVICE, &["krbtgt", realm])),
        field(5, tlv(GENERALIZED_TIME, FOR_EVER)),
        field(7, integer(nonce >> 1)),
        field(8, tlv(SEQUENCE, &types)),
    ];
    let request = [
        field(1, integer(VERSION)),
        field(2, integer(AS_REQUEST)),
        field(4, tlv(SEQUENCE, &body.concat())),
    ];
    tlv(APPLICATION_AS_REQUEST, &tlv(SEQUENCE, &request.concat()))
}

fn read(octets: &[u8]) -> Result<KdcReply, ber::Malformed> {
    let (reply, _) = ber::read(octets)?;
    let mut told = KdcReply { took: Duration::ZERO, code: None, clock: None };
    let fields = Parts::of(reply.content, SEQUENCE)?;
    match reply.tag {
        APPLICATION_AS_REPLY => return Ok(told),
        APPLICATION_ERROR => (),
        _ => return Err(ber::Malformed::Unexpected),
    }
    let (mut at, mut microseconds) = (None, 0);
    for field in fields {
        let field = field?;
        let (value, _) = ber::read(field.content)?;
        match field.tag {
            STIME => at = str::from_utf8(value.content).ok().and_then(generalized_time),
            SUSEC => microseconds = value.integer()?,
            ERROR_CODE => told.code = Some(value.integer()?),
            _ => (),
        }
    }
    let microseconds = u64::try_from(microseconds).unwrap_or_default();
    told.clock = at.map(|at| at + Duration::from_micros(microseconds.min(999_999)));
    if told.code.is_some() { Ok(told) } else { Err(ber::Malformed::Unexpected) }
}

const LARGEST: u32 = 64 * 1024;
const VERSION: u32 = 5;
const AS_REQUEST: u32 = 10;
/// NT-PRINCIPAL and NT-SRV-INST (section 6.2).
const PRINCIPAL: u32 = 1;
const SERVICE: u32 = 2;
/// AES-256, AES-128 and RC4 (RFC 3962, RFC 4757).
const ENCRYPTION_TYPES: [u32; 3] = [18, 17, 23];
/// As Windows asks.
const FOR_EVER: &[u8] = b"20370913024805Z";

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const GENERALIZED_TIME: u8 = 0x18;
const GENERAL_STRING: u8 = 0x1b;
const SEQUENCE: u8 = 0x30;
const CONTEXT: u8 = 0xa0;
const APPLICATION_AS_REQUEST: u8 = 0x6a;
const APPLICATION_AS_REPLY: u8 = 0x6b;
const APPLICATION_ERROR: u8 = 0x7e;
/// Fields of a KRB-ERROR (section 5.9.1).
const STIME: u8 = CONTEXT | 4;
const SUSEC: u8 = CONTEXT | 5;
const ERROR_CODE: u8 = CONTEXT | 6;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;
    use tokio::net::TcpListener;

    use super::*;
    use crate::net::peers::{self, octets};

    const LIMIT: Duration = Duration::from_millis(200);

    #[test]
    fn a_real_answer_is_read() {
        let reply = read(&octets(SAMBA)).unwrap();
        let needs_proof = 25;
        assert_eq!(reply.code, Some(needs_proof));
        let at = UNIX_EPOCH + Duration::from_micros(1_795_390_824_234_848);
        assert_eq!(reply.clock, Some(at));
    }

    #[test]
    fn the_question_proves_nothing() {
        let question = question("CORP.CONTOSO.TEST", "DC1$");
        let request = Parts::of(&question, APPLICATION_AS_REQUEST).unwrap().inside(SEQUENCE);
        let fields: Vec<u8> = request.unwrap().map(|field| field.unwrap().tag).collect();
        let padata = CONTEXT | 3;
        assert_eq!(fields, [CONTEXT | 1, CONTEXT | 2, CONTEXT | 4]);
        assert!(!fields.contains(&padata));
    }

    #[tokio::test]
    async fn a_kdc_is_heard_over_both() {
        let server = peers::udp(|_| vec![octets(SAMBA)]);
        let reply = asked(server, Transport::Udp).await.unwrap();
        assert_eq!(reply.code, Some(25));
        let answer = octets(SAMBA);
        let size = u32::try_from(answer.len()).unwrap().to_be_bytes();
        let server = tcp_peer([&size[..], &answer].concat()).await;
        assert_eq!(asked(server, Transport::Tcp).await.unwrap().code, Some(25));
    }

    #[tokio::test]
    async fn what_is_no_kdc_is_told() {
        let babbling = tcp_peer(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
        assert_eq!(asked(babbling, Transport::Tcp).await, Err(KerberosFault::Malformed));
        let closing = tcp_peer(Vec::new()).await;
        assert_eq!(asked(closing, Transport::Tcp).await, Err(KerberosFault::Closed));
        let (_listener, silent) = peers::silent_tcp();
        assert_eq!(asked(silent, Transport::Tcp).await, Err(KerberosFault::Silent));
        let closed = asked(peers::closed(), Transport::Tcp).await;
        assert_eq!(closed, Err(KerberosFault::Tcp(TcpFault::Refused)));
        let closed = asked(peers::closed(), Transport::Udp).await;
        assert_eq!(closed, Err(KerberosFault::Udp(UdpFault::Refused)));
    }

    proptest! {
        #[test]
        fn no_octets_upset_the_reader(at in 0_usize..400, octet in any::<u8>(), cut in 0_usize..401) {
            let mut answer = octets(SAMBA);
            let last = answer.len() - 1;
            answer[at.min(last)] = octet;
            answer.truncate(cut);
            let _ = read(&answer);
        }
    }

    async fn asked(server: SocketAddr, transport: Transport) -> Result<KdcReply, KerberosFault> {
        ask(server, "CORP.CONTOSO.TEST", "DC1$", transport, LIMIT).await
    }

    /// Hears something, says this, and hangs up.
    async fn tcp_peer(says: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; 1024];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(&says).await;
        });
        address
    }

    /// KDC_ERR_PREAUTH_REQUIRED, of Samba 4.17.
    const SAMBA: &str = "7e82015730820153a003020105a10302011ea411180f32303236313132323233343032345aa505020303\
        9560a603020119a7131b11434f52502e434f4e544f534f2e54455354a811300fa003020101a10830061b\
        0444433124a9131b11434f52502e434f4e544f534f2e54455354aa263024a003020102a11d301b1b066b\
        72627467741b11434f52502e434f4e544f534f2e54455354ab2b1b294e65656420746f20757365205041\
        2d454e432d54494d455354414d502f50412d504b2d41532d524551ac819504819230818f3009a1030201\
        10a20204003009a10302010fa2020400300aa10402020093a20204003009a103020102a2020400300aa1\
        0402020088a2020400300aa1040202028fa20204003048a103020113a241043f303d303ba003020112a1\
        2c1b2a434f52502e434f4e544f534f2e54455354686f73746463312e636f72702e636f6e746f736f2e74\
        657374a206040400001000";
}
