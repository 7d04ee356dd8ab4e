//! The join, rehearsed: a computer object created, read back, disabled and deleted.
//!
//! The object is disabled from its first moment and has no password, so nothing can sign in as it.
//! Whatever a run leaves behind, by a crash or a lost answer, is found by its name at the next and
//! finished; an object of that name that is not marked as ours is not touched.

use std::time::Duration;

use ring::digest::{SHA256, digest};
use tokio::time::{Instant, timeout_at};

use super::{Answer, Computer, Fault, Outcome, Session, domain::child, name};

/// What to rehearse.
#[derive(Clone, Debug)]
pub struct Rehearsal<'a> {
    /// At most 15 characters: the same at each run, and nobody else's.
    pub computer: &'a str,
    /// Where computers go.
    pub container: &'a str,
    /// The domain.
    pub context: &'a str,
    /// Who the object belongs to: its description.
    pub mark: &'a str,
    /// `objectSid` of who signed in: what it created by quota is known by that.
    pub creator: Option<&'a [u8]>,
    /// Whether the object is created by quota. The account may then not set a description (MS-ADTS
    /// section 3.1.1.5.2.2); and the object stays, as if `keeps`, because what was deleted may go
    /// on counting.
    pub by_quota: bool,
    /// Leave the object there, disabled, as Microsoft's check does.
    pub keeps: bool,
}

/// How far it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rehearsed {
    /// What stood there of that name.
    pub found: Option<Standing>,
    pub created: Option<Answer>,
    /// Whether what was created could be read back, and is disabled.
    pub verified: Option<bool>,
    pub disabled: Option<Answer>,
    /// Of our own object, or of that of an earlier run.
    pub deleted: Option<Answer>,
    /// What ended it early.
    pub fault: Option<Fault>,
    pub took: Vec<(Phase, Duration)>,
}

/// An object of our name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An earlier run left it.
    Ours(Computer),
    /// Not marked as ours.
    Foreign(Computer),
}

/// A part of the rehearsal that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Create,
    Verify,
    Disable,
    Delete,
}

impl Rehearsal<'_> {
    /// Each operation has the session's limit, and the whole until `end`.
    pub async fn run(&self, session: &mut Session, end: Instant) -> Rehearsed {
        let mut done = Rehearsed::default();
        let ended = timeout_at(end, self.steps(session, &mut done)).await;
        let out_of_time = |_| Err(Fault::Local("no time was left for the rest".into()));
        if let Err(fault) = ended.unwrap_or_else(out_of_time) {
            done.fault = Some(fault);
        }
        done
    }

    async fn steps(&self, session: &mut Session, done: &mut Rehearsed) -> Result<(), Fault> {
        let account = format!("{}$", self.computer);
        let object = child(self.computer, self.container);
        if let Ok(Some(found)) = session.computer(self.context, &account).await? {
            if !self.is_ours(&found) {
                done.found = Some(Standing::Foreign(found));
                return Ok(());
            }
            let is_in_place = name::is_same(&found.name, &object);
            let earlier = found.name.clone();
            done.found = Some(Standing::Ours(found));
            if self.stays() && is_in_place {
                return self.finish(session, done, &earlier).await;
            }
            let deleted = timed(done, Phase::Delete, session.delete(&earlier)).await?;
            let is_gone = matches!(deleted.outcome(), Outcome::Done | Outcome::NoSuchObject);
            done.deleted = Some(deleted);
            if !is_gone {
                return Ok(());
            }
        }
        let created = timed(done, Phase::Create, self.create(session, &object, &account)).await?;
        let is_created = created.is_done();
        done.created = Some(created);
        if is_created { self.finish(session, done, &object).await } else { Ok(()) }
    }

    async fn create(
        &self,
        session: &mut Session,
        object: &str,
        account: &str,
    ) -> Result<Answer, Fault> {
        let mut attributes: Vec<(&str, &[&str])> = Vec::new();
        let (account, mark) = ([account], [self.mark]);
        attributes.push(("objectClass", &["computer"]));
        attributes.push(("sAMAccountName", &account));
        attributes.push(("userAccountControl", &[DISABLED_WORKSTATION]));
        if !self.by_quota {
            attributes.push(("description", &mark));
        }
        session.add(object, &attributes).await
    }

    /// What is done with an object that is there.
    async fn finish(
        &self,
        session: &mut Session,
        done: &mut Rehearsed,
        object: &str,
    ) -> Result<(), Fault> {
        let read = session.read(object, &["userAccountControl", "sAMAccountName"]);
        let read = timed(done, Phase::Verify, read).await?;
        done.verified = Some(read.is_ok_and(|entry| {
            let control: u32 = entry.number("userAccountControl").unwrap_or_default();
            let name = entry.text("sAMAccountName").unwrap_or_default();
            // One of an earlier run may have been meddled with: it is disabled next.
            let is_as_made = done.created.is_none() || control & ACCOUNT_DISABLED != 0;
            name.trim_end_matches('$') == self.computer && is_as_made
        }));
        let disabling = session.replace(object, "userAccountControl", DISABLED_WORKSTATION);
        done.disabled = Some(timed(done, Phase::Disable, disabling).await?);
        if !self.stays() {
            done.deleted = Some(timed(done, Phase::Delete, session.delete(object)).await?);
        }
        Ok(())
    }

    fn is_ours(&self, found: &Computer) -> bool {
        let is_marked = found.description.as_deref().is_some_and(|it| it.starts_with(MARK));
        is_marked || self.creator.is_some() && found.creator.as_deref() == self.creator
    }

    fn stays(&self) -> bool {
        self.keeps || self.by_quota
    }
}

/// The name of a computer object for `purpose`: the prefix and a hash, 15 characters together
/// (NetBIOS, MS-NBTE section 2.2.1), the same wherever and however often it is made.
pub fn computer_name(prefix: &str, purpose: [&str; 3]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
    let sum = digest(&SHA256, purpose.join("\0").as_bytes());
    let digits = sum.as_ref().iter().map(|octet| char::from(DIGITS[usize::from(octet % 32)]));
    prefix.chars().chain(digits).take(LONGEST_NAME).collect()
}

impl Phase {
    /// As it is labelled in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Verify => "verify",
            Self::Disable => "disable",
            Self::Delete => "delete",
        }
    }
}

async fn timed<T>(
    done: &mut Rehearsed,
    phase: Phase,
    operation: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let started = Instant::now();
    let outcome = operation.await;
    done.took.push((phase, started.elapsed()));
    outcome
}

/// What the description of every object of ours begins with.
pub const MARK: &str = "anc-healthd: ";
const LONGEST_NAME: usize = 15;
/// `ACCOUNTDISABLE` (MS-ADTS section 2.2.16).
const ACCOUNT_DISABLED: u32 = 2;
/// `WORKSTATION_TRUST_ACCOUNT` and `ACCOUNTDISABLE` (MS-ADTS section 2.2.16).
const DISABLED_WORKSTATION: &str = "4098";
