//! The numbers of domain controllers.

use super::{Facts, look::Role};
use crate::{
    directory::Controller,
    engine::{Family, Kind, Reading},
};

pub(super) fn of(facts: &Facts) -> Vec<Reading> {
    let mut readings = Vec::new();
    for (Controller { host, .. }, looked) in &facts.looked {
        for knock in looked.knocks.iter().filter(|knock| !knock.is_unseen()) {
            // Told each time, whichever it is.
            let named = knock.role == Role::Netlogon;
            let port = if named { "netlogon".to_owned() } else { knock.port.to_string() };
            let labels = [host.clone(), port, knock.protocol.to_owned()];
            let up = f64::from(u8::from(knock.outcome.is_ok()));
            readings.push(Reading::new(&UP, labels, up));
        }
        let mut tell = |family, value: Option<f64>| {
            readings.extend(value.map(|value| Reading::new(family, [host.as_str()], value)));
        };
        tell(&OFFSET, looked.clock_offset);
        tell(&ROUND_TRIP, looked.round_trip.map(|took| took.as_secs_f64()));
        let not_after = looked.certificate.as_ref().map(|chain| chain.leaf.not_after);
        #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit for a while")]
        tell(&NOT_AFTER, not_after.filter(|it| *it > 0).map(|it| it as f64));
    }
    readings
}

const UP: Family = Family {
    name: "anc_dc_up",
    help: "Whether the port of the domain controller answered (1) or not (0), as of the last run.",
    labels: &["dc", "port", "protocol"],
    kind: Kind::Gauge,
};

const OFFSET: Family = Family {
    name: "anc_dc_clock_offset_seconds",
    help: "By how much the domain controller's clock is ahead of this machine's.",
    labels: &["dc"],
    kind: Kind::Gauge,
};

const ROUND_TRIP: Family = Family {
    name: "anc_dc_round_trip_seconds",
    help: "Time the domain controller took to answer a CLDAP ping, or else for its rootDSE.",
    labels: &["dc"],
    kind: Kind::Gauge,
};

const NOT_AFTER: Family = Family {
    name: "anc_dc_certificate_not_after_timestamp_seconds",
    help: "End of validity of the certificate on the domain controller's LDAPS port.",
    labels: &["dc"],
    kind: Kind::Gauge,
};
