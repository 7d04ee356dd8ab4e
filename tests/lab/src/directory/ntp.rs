//! The time, by NTP (RFC 5905, section 7.3).

use super::conditions::Conditions;

/// None if it is no question of a client.
pub(super) fn answer(conditions: &Conditions, question: &[u8]) -> Option<Vec<u8>> {
    const CLIENT: u8 = 3;
    const SERVER: u8 = 4;
    let question = question.first_chunk::<48>()?;
    if question[0] & 0b111 != CLIENT {
        return None;
    }
    let now = timestamp(conditions.now().unix_timestamp_nanos())?.to_be_bytes();
    let (version, poll) = (question[0] & 0b11_1000, question[2]);
    const STRATUM: u8 = 3;
    const PRECISION: u8 = 0xe9;
    const ROOT_DELAY: [u8; 4] = [0, 0, 0x08, 0];
    const ROOT_DISPERSION: [u8; 4] = [0, 0, 0x10, 0];
    const REFERENCE: [u8; 4] = *b"LAB\0";
    let head = [version | SERVER, STRATUM, poll, PRECISION];
    let parts: [&[u8]; 8] =
        [&head, &ROOT_DELAY, &ROOT_DISPERSION, &REFERENCE, &now, &question[40..], &now, &now];
    Some(parts.concat())
}

/// Seconds since 1900, modulo 2^32, and a fraction of 2^-32 s.
fn timestamp(nanoseconds: i128) -> Option<u64> {
    const FROM_1900_TO_1970: i128 = 2_208_988_800;
    const SECOND: i128 = 1_000_000_000;
    let seconds = (nanoseconds.div_euclid(SECOND) + FROM_1900_TO_1970).rem_euclid(1 << 32);
    let fraction = (nanoseconds.rem_euclid(SECOND) << 32) / SECOND;
    u64::try_from(seconds << 32 | fraction).ok()
}
