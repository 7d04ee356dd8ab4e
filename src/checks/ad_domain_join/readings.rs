//! The numbers of a rehearsed join.

use std::time::Duration;

use super::{Facts, Proof};
use crate::{
    directory::{Answer, Computers, Phase},
    engine::{Clock, Family, Kind, Reading},
};

pub(super) fn of(facts: &Facts) -> Vec<Reading> {
    let mut readings = Vec::new();
    let mut phase = |name: &str, took: Duration| {
        readings.push(Reading::new(&PHASE, [name], took.as_secs_f64()));
    };
    if let Some(located) = &facts.signed_in.located {
        phase("locate", located.took);
    }
    if let Some((_, took)) = &facts.signed_in.at {
        phase("bind", *took);
    }
    let Some(seen) = &facts.seen else { return readings };
    if let Proof::Done(_, rehearsed) = &seen.proof {
        for (each, took) in &rehearsed.took {
            phase(Phase::as_str(*each), *took);
        }
    }
    let mut tell = |family, value: Option<f64>| {
        readings.extend(value.map(|value| Reading::new(family, [] as [&str; 0], value)));
    };
    let count = |computers: &Option<Result<Computers, Answer>>| {
        let computers = computers.as_ref()?.as_ref().ok()?;
        u32::try_from(computers.computers.len()).ok().map(f64::from)
    };
    let domain = seen.domain.as_ref().and_then(|domain| domain.as_ref().ok());
    let account = seen.account.as_ref().and_then(|account| account.as_ref().ok()?.as_ref());
    tell(&QUOTA, domain.and_then(|domain| domain.quota).map(f64::from));
    tell(&USED, count(&seen.used));
    tell(&LEFTOVERS, count(&seen.left_by_microsoft));
    tell(&PASSWORD_EXPIRY, account.and_then(|it| it.password_expires).map(Clock::unix));
    readings
}

const PHASE: Family = Family {
    name: "anc_ad_join_phase_seconds",
    help: "Time a phase of the rehearsed join took, as of the last time it was done.",
    labels: &["phase"],
    kind: Kind::Gauge,
};

const QUOTA: Family = Family {
    name: "anc_ad_machine_account_quota",
    help: "Computers that an account without rights may create: ms-DS-MachineAccountQuota.",
    labels: &[],
    kind: Kind::Gauge,
};

const USED: Family = Family {
    name: "anc_ad_machine_accounts_used",
    help: "Computers that the join account has created by quota; 1000 stands for more.",
    labels: &[],
    kind: Kind::Gauge,
};

const PASSWORD_EXPIRY: Family = Family {
    name: "anc_ad_join_account_password_expiry_timestamp_seconds",
    help: "When the join account's password expires; absent if it never does.",
    labels: &[],
    kind: Kind::Gauge,
};

const LEFTOVERS: Family = Family {
    name: "anc_ad_leftover_computers",
    help: "Computer objects CPC-Hth* that Microsoft's check left; 1000 stands for more.",
    labels: &[],
    kind: Kind::Gauge,
};
