//! How long each phase of looking at an endpoint may take.

use std::time::Duration;

/// The longest each phase may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Resolving a host, all name servers together.
    pub dns: Duration,
    /// Making a TCP connection.
    pub connect: Duration,
    /// A TLS handshake, one HTTP exchange, or a question over UDP.
    pub talk: Duration,
}

impl Limits {
    /// Limits under which looking at `probes` on `hosts` distinct hosts takes no more than 90 % of
    /// `timeout` even if everyone is silent; none if that would leave a phase less than 1.5 s.
    ///
    /// Each of the three phases passes a [`Turnstile`](super::Turnstile), where `n` silent ones
    /// have all begun after `ceil(n / places) * PATIENCE`. A look at the silent thus takes at most
    ///
    /// ```text
    /// (ceil(hosts / 64) + ceil(probes / 64) + ceil(probes / max_handshakes)) * PATIENCE
    ///     + dns + connect + talk
    /// ```
    ///
    /// What the queues leave of the 90 % is shared equally, and no phase gets more than 5 s. The
    /// remaining 10 % are for timers, scheduling and the arithmetic of the handshakes. The bound
    /// is that of one look at a time: two at once share the turnstiles, and wait for each other.
    pub fn within(
        timeout: Duration,
        hosts: usize,
        probes: usize,
        max_handshakes: usize,
    ) -> Option<Self> {
        let queueing = queueing(hosts, probes, max_handshakes);
        let usable = timeout / 10 * 9;
        let phase = (usable.checked_sub(queueing)? / PHASES).min(LONGEST);
        (phase >= SHORTEST).then_some(Self { dns: phase, connect: phase, talk: phase })
    }

    /// The shortest `timeout` for which [`within`](Self::within) has limits, in whole seconds.
    pub fn least(hosts: usize, probes: usize, max_handshakes: usize) -> Duration {
        let needed = queueing(hosts, probes, max_handshakes) + SHORTEST * PHASES;
        Duration::from_secs((needed.as_secs_f64() / 0.9).ceil() as u64)
    }
}

fn queueing(hosts: usize, probes: usize, max_handshakes: usize) -> Duration {
    let turns = hosts.div_ceil(LOOKUPS_AT_ONCE)
        + probes.div_ceil(CONNECTS_AT_ONCE)
        + probes.div_ceil(max_handshakes.max(1));
    PATIENCE.saturating_mul(u32::try_from(turns).unwrap_or(u32::MAX))
}

/// How many hosts are looked up at once.
pub(super) const LOOKUPS_AT_ONCE: usize = 64;
/// How many connections are being made at once.
pub(super) const CONNECTS_AT_ONCE: usize = 64;
/// For how long a silent peer holds up others.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
const PHASES: u32 = 3;
const LONGEST: Duration = Duration::from_secs(5);
/// A lost SYN is sent again after one second; it must not be taken for silence.
const SHORTEST: Duration = Duration::from_millis(1500);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_small_look_has_five_seconds_a_phase() {
        let five = Duration::from_secs(5);
        let limits = Limits { dns: five, connect: five, talk: five };
        assert_eq!(Limits::within(Duration::from_secs(60), 10, 10, 12), Some(limits));
    }

    #[test]
    fn a_large_look_has_less() {
        // 5 + 5 + 25 turns are 17.5 s; 27 s are usable: 9.5 s for three phases.
        let limits = Limits::within(Duration::from_secs(30), 300, 300, 12).unwrap();
        assert_eq!(limits.talk.as_millis(), 3166);
    }

    #[test]
    fn a_look_that_cannot_fit_is_refused() {
        assert_eq!(Limits::within(Duration::from_secs(20), 300, 300, 12), None);
        let least = Limits::least(300, 300, 12);
        assert!(Limits::within(least, 300, 300, 12).is_some());
        assert!(Limits::within(least - Duration::from_secs(1), 300, 300, 12).is_none());
        assert_eq!(Limits::within(Duration::from_secs(3), 1, 1, 12), None);
    }

    proptest! {
        #[test]
        fn the_worst_case_is_within_nine_tenths(
            timeout in 1_u64..600_000, hosts in 0_usize..2000, more in 0_usize..2000,
            max_handshakes in 0_usize..128,
        ) {
            let (timeout, probes) = (Duration::from_millis(timeout), hosts + more);
            let Some(limits) = Limits::within(timeout, hosts, probes, max_handshakes) else {
                return Ok(());
            };
            let turns = hosts.div_ceil(64) + probes.div_ceil(64)
                + probes.div_ceil(max_handshakes.max(1));
            let queueing = Duration::from_millis(500) * u32::try_from(turns).unwrap();
            let worst = queueing + limits.dns + limits.connect + limits.talk;
            prop_assert!(worst * 10 <= timeout * 9);
            for phase in [limits.dns, limits.connect, limits.talk] {
                prop_assert!(phase >= SHORTEST && phase <= Duration::from_secs(5));
            }
        }
    }
}
