//! The faults that `ad_domain_join` sees first, of the way to a session with a domain controller.

use super::{
    super::{Certificate, Effect, Fault, Setting, Strike},
    CONTROLLERS, Conduct, Controllers, FAILED, Garbage, Handshake, NOBODY_SIGNS_IN, PORT_BROKEN,
    Service, Shut, Transport, UNKNOWN, UNREADABLE, WARNING, of_join, of_ports,
};

pub(in super::super) const FAULTS: &[Fault] = &[
    Fault {
        name: "dcs_unreachable",
        strikes: &[NOBODY_SIGNS_IN, NO_CONTROLLER],
        ..of_both(
            "dc_unreachable",
            FAILED,
            Conduct::Down(Shut::Refused),
            "Both domain controllers' ports are closed.",
        )
    },
    Fault {
        name: "dcs_silent",
        strikes: &[NOBODY_SIGNS_IN, NO_CONTROLLER],
        ..of_both(
            "dc_unreachable",
            FAILED,
            Conduct::Down(Shut::Silent),
            "A firewall drops whatever is sent to either domain controller.",
        )
    },
    Fault {
        name: "directory_busy",
        strikes: &[NOBODY_SIGNS_IN, LDAP_BROKEN],
        ..of_both(
            "dc_unreachable",
            FAILED,
            Conduct::Busy,
            "Both domain controllers answer LDAP requests that they are busy.",
        )
    },
    Fault {
        name: "directory_unavailable",
        strikes: &[NOBODY_SIGNS_IN, LDAP_BROKEN],
        ..of_both(
            "dc_unreachable",
            FAILED,
            Conduct::Unavailable,
            "Both domain controllers answer LDAP requests that they are unavailable.",
        )
    },
    Fault {
        strikes: &[NOBODY_SIGNS_IN, LDAP_BROKEN],
        ..of_both(
            "ldap_malformed",
            FAILED,
            Conduct::Garbles(Garbage::OtherProtocol),
            "What answers on the LDAP ports, where the daemon now asks for TLS, speaks HTTP.",
        )
    },
    Fault {
        name: "dcs_read_only",
        strikes: &[Strike { check: CONTROLLERS, status: WARNING, reasons: None }],
        ..of_both(
            "dc_read_only",
            UNKNOWN,
            Conduct::ReadOnly,
            "Both domain controllers are read-only: no join can be rehearsed.",
        )
    },
    Fault {
        name: "ldap_nesting_bomb",
        strikes: &[NOBODY_SIGNS_IN, LDAP_BROKEN],
        ..of_both(
            "ldap_malformed",
            FAILED,
            Conduct::Garbles(Garbage::NestingBomb),
            "After the sign-in comes an answer that nests ten thousand deep.",
        )
    },
    Fault {
        name: "ldap_endless_answer",
        strikes: &[NOBODY_SIGNS_IN, LDAP_BROKEN],
        ..of_both(
            "ldap_malformed",
            FAILED,
            Conduct::Garbles(Garbage::EndlessFrame),
            "After the sign-in comes an answer of two gigabytes.",
        )
    },
    Fault {
        name: "ldap_truncated",
        strikes: &[NOBODY_SIGNS_IN, LDAP_BROKEN],
        ..of_both(
            "dc_unreachable",
            FAILED,
            Conduct::Garbles(Garbage::Truncated),
            "After the sign-in the domain controllers hang up in the middle of an answer.",
        )
    },
    Fault {
        name: "ldap_not_utf8",
        strikes: &[UNREADABLE, LDAP_BROKEN],
        ..of_both(
            "dc_unreachable",
            FAILED,
            Conduct::Garbles(Garbage::NotUtf8),
            "After the sign-in comes an error whose text is not UTF-8.",
        )
    },
    Fault {
        strikes: &[UNREADABLE],
        ..of_both(
            "ldap_error",
            UNKNOWN,
            Conduct::SearchFails,
            "Searches end with an error of the directory, for which there is no word.",
        )
    },
    Fault {
        name: "ldap_internal_error",
        strikes: &[UNREADABLE],
        ..of_both(
            "ldap_error",
            UNKNOWN,
            Conduct::SearchFailsOtherwise,
            "Searches end with an internal error.",
        )
    },
    of_both(
        "starttls_refused",
        UNKNOWN,
        Conduct::StartTlsRefused,
        "The daemon asks for TLS on the LDAP ports, and the domain controllers have none.",
    ),
    Fault {
        name: "ldaps_refused",
        strikes: &[NOBODY_SIGNS_IN, of_ports(None)],
        ..of_both(
            "tcp_refused",
            UNKNOWN,
            Conduct::Port(Service::Ldaps, Transport::Tcp, Shut::Refused),
            "Both domain controllers' LDAPS ports are closed; LDAP's are not.",
        )
    },
    Fault {
        name: "ldaps_timeout",
        strikes: &[NOBODY_SIGNS_IN, of_ports(None)],
        ..of_both(
            "tcp_timeout",
            UNKNOWN,
            Conduct::Port(Service::Ldaps, Transport::Tcp, Shut::Silent),
            "A firewall drops LDAPS to both domain controllers, and not LDAP.",
        )
    },
    Fault {
        name: "ldaps_tls_refused",
        strikes: &[NOBODY_SIGNS_IN, PORT_BROKEN],
        ..of_both(
            "tls_refused",
            UNKNOWN,
            Conduct::Handshake(Handshake::HangsUp),
            "Both domain controllers hang up during the TLS handshake, as without a certificate.",
        )
    },
    Fault {
        name: "ldaps_tls_timeout",
        strikes: &[NOBODY_SIGNS_IN, PORT_BROKEN],
        ..of_both(
            "tls_timeout",
            UNKNOWN,
            Conduct::Handshake(Handshake::Silent),
            "Neither domain controller answers the TLS handshake.",
        )
    },
    Fault {
        name: "ldaps_tls_alert",
        strikes: &[NOBODY_SIGNS_IN, PORT_BROKEN],
        ..of_both(
            "tls_alert",
            UNKNOWN,
            Conduct::Handshake(Handshake::Alerts),
            "Both domain controllers end the handshake with a TLS alert.",
        )
    },
    Fault {
        name: "ldaps_tls_malformed",
        strikes: &[NOBODY_SIGNS_IN, PORT_BROKEN],
        ..of_both(
            "tls_malformed",
            UNKNOWN,
            Conduct::Handshake(Handshake::SpeaksPlainText),
            "Both domain controllers answer the TLS handshake in plain LDAP.",
        )
    },
    Fault {
        name: "ldaps_certificate_expired",
        strikes: &[NOBODY_SIGNS_IN, of_ports(None)],
        ..of_both(
            "certificate_expired",
            UNKNOWN,
            Conduct::Presents(Certificate::Expired),
            "Both domain controllers' certificates have expired.",
        )
    },
    Fault {
        name: "ldaps_certificate_not_yet_valid",
        ..of_both(
            "certificate_not_yet_valid",
            UNKNOWN,
            Conduct::Presents(Certificate::NotYetValid),
            "Both domain controllers' certificates are not valid yet.",
        )
    },
    Fault {
        name: "ldaps_certificate_wrong_name",
        ..of_both(
            "certificate_wrong_name",
            UNKNOWN,
            Conduct::Presents(Certificate::WrongName),
            "Both domain controllers present a certificate for another name.",
        )
    },
    Fault {
        name: "ldaps_certificate_untrusted",
        ..of_both(
            "certificate_untrusted",
            UNKNOWN,
            Conduct::Presents(Certificate::SelfSigned),
            "Both domain controllers' certificates are issued by nobody but themselves.",
        )
    },
    Fault {
        strikes: &[NOBODY_SIGNS_IN],
        ..of_join(
            "certificate_not_pinned",
            UNKNOWN,
            None,
            Effect::Settings(Setting::OtherCertificatePinned),
            "The configuration pins a certificate, and no domain controller has it.",
        )
    },
    Fault {
        name: "sign_in_unanswered",
        strikes: &[NOBODY_SIGNS_IN, LDAP_SILENT],
        ..of_both(
            "could_not_look",
            UNKNOWN,
            Conduct::Mute,
            "LDAP requests get no answer: dc_unreachable, until after two sign-ins no third is tried.",
        )
    },
];

const LDAP_BROKEN: Strike =
    Strike { check: CONTROLLERS, status: FAILED, reasons: Some(&["dc_port_broken"]) };
const LDAP_SILENT: Strike =
    Strike { check: CONTROLLERS, status: FAILED, reasons: Some(&["tcp_timeout"]) };
const NO_CONTROLLER: Strike = Strike { check: CONTROLLERS, status: FAILED, reasons: None };

/// Both domain controllers misbehave, so that nobody signs in. What a join fails of as well, is an
/// outage to Microsoft.
const fn of_both(
    reason: &'static str,
    status: &'static str,
    conduct: Conduct,
    about: &'static str,
) -> Fault {
    let is_outage = matches!(status.as_bytes(), b"failed");
    let error_type = if is_outage { Some("adJoinCheckServerNotOperational") } else { None };
    let effect = Effect::Controller(Controllers::Both, conduct);
    let of_both = of_join(reason, status, error_type, effect, about);
    Fault { strikes: &[NOBODY_SIGNS_IN], ..of_both }
}
