//! What can go wrong in the lab, as data, and the switchboard that says what currently does.

mod directory;
mod dns;
mod endpoints;
mod udp;

use std::{
    error::Error,
    fmt,
    sync::{Arc, LazyLock},
};

use serde::Serialize;
use tokio::sync::watch;

pub(crate) use directory::{
    Conduct, Controllers, Directory, Garbage, Handshake, Service, Shut, SignIn, Transport,
};
pub(crate) use dns::{Domain, Lookup, Servers, Trouble};
pub(crate) use endpoints::{Behaviour, Certificate};
pub(crate) use udp::Responder;

use crate::catalogue::{RELAY, WILDCARD};

/// One thing that can be wrong, and what the daemon must say of it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Fault {
    pub name: &'static str,
    /// The check that sees it, and the status it must then have.
    pub check: &'static str,
    pub status: &'static str,
    /// Of the finding, with the Graph error type that goes with it.
    pub reason: &'static str,
    pub error_type: Option<&'static str>,
    /// Other reasons that the check then gives, because one thing that is wrong brings another.
    pub also: &'static [&'static str],
    /// Other checks that see it as well, or that it keeps from looking.
    #[serde(skip)]
    pub strikes: &'static [Strike],
    pub about: &'static str,
    #[serde(skip)]
    pub(crate) effect: Effect,
}

/// What a fault of one check makes of another.
#[derive(Debug, Clone, Copy)]
pub struct Strike {
    pub check: &'static str,
    pub status: &'static str,
    /// All that it then gives; none: the fault's own.
    pub reasons: Option<&'static [&'static str]>,
}

impl Fault {
    /// The host that its finding is about, where it strikes one alone.
    pub fn host(&self) -> Option<&'static str> {
        match self.effect {
            Effect::Controller(Controllers::First, _) => Some("dc1.corp.contoso.test"),
            Effect::Controller(Controllers::Second, _) => Some("dc2.corp.contoso.test"),
            Effect::Controller(Controllers::Both, _)
            | Effect::Name(..)
            | Effect::Endpoint(..)
            | Effect::Silent(_)
            | Effect::Settings(_)
            | Effect::Domain(_)
            | Effect::Server(..)
            | Effect::Directory(_) => self.endpoint(),
        }
    }

    /// The host of the catalogue that it strikes.
    pub fn endpoint(&self) -> Option<&'static str> {
        match self.effect {
            Effect::Name(host, _) | Effect::Endpoint(host, _) => Some(host),
            Effect::Silent(&[Responder::Relay]) => Some(RELAY.host),
            Effect::Settings(Setting::UnverifiableWildcard) => Some(WILDCARD.host),
            Effect::Domain(_)
            | Effect::Server(..)
            | Effect::Directory(_)
            | Effect::Controller(..)
            | Effect::Silent(_)
            | Effect::Settings(_) => None,
        }
    }
}

/// What a fault does, and to whom.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    /// Every DNS server tells this of the Active Directory domain.
    Domain(Domain),
    /// These DNS servers misbehave, whatever they are asked.
    Server(Servers, Trouble),
    /// Every domain controller tells this of the directory.
    Directory(Directory),
    /// These domain controllers misbehave.
    Controller(Controllers, Conduct),
    /// The name of an endpoint resolves like this.
    Name(&'static str, Lookup),
    /// An endpoint behaves like this.
    Endpoint(&'static str, Behaviour),
    /// These responders keep silent.
    Silent(&'static [Responder]),
    /// The daemon's configuration is written like this.
    Settings(Setting),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    InvalidDomain,
    UnverifiableWildcard,
    RelayOutsideRanges,
    MalformedUnit,
    OtherCertificatePinned,
}

impl Effect {
    /// Whether the join account gets a new password whenever it sets in or ends, as an operator
    /// would give it one. After a refused sign-in, or two that were not answered, the daemon does
    /// not sign in with the old one again, so neither what is wrong now nor that all is well would
    /// show. And a check with a new password rehearses the join at once, which otherwise is a
    /// minute away, and what only the rehearsal meets with it.
    fn renews_password(self) -> bool {
        matches!(
            self,
            Self::Directory(
                Directory::SignIn(_)
                    | Directory::NameTaken
                    | Directory::CannotDisable
                    | Directory::CannotDelete
                    | Directory::CreateRefused
            ) | Self::Controller(_, Conduct::Mute)
        )
    }
}

/// Every fault, by check.
pub fn all() -> &'static [Fault] {
    static ALL: LazyLock<Vec<Fault>> = LazyLock::new(|| {
        let of_network = [dns::FAULTS, endpoints::FAULTS, udp::FAULTS];
        [of_network.concat(), directory::FAULTS.concat()].concat()
    });
    &ALL
}

/// Which faults are on. Clones share them.
#[derive(Debug, Clone)]
pub struct Switchboard(Arc<watch::Sender<Active>>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Active {
    /// The faults that are on, in the order of [`all`].
    faults: Vec<&'static Fault>,
    /// How many passwords the join account has had before its present one.
    passwords: u32,
}

/// A fault and whether it is on: an element of `GET /faults`.
#[derive(Debug, Serialize)]
pub struct Switch {
    #[serde(flatten)]
    pub fault: &'static Fault,
    pub active: bool,
}

/// A name that no fault has.
#[derive(Debug)]
pub struct UnknownFault(String);

impl Switchboard {
    pub fn all_off() -> Self {
        Self(Arc::new(watch::Sender::new(Active::default())))
    }

    pub fn on(&self, name: &str) -> Result<Switch, UnknownFault> {
        self.set(name, true)
    }

    pub fn off(&self, name: &str) -> Result<Switch, UnknownFault> {
        self.set(name, false)
    }

    pub fn list(&self) -> Vec<Switch> {
        let active = self.0.borrow();
        all().iter().map(|fault| Switch { fault, active: active.is_on(fault.name) }).collect()
    }

    /// Has these effects in place of all that are on.
    #[cfg(test)]
    pub(crate) fn suffer(&self, effects: &[Effect]) {
        let fault = |&effect| -> &'static Fault {
            Box::leak(Box::new(Fault { name: "suffered", effect, ..dns::FAULTS[0] }))
        };
        let faults = effects.iter().map(fault).collect();
        self.0.send_replace(Active { faults, passwords: 0 });
    }

    /// What the first active fault that concerns the caller does to it.
    pub(crate) fn find<T>(&self, concern: impl FnMut(Effect) -> Option<T>) -> Option<T> {
        self.0.borrow().find(concern)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Active> {
        self.0.subscribe()
    }

    fn set(&self, name: &str, on: bool) -> Result<Switch, UnknownFault> {
        let fault = all().iter().find(|fault| fault.name == name);
        let fault = fault.ok_or_else(|| UnknownFault(name.to_owned()))?;
        self.0.send_if_modified(|active| {
            let changes = active.is_on(name) != on;
            if changes {
                let wanted =
                    |other: &&Fault| if other.name == name { on } else { active.is_on(other.name) };
                active.faults = all().iter().filter(wanted).collect();
                active.passwords += u32::from(fault.effect.renews_password());
            }
            changes
        });
        Ok(Switch { fault, active: on })
    }
}

impl Active {
    pub(crate) fn find<T>(&self, concern: impl FnMut(Effect) -> Option<T>) -> Option<T> {
        self.faults.iter().map(|fault| fault.effect).find_map(concern)
    }

    pub(crate) fn has(&self, concern: impl Fn(Effect) -> bool) -> bool {
        self.find(|effect| concern(effect).then_some(())).is_some()
    }

    pub(crate) fn has_setting(&self, setting: Setting) -> bool {
        self.has(|effect| matches!(effect, Effect::Settings(other) if other == setting))
    }

    /// Grows with each new password of the join account.
    pub(crate) fn passwords(&self) -> u32 {
        self.passwords
    }

    fn is_on(&self, name: &str) -> bool {
        self.faults.iter().any(|fault| fault.name == name)
    }
}

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = all().iter().map(|fault| fault.name).collect();
        write!(f, "no fault is named {:?}; there are {}", self.0, names.join(", "))
    }
}

impl Error for UnknownFault {}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::catalogue::{self, Protocol};

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = all().iter().map(|fault| fault.name).collect();
        assert_eq!(names.len(), all().len());
    }

    #[test]
    fn an_endpoint_s_fault_carries_the_error_type_of_its_category_and_speaks_its_protocol() {
        for fault in all() {
            let (Effect::Endpoint(host, _) | Effect::Name(host, _)) = fault.effect else {
                continue;
            };
            let row = catalogue::ENDPOINTS.iter().find(|row| row.host == host).unwrap();
            assert_eq!(fault.error_type, row.category.error_type(), "{}", fault.name);
            if let Effect::Endpoint(_, behaviour) = fault.effect {
                assert!(fits(behaviour, row.protocol), "{}", fault.name);
            }
        }
    }

    #[test]
    fn every_endpoint_has_at_most_one_fault_so_that_any_two_can_be_on_together() {
        let mut hosts = Vec::new();
        for fault in all() {
            if let Effect::Endpoint(host, _) | Effect::Name(host, _) = fault.effect {
                hosts.push(host);
            }
        }
        assert_eq!(hosts.iter().collect::<HashSet<_>>().len(), hosts.len());
    }

    #[test]
    fn a_switch_goes_on_and_off_again() {
        let switchboard = Switchboard::all_off();
        let on = || -> Vec<_> {
            let on = switchboard.list().into_iter().filter(|switch| switch.active);
            on.map(|switch| switch.fault.name).collect()
        };
        switchboard.on("udp_blocked").unwrap();
        switchboard.on("dns_refused").unwrap();
        switchboard.on("dns_refused").unwrap();
        assert_eq!(on(), ["dns_refused", "udp_blocked"]);
        switchboard.off("dns_refused").unwrap();
        assert_eq!(on(), ["udp_blocked"]);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = Switchboard::all_off().on("dns_refusd").unwrap_err().to_string();
        assert!(error.contains("\"dns_refusd\"") && error.contains("dns_refused, "), "{error}");
    }

    fn fits(behaviour: Behaviour, protocol: Protocol) -> bool {
        match behaviour {
            Behaviour::Closed | Behaviour::Full => protocol != Protocol::Udp,
            Behaviour::Silent => matches!(protocol, Protocol::Tls | Protocol::Http),
            Behaviour::Resets
            | Behaviour::Alerts
            | Behaviour::SpeaksPlainText
            | Behaviour::Presents(_) => protocol == Protocol::Tls,
            Behaviour::Garbles | Behaviour::DemandsProxyAuthentication => {
                protocol == Protocol::Http
            }
        }
    }
}
