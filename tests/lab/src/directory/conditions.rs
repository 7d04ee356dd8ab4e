//! What currently holds for one of the domain controllers.

use std::time::Duration;

use time::OffsetDateTime;

use super::Which;
use crate::faults::{
    Active, Conduct, Controllers, Directory, Effect, Service, Shut, SignIn, Switchboard, Transport,
};

#[derive(Clone)]
pub(super) struct Conditions {
    pub(super) which: Which,
    pub(super) switchboard: Switchboard,
}

impl Conditions {
    pub(super) fn conducts_itself(&self, conduct: Conduct) -> bool {
        self.find(|other| (other == conduct).then_some(())).is_some()
    }

    /// What the first conduct that concerns the caller does to it.
    pub(super) fn find<T>(&self, mut concern: impl FnMut(Conduct) -> Option<T>) -> Option<T> {
        self.switchboard.find(|effect| concern(conduct_of(self.which, effect)?))
    }

    pub(super) fn has(&self, state: Directory) -> bool {
        self.find_state(|other| (other == state).then_some(())).is_some()
    }

    pub(super) fn refusal(&self) -> Option<SignIn> {
        self.find_state(
            |state| {
                if let Directory::SignIn(refusal) = state { Some(refusal) } else { None }
            },
        )
    }

    pub(super) fn quota_used(&self) -> u32 {
        let used = |state| if let Directory::QuotaUsed(used) = state { Some(used) } else { None };
        self.find_state(used).unwrap_or_default()
    }

    /// How long it takes to answer over LDAP.
    pub(super) fn slowness(&self) -> Duration {
        let slowness = |it| if let Conduct::Slow(time) = it { Some(time) } else { None };
        self.find(slowness).unwrap_or_default()
    }

    /// By the domain controller's clock.
    pub(super) fn now(&self) -> OffsetDateTime {
        let ahead =
            |conduct| if let Conduct::ClockOff(ahead) = conduct { Some(ahead) } else { None };
        let ahead = self.find(ahead).unwrap_or_default();
        OffsetDateTime::now_utc() + time::Duration::seconds(ahead)
    }

    fn find_state<T>(&self, mut concern: impl FnMut(Directory) -> Option<T>) -> Option<T> {
        self.switchboard.find(|effect| {
            if let Effect::Directory(state) = effect { concern(state) } else { None }
        })
    }
}

/// How a port of a domain controller is shut, if it is.
pub(super) fn shut(
    active: &Active,
    which: Which,
    service: Service,
    transport: Transport,
) -> Option<Shut> {
    active.find(|effect| match conduct_of(which, effect)? {
        Conduct::Down(shut) => Some(shut),
        Conduct::Port(of, over, shut) if (of, over) == (service, transport) => Some(shut),
        Conduct::Port(..)
        | Conduct::Presents(_)
        | Conduct::Handshake(_)
        | Conduct::StartTlsRefused
        | Conduct::Garbles(_)
        | Conduct::Mute
        | Conduct::Busy
        | Conduct::Unavailable
        | Conduct::Slow(_)
        | Conduct::SearchFails
        | Conduct::SearchFailsOtherwise
        | Conduct::ClockOff(_)
        | Conduct::NotSynchronised
        | Conduct::ReadOnly
        | Conduct::NetlogonNotRegistered
        | Conduct::OfOtherDomain => None,
    })
}

fn conduct_of(which: Which, effect: Effect) -> Option<Conduct> {
    let Effect::Controller(controllers, conduct) = effect else { return None };
    let concerned = match controllers {
        Controllers::First => which == Which::First,
        Controllers::Second => which == Which::Second,
        Controllers::Both => true,
    };
    concerned.then_some(conduct)
}
