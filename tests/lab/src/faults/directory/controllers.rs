//! The faults that `domain_controllers` sees first. Who joins, or tries to, signs in to the first
//! domain controller: what is wrong with the second is no matter to it.

use std::time::Duration;

use super::{
    super::{Certificate, Effect, Fault, Strike},
    CONTROLLERS, Conduct, Controllers, FAILED, INFORMATIONAL, JOIN, Service, Shut, Transport,
    WARNING,
};

pub(in super::super) const FAULTS: &[Fault] = &[
    Fault {
        strikes: &[Strike { check: JOIN, status: WARNING, reasons: None }],
        ..of(
            Controllers::First,
            "dc_unreachable",
            Conduct::Down(Shut::Silent),
            "A firewall drops whatever is sent to the first domain controller.",
        )
    },
    Fault {
        name: "dc_smb_refused",
        ..of_second(
            "tcp_refused",
            Conduct::Port(Service::Smb, Transport::Tcp, Shut::Refused),
            "The second domain controller's port for SMB is closed.",
        )
    },
    Fault {
        name: "dcs_smb_refused",
        status: FAILED,
        ..of(
            Controllers::Both,
            "tcp_refused",
            Conduct::Port(Service::Smb, Transport::Tcp, Shut::Refused),
            "Both domain controllers' ports for SMB are closed: nobody can join.",
        )
    },
    Fault {
        name: "dc_netlogon_timeout",
        ..of_second(
            "tcp_timeout",
            Conduct::Port(Service::Netlogon, Transport::Tcp, Shut::Silent),
            "A firewall drops RPC to the port that the second domain controller's endpoint mapper names.",
        )
    },
    Fault {
        name: "dc_time_no_reply",
        ..of_second(
            "udp_no_reply",
            Conduct::Port(Service::Ntp, Transport::Udp, Shut::Silent),
            "The second domain controller does not tell the time.",
        )
    },
    Fault {
        name: "dc_kerberos_udp_refused",
        ..of_second(
            "udp_refused",
            Conduct::Port(Service::Kerberos, Transport::Udp, Shut::Refused),
            "The second domain controller's UDP port for Kerberos is closed; that for TCP is not.",
        )
    },
    of_second(
        "dc_port_broken",
        Conduct::NetlogonNotRegistered,
        "The second domain controller's endpoint mapper knows nothing of Netlogon.",
    ),
    of_second(
        "clock_skewed",
        Conduct::ClockOff(200),
        "The second domain controller's clock is 200 seconds ahead.",
    ),
    Fault {
        name: "clocks_skewed",
        status: FAILED,
        ..of(
            Controllers::Both,
            "clock_skewed",
            Conduct::ClockOff(-400),
            "Both domain controllers' clocks are 400 seconds behind: more than Kerberos tolerates.",
        )
    },
    of_second(
        "dc_not_synchronised",
        Conduct::NotSynchronised,
        "The second domain controller has not replicated since it started.",
    ),
    Fault {
        status: INFORMATIONAL,
        ..of_second("dc_read_only", Conduct::ReadOnly, "The second domain controller is read-only.")
    },
    of_second(
        "dc_slow",
        Conduct::Slow(Duration::from_millis(650)),
        "The second domain controller takes 650 milliseconds to answer over LDAP.",
    ),
    Fault {
        also: &["dc_port_broken"],
        ..of_second(
            "dc_of_other_domain",
            Conduct::OfOtherDomain,
            "What DNS names as the second domain controller serves another domain.",
        )
    },
    of_second(
        "certificate_expires_soon",
        Conduct::Presents(Certificate::ExpiresSoon),
        "The second domain controller's certificate expires in ten days.",
    ),
    Fault {
        name: "dc_certificate_expired",
        ..of_second(
            "certificate_expired",
            Conduct::Presents(Certificate::Expired),
            "The second domain controller's certificate has expired.",
        )
    },
];

const fn of_second(reason: &'static str, conduct: Conduct, about: &'static str) -> Fault {
    of(Controllers::Second, reason, conduct, about)
}

const fn of(
    controllers: Controllers,
    reason: &'static str,
    conduct: Conduct,
    about: &'static str,
) -> Fault {
    Fault {
        name: reason,
        check: CONTROLLERS,
        status: WARNING,
        reason,
        error_type: None,
        also: &[],
        strikes: &[],
        about,
        effect: Effect::Controller(controllers, conduct),
    }
}
