//! Signing in to a domain controller: what the checks that read the directory do and conclude
//! alike. How bad it is, is theirs to say.

#[cfg(test)]
pub(super) mod tests;
mod trouble;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::future::join_all;
use tokio::time::{Instant, timeout_at};

use self::trouble::of_bind;
pub(super) use self::trouble::{Trouble, Weight, nobody, of_ended, troubles};
use super::reachability::name_servers;
use crate::{
    directory::{
        Anchors, Answer, Controller, Credentials, Door, DoorPorts, Entered, Fault, Located,
        Locator, Protection, Refusal, Sealed, Session,
    },
    engine::{Clock, Inconclusive},
    net::TcpFault,
};

/// How to sign in to the domain of one connection.
#[derive(Clone, Debug)]
pub struct SigningIn {
    pub locator: Locator,
    /// DNS servers; none: the system's, read anew on every run.
    pub servers: Option<Vec<SocketAddr>>,
    pub ports: DoorPorts,
    pub protection: Protection,
    pub anchors: Anchors,
    pub credentials: Arc<Credentials>,
    /// Whether a read-only domain controller will not do.
    pub writes: bool,
    /// Decides among domain controllers that are equal.
    pub chooser: String,
    /// The check's own limit.
    pub timeout: Duration,
    pub clock: Clock,
}

/// How signing in went.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) domain: String,
    pub(super) now: SystemTime,
    /// None where nobody was looked for, because the sign-in was withheld.
    pub(super) located: Option<Located>,
    pub(super) withheld: Option<Refusal>,
    /// Those that did not let us in, in order, and at the end those that were not tried.
    pub(super) tried: Vec<(Controller, Ending)>,
    /// Who let us in, and how long it took to connect and sign in.
    pub(super) at: Option<(String, Duration)>,
}

/// Why a domain controller did not let us in.
#[derive(Debug)]
pub(super) enum Ending {
    Unresolved,
    /// No protected connection; and whether its LDAP port, which a join needs, answers.
    NotReached {
        fault: Fault,
        ldap: Result<(), TcpFault>,
    },
    Refused(Answer),
    Unanswered(Fault),
    /// Nothing was sent: another process was refused in the meantime.
    Withheld(Refusal),
    /// It is read-only, and something is to be written.
    ReadOnly,
    /// No time was left to sign in; and whether its LDAP port can be connected to.
    OutOfTime {
        ldap: Result<(), TcpFault>,
    },
}

/// The time that a check's `timeout` leaves for its parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Of each step.
    pub(super) step: Duration,
    /// Until when another domain controller may be tried.
    pub(super) trying: Instant,
    /// When all must be done, so that a verdict still is in time.
    pub(super) end: Instant,
}

impl SigningIn {
    /// Signs in to the first domain controller that lets us, three at most. What stands in the way
    /// is told of each; those `tried` before are not tried again.
    pub(super) async fn sign_in(
        &self,
        budget: Budget,
        tried: Vec<(Controller, Ending)>,
    ) -> Result<(SignedIn, Option<Sealed>), Inconclusive> {
        let now = self.clock.now();
        let domain = self.locator.domain.clone();
        let withheld = self.credentials.withheld(now).await;
        let mut done = SignedIn { domain, now, located: None, withheld, tried, at: None };
        if done.withheld.is_some() {
            return Ok((done, None));
        }
        let servers = name_servers(self.servers.as_deref())?;
        let located = self.locator.locate(&servers, &self.chooser, budget.step).await;
        let is_new = |it: &Controller| done.tried.iter().all(|(tried, _)| tried.host != it.host);
        let waiting: Vec<_> = located.controllers.iter().filter(|it| is_new(it)).cloned().collect();
        let mut waiting = waiting.into_iter();
        done.located = Some(located);
        while done.visited() < MOST_TRIED && Instant::now() < budget.trying {
            let Some(controller) = waiting.next() else { break };
            let started = Instant::now();
            match self.enter(&controller, now, budget).await {
                Ok(sealed) => {
                    done.at = Some((controller.host, started.elapsed()));
                    return Ok((done, Some(sealed)));
                }
                Err(ending) => {
                    let is_final = ending.is_final();
                    done.tried.push((controller, ending));
                    if is_final {
                        return Ok((done, None));
                    }
                }
            }
        }
        let passed_over = waiting.map(|controller| self.pass_over(controller, budget));
        done.tried.extend(join_all(passed_over).await);
        Ok((done, None))
    }

    async fn enter(
        &self,
        controller: &Controller,
        now: SystemTime,
        budget: Budget,
    ) -> Result<Sealed, Ending> {
        let Some(address) = controller.lookup.addresses.first().copied() else {
            return Err(Ending::Unresolved);
        };
        let door = Door {
            host: &controller.host,
            domain: &self.locator.domain,
            address,
            ports: self.ports,
            protection: self.protection,
            anchors: &self.anchors,
            limit: budget.step,
        };
        let entering = timeout_at(budget.end, self.credentials.enter(&door, now));
        let Ok(entered) = entering.await else {
            return Err(Ending::OutOfTime { ldap: Err(out_of_time()) });
        };
        Err(match entered {
            Entered::In(sealed) if !self.writes => return Ok(sealed),
            Entered::In(mut sealed) => {
                let reading = timeout_at(budget.end, sealed.session().root_dse());
                match reading.await {
                    Ok(Ok(Ok(root))) if root.is_read_only => Ending::ReadOnly,
                    // What else is wrong with it shows when it is looked at.
                    _ => return Ok(sealed),
                }
            }
            Entered::Withheld(refusal) => Ending::Withheld(refusal),
            Entered::NotReached(fault) => {
                Ending::NotReached { fault, ldap: self.ldap(address, budget).await }
            }
            Entered::Refused(answer) => Ending::Refused(answer),
            Entered::Unanswered(fault) => Ending::Unanswered(fault),
        })
    }

    /// A join has the time to go on to this one: whether it could begin there.
    async fn pass_over(&self, controller: Controller, budget: Budget) -> (Controller, Ending) {
        let ending = match controller.lookup.addresses.first().copied() {
            Some(address) => Ending::OutOfTime { ldap: self.ldap(address, budget).await },
            None => Ending::Unresolved,
        };
        (controller, ending)
    }

    async fn ldap(&self, address: IpAddr, budget: Budget) -> Result<(), TcpFault> {
        let ldap = SocketAddr::new(address, self.ports.ldap);
        let asking = async { Session::plain(ldap, budget.step).await?.root_dse().await };
        match timeout_at(budget.end, asking).await {
            Err(_) => Err(out_of_time()),
            Ok(Err(Fault::Tcp(fault))) => Err(fault),
            // The kernel connects also where a server hangs.
            Ok(Err(Fault::Timeout)) => Err(TcpFault::Timeout),
            Ok(Err(Fault::Closed(_))) => Err(TcpFault::Refused),
            Ok(_) => Ok(()),
        }
    }
}

impl SignedIn {
    /// How many domain controllers time was spent on.
    /// Whether there is another domain controller to go to, and time for it.
    pub(super) fn next(&self, budget: Budget) -> bool {
        let known = self.located.as_ref().map_or(0, |located| located.controllers.len());
        self.tried.len() + 1 < known.min(MOST_TRIED) && Instant::now() < budget.trying
    }

    /// Those that were tried, and the one that let us in and then fell silent.
    pub(super) fn pass_on(self, fault: Fault) -> Vec<(Controller, Ending)> {
        let mut tried = self.tried;
        let host = self.at.map(|(host, _)| host);
        let controllers = self.located.into_iter().flat_map(|located| located.controllers);
        let silent = controllers.into_iter().find(|it| Some(&it.host) == host.as_ref());
        tried.extend(silent.map(|controller| (controller, Ending::Unanswered(fault))));
        tried
    }

    /// Whether there are domain controllers that were not tried, and might have served.
    pub(super) fn knows_others(&self) -> bool {
        let known = self.located.as_ref().map_or(0, |it| it.controllers.len() + it.left_out);
        known > self.tried.len() + 1
    }

    fn visited(&self) -> usize {
        self.tried.iter().filter(|(_, ending)| !matches!(ending, Ending::Unresolved)).count()
    }
}

impl Ending {
    /// Whether every other domain controller would say the same of the account, and count it.
    fn is_final(&self) -> bool {
        match self {
            Self::Refused(answer) => of_bind(answer.bind()).is_some(),
            Self::Withheld(_) => true,
            Self::Unresolved
            | Self::NotReached { .. }
            | Self::Unanswered(_)
            | Self::ReadOnly
            | Self::OutOfTime { .. } => false,
        }
    }
}

impl Budget {
    /// Shares `timeout`, a tenth of it left over for the verdict.
    pub(super) fn within(timeout: Duration) -> Self {
        let (now, whole) = (Instant::now(), timeout / 10 * 9);
        let step = (whole / 12).max(SHORTEST_STEP);
        Self { step, trying: now + whole / 2, end: now + whole }
    }
}

fn out_of_time() -> TcpFault {
    TcpFault::Other("no time was left".into())
}

/// How many doors are tried, within the time a check has.
const MOST_TRIED: usize = 3;
/// A lost SYN is sent again after one second; it must not be taken for silence.
const SHORTEST_STEP: Duration = Duration::from_millis(1500);
/// The shortest limit under which a silent domain controller leaves time for another.
pub const SHORTEST_TIMEOUT: Duration = Duration::from_secs(8);
