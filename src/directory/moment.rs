//! Times as Active Directory writes them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Tenths of microseconds since 1601 (FILETIME). None for 0 and for the largest number, by which
/// "never" is written (MS-ADTS 2.2.22, `accountExpires`).
pub(super) fn file_time(ticks: i64) -> Option<SystemTime> {
    let ticks = u64::try_from(ticks).ok().filter(|it| *it != 0 && *it != NEVER)?;
    let since_1601 = Duration::from_micros(ticks / 10);
    UNIX_EPOCH.checked_add(since_1601.checked_sub(FROM_1601_TO_1970)?)
}

const NEVER: u64 = i64::MAX.unsigned_abs();
const FROM_1601_TO_1970: Duration = Duration::from_secs(11_644_473_600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_times_are_read() {
        let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(file_time(116_444_736_000_000_000), at(0));
        assert_eq!(file_time(134_398_406_400_000_000), at(1_795_367_040));
        assert_eq!([file_time(0), file_time(i64::MAX), file_time(-1), file_time(1)], [None; 4]);
    }
}
