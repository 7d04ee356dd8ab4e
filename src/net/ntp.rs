//! NTP: one question to a time server (SNTP, RFC 4330 section 5; packet: RFC 5905 section 7.3).

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use super::udp::{self, UdpFault};

/// What a time server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NtpReply {
    /// 1 has a clock of its own, each further server one more; 16 has no time to give, and 0 sends
    /// clients away ("kiss of death").
    pub stratum: u8,
    /// Since the question was first sent.
    pub took: Duration,
    /// How often it was sent.
    pub sent: u32,
    received: Timestamp,
    transmitted: Timestamp,
}

/// Asks one server for the time. The question carries no time of ours: what comes back as its
/// originate timestamp is a random value, which nobody off the path can guess.
pub async fn ask(address: SocketAddr, limit: Duration) -> Result<NtpReply, UdpFault> {
    let originate = rand::random();
    let question = question(originate);
    let heard = udp::ask(address, &[&question], limit, |bytes| read(bytes, originate)).await?;
    Ok(NtpReply { took: heard.took, sent: heard.sent, ..heard.what })
}

impl NtpReply {
    /// By how many seconds the server's clock is ahead of ours, which stood at `heard_at` when the
    /// reply came. None if the server has no time to give, or if the question had to be sent twice
    /// and it is unknown which one was answered.
    pub fn offset(&self, heard_at: SystemTime) -> Option<f64> {
        let has_time = (1..16).contains(&self.stratum);
        if !has_time || self.sent != 1 {
            return None;
        }
        let asked = timestamp(heard_at.checked_sub(self.took)?)?;
        let heard = timestamp(heard_at)?;
        Some((ahead(self.received, asked) + ahead(self.transmitted, heard)) / 2.0)
    }
}

/// Seconds since 1900, modulo 2^32, and a fraction of 2^-32 s.
type Timestamp = u64;

fn question(originate: Timestamp) -> [u8; PACKET] {
    let mut packet = [0; PACKET];
    packet[0] = VERSION_4 << 3 | MODE_CLIENT;
    packet[TRANSMITTED..].copy_from_slice(&originate.to_be_bytes());
    packet
}

/// None if these octets do not answer the question.
fn read(bytes: &[u8], originate: Timestamp) -> Option<NtpReply> {
    let at = |place: usize| {
        let octets = bytes.get(place..)?.first_chunk::<8>()?;
        Some(u64::from_be_bytes(*octets))
    };
    let [first, stratum] = *bytes.first_chunk::<2>()?;
    let (received, transmitted) = (at(RECEIVED)?, at(TRANSMITTED)?);
    let ours = first & 0b111 == MODE_SERVER && at(ORIGINATE)? == originate;
    ours.then_some(NtpReply { stratum, took: Duration::ZERO, sent: 0, received, transmitted })
}

/// Wraps, so that it holds across the end of the era in 2036.
fn ahead(theirs: Timestamp, ours: Timestamp) -> f64 {
    theirs.wrapping_sub(ours).cast_signed() as f64 / FRACTIONS
}

fn timestamp(at: SystemTime) -> Option<Timestamp> {
    let since_1970 = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let seconds = since_1970.as_secs().wrapping_add(FROM_1900_TO_1970) << 32;
    let fraction = (u64::from(since_1970.subsec_nanos()) << 32) / 1_000_000_000;
    Some(seconds | fraction)
}

const PACKET: usize = 48;
const ORIGINATE: usize = 24;
const RECEIVED: usize = 32;
const TRANSMITTED: usize = 40;
const VERSION_4: u8 = 4;
const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;
const FROM_1900_TO_1970: u64 = 2_208_988_800;
const FRACTIONS: f64 = 4_294_967_296.0;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::net::peers;

    const LIMIT: Duration = Duration::from_millis(200);
    /// 2030-01-01, and 2036-02-07 06:28:15, a second before the era ends.
    const NOON: Duration = Duration::from_secs(1_893_456_000);
    const ERA_END: Duration = Duration::from_secs(2_085_978_495);

    #[tokio::test]
    async fn a_server_is_heard() {
        let reply = ask(server(2, NOON, |packet| packet), LIMIT).await.unwrap();
        assert_eq!((reply.stratum, reply.sent), (2, 1));
        let offset = reply.offset(SystemTime::UNIX_EPOCH + NOON + Duration::from_secs(90));
        assert!((offset.unwrap() + 90.0).abs() < 0.2, "{offset:?}");
    }

    #[tokio::test]
    async fn the_end_of_the_era_is_passed() {
        let reply = ask(server(1, ERA_END, |packet| packet), LIMIT).await.unwrap();
        let offset = reply.offset(SystemTime::UNIX_EPOCH + ERA_END + Duration::from_secs(10));
        assert!((offset.unwrap() + 10.0).abs() < 0.2, "{offset:?}");
    }

    #[tokio::test]
    async fn a_kiss_of_death_is_stratum_zero_and_has_no_time() {
        let reply = ask(server(0, NOON, |packet| packet), LIMIT).await.unwrap();
        assert_eq!((reply.stratum, reply.offset(SystemTime::UNIX_EPOCH + NOON)), (0, None));
    }

    #[tokio::test]
    async fn an_answer_to_someone_else_is_passed_over() {
        let forged = server(2, NOON, |mut packet| {
            packet[ORIGINATE] ^= 1;
            packet
        });
        let fault = ask(forged, LIMIT).await.unwrap_err();
        assert!(matches!(fault, UdpFault::Malformed(_)), "{fault:?}");
    }

    #[tokio::test]
    async fn our_own_question_is_not_an_answer() {
        let echo = peers::udp(|question| vec![question.to_vec()]);
        assert!(matches!(ask(echo, LIMIT).await, Err(UdpFault::Malformed(_))));
    }

    #[tokio::test]
    async fn silence_and_refusal_are_told_apart() {
        let (_socket, silent) = peers::silent_udp();
        assert_eq!(ask(silent, LIMIT).await, Err(UdpFault::Timeout));
        assert_eq!(ask(peers::closed(), LIMIT).await, Err(UdpFault::Refused));
    }

    proptest! {
        #[test]
        fn no_octets_upset_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            read(&bytes, 0);
        }

        #[test]
        fn what_is_too_short_is_no_answer(size in 0_usize..PACKET) {
            prop_assert_eq!(read(&[MODE_SERVER; PACKET][..size], 0), None);
        }
    }

    fn server(stratum: u8, now: Duration, twist: fn([u8; PACKET]) -> [u8; PACKET]) -> SocketAddr {
        peers::udp(move |question| {
            assert_eq!((question.len(), question[0]), (PACKET, 0x23));
            let mut packet = [0; PACKET];
            packet[..2].copy_from_slice(&[VERSION_4 << 3 | MODE_SERVER, stratum]);
            packet[ORIGINATE..RECEIVED].copy_from_slice(&question[TRANSMITTED..]);
            let now = timestamp(SystemTime::UNIX_EPOCH + now).unwrap().to_be_bytes();
            packet[RECEIVED..TRANSMITTED].copy_from_slice(&now);
            packet[TRANSMITTED..].copy_from_slice(&now);
            vec![twist(packet).to_vec()]
        })
    }
}
