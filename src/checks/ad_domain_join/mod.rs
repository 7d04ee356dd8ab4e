//! Active Directory domain join.
//!
//! Microsoft's check joins a temporary virtual machine with the connection's account, and leaves a
//! disabled computer object behind ("Troubleshoot Azure network connections"). Here the same
//! account signs in over LDAP, its rights on the organizational unit are read without writing, and
//! once in a while a computer object is created, read back, disabled and deleted. What only a real
//! join does (SMB, RPC to Netlogon) is seen by `domain_controllers`.

mod conclude;
mod readings;
mod rehearsed;
#[cfg(test)]
mod tests;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use tokio::time::{Instant, timeout_at};

use crate::{
    checks::signing_in::{Budget, SignedIn, SigningIn},
    directory::{
        Account, Answer, Computers, Container, Domain, Fault, Policy, Rehearsal, Rehearsed,
        RootDse, Session, name,
    },
    engine::{Check, Inconclusive, Verdict},
};

/// Rehearses the join of one hybrid connection.
#[derive(Debug)]
pub struct AdDomainJoin {
    pub signing_in: SigningIn,
    /// As the Azure network connection has it; none: the domain's container for computers.
    pub organizational_unit: Option<String>,
    /// The name of the computer object, at most 15 characters.
    pub computer: String,
    /// Its description.
    pub mark: String,
    /// None: nothing is written.
    pub writing: Option<Writing>,
    /// The last rehearsal, and when it was.
    pub last: Last,
}

/// How the join is rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Writing {
    /// Leave the object there, disabled, as Microsoft's check does.
    pub keeps: bool,
    /// How often. After a rehearsal that did not go well, at every run.
    pub every: Duration,
}

/// The last rehearsal of a check, kept from run to run: what it found holds until the next.
#[derive(Debug, Default)]
pub struct Last(Mutex<Option<(Instant, SystemTime, Rehearsed)>>);

#[derive(Debug)]
pub struct Facts {
    signed_in: SignedIn,
    /// None if nobody let us in.
    seen: Option<Seen>,
}

/// What was read of the directory, as far as it came.
#[derive(Debug, Default)]
struct Seen {
    root: Option<Result<RootDse, Answer>>,
    account: Option<Result<Option<Account>, Answer>>,
    domain: Option<Result<Domain, Answer>>,
    /// What `account` created by quota.
    used: Option<Result<Computers, Answer>>,
    unit: Option<Unit>,
    policies: Vec<Policy>,
    left_by_microsoft: Option<Result<Computers, Answer>>,
    proof: Proof,
    /// What ended the looking early.
    fault: Option<Fault>,
    /// What ended the looking at what a join does not depend on.
    beside: Option<Fault>,
}

/// What came of the rehearsal.
#[derive(Debug, Default)]
enum Proof {
    /// Nothing is to be written, or it did not come to that.
    #[default]
    Unwanted,
    /// It is due, and no time was left for it.
    Due,
    /// When it was, and how it went.
    Done(SystemTime, Box<Rehearsed>),
}

/// Where the computer objects go.
#[derive(Debug)]
struct Unit {
    name: String,
    /// Whether its name ends in that of the domain; none: it is no distinguished name.
    is_in_domain: Option<bool>,
    /// Whether it is the domain's container for computers, where the quota applies.
    is_default: bool,
    seen: Result<Container, Answer>,
}

impl Check for AdDomainJoin {
    const NAME: &'static str = "ad_domain_join";
    type Facts = Facts;

    async fn gather(&self) -> Result<Facts, Inconclusive> {
        let budget = Budget::within(self.signing_in.timeout);
        let mut passed_over = Vec::new();
        loop {
            let (signed_in, sealed) = self.signing_in.sign_in(budget, passed_over).await?;
            let Some(mut sealed) = sealed else { return Ok(Facts { signed_in, seen: None }) };
            let seen = self.see(sealed.session(), &signed_in, budget).await;
            // As a join would, go on to another where one falls silent; but not once something was
            // written, so that there is one place at most where something can be left.
            let fault = seen.fault.clone().filter(|fault| !fault.is_ours() && seen.proof.is_none());
            match (fault, signed_in.next(budget)) {
                (Some(fault), true) => passed_over = signed_in.pass_on(fault),
                _ => return Ok(Facts { signed_in, seen: Some(seen) }),
            }
        }
    }

    fn judge(&self, facts: &Facts) -> Verdict {
        conclude::verdict(self, facts)
    }
}

impl AdDomainJoin {
    async fn see(&self, session: &mut Session, signed_in: &SignedIn, budget: Budget) -> Seen {
        let mut seen = Seen::default();
        let looking = self.look(session, signed_in, &mut seen, budget);
        let out_of_time = |_| Err(Fault::Local("no time was left for the rest".into()));
        let looked = timeout_at(budget.end, looking).await.unwrap_or_else(out_of_time);
        seen.fault = looked.err();
        if seen.fault.is_none() && !seen.proof.was_cut_short() {
            let looking = look_beside(session, &mut seen);
            seen.beside = timeout_at(budget.end, looking).await.unwrap_or_else(out_of_time).err();
        }
        seen
    }

    /// At what a join depends on.
    async fn look(
        &self,
        session: &mut Session,
        signed_in: &SignedIn,
        seen: &mut Seen,
        budget: Budget,
    ) -> Result<(), Fault> {
        let root = seen.root.insert(session.root_dse().await?);
        let Ok(RootDse { default_naming_context: context, .. }) = root else { return Ok(()) };
        // What another domain allows says nothing of this one, and nothing is created there.
        if !name::is_same(context, &name::of_domain(&signed_in.domain)) {
            return Ok(());
        }
        let context = context.clone();
        let user = &self.signing_in.credentials.user;
        let account = seen.account.insert(session.account(&context, user).await?);
        let account = account.as_ref().ok().cloned().flatten().filter(|it| !it.sid.is_empty());
        let domain = seen.domain.insert(session.domain(&context).await?);
        let default = domain.as_ref().ok().and_then(|domain| domain.computers.clone());
        if let Some(account) = &account {
            seen.used = Some(session.created_by(&context, &account.sid).await?);
        }
        let given = self.organizational_unit.clone();
        let is_default = match (&given, &default) {
            (Some(given), Some(default)) => name::is_same(given, default),
            (given, _) => given.is_none(),
        };
        let Some(name) = given.or(default) else { return Ok(()) };
        let is_in_domain = name::is_within(&name, &context);
        let container = session.container(&name).await?;
        let unit = seen.unit.insert(Unit { name, is_in_domain, is_default, seen: container });
        let Ok(container) = &unit.seen else { return Ok(()) };
        let by_right = container.may_create_computers;
        let by_quota = !by_right && is_default && account.is_some();
        if !by_right && !by_quota {
            return Ok(());
        }
        let Some(writing) = self.writing else { return Ok(()) };
        if let Some((at, rehearsed)) = self.last.within(writing.every) {
            seen.proof = Proof::Done(at, Box::new(rehearsed));
        } else if Instant::now() + budget.step < budget.end {
            let rehearsal = Rehearsal {
                computer: &self.computer,
                container: &container.name,
                context: &context,
                mark: &self.mark,
                creator: account.as_ref().map(|account| account.sid.as_slice()),
                by_quota,
                keeps: writing.keeps,
            };
            let rehearsed = rehearsal.run(session, budget.end).await;
            self.last.keep(signed_in.now, &rehearsed);
            seen.proof = Proof::Done(signed_in.now, Box::new(rehearsed));
        } else {
            seen.proof = Proof::Due;
        }
        Ok(())
    }
}

/// At what is good to know.
async fn look_beside(session: &mut Session, seen: &mut Seen) -> Result<(), Fault> {
    // Without an account it has not come to the domain that was meant.
    let (Some(Ok(root)), Some(_)) = (&seen.root, &seen.account) else { return Ok(()) };
    let context = &root.default_naming_context;
    if let Some(Unit { seen: Ok(container), .. }) = &seen.unit {
        seen.policies = session.policies(&container.name, context).await?;
    }
    seen.left_by_microsoft = Some(session.left_by_microsoft(context).await?);
    Ok(())
}

impl Proof {
    /// Whether there is no more to hear of this domain controller, or no time for it.
    fn was_cut_short(&self) -> bool {
        match self {
            Self::Unwanted => false,
            Self::Due => true,
            Self::Done(_, rehearsed) => rehearsed.fault.is_some(),
        }
    }

    fn is_none(&self) -> bool {
        !matches!(self, Self::Done(..))
    }
}

impl Last {
    /// The last rehearsal, if it is no older than `every` and went well.
    fn within(&self, every: Duration) -> Option<(SystemTime, Rehearsed)> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, told, rehearsed) = last.as_ref()?;
        let holds = at.elapsed() < every && rehearsed::went_well(rehearsed);
        holds.then(|| (*told, rehearsed.clone()))
    }

    fn keep(&self, now: SystemTime, rehearsed: &Rehearsed) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((Instant::now(), now, rehearsed.clone()));
    }
}
