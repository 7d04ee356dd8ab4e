//! Refused sign-ins, as they are written down.

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io::{self, Write as _},
    path::Path,
    thread::sleep,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::warn;

use super::{Bind, Refusal};

/// What is known, and in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ledger {
    pub(super) salt: String,
    pub(super) accounts: BTreeMap<String, Entry>,
    /// Whether the file is behind, because it could not be written.
    #[serde(skip)]
    pub(super) is_ahead: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// The refusal, if there was one.
    pub(super) answer: Option<Bind>,
    pub(super) controller: String,
    /// Seconds since 1970.
    pub(super) at: u64,
    /// How many were begun since the last answer.
    pub(super) begun: u32,
}

impl Entry {
    /// What it says against a sign-in at `now`. A time ahead of that was written before the clock was
    /// set back: the pause then begins anew, once.
    pub(super) fn refusal(&mut self, now: SystemTime, retry_after: Duration) -> Option<Refusal> {
        let pause = match self.answer {
            Some(answer) => pause(answer, retry_after)?,
            None if self.begun >= MOST_UNANSWERED => LOCKOUT_WINDOW,
            None => return None,
        };
        self.at = self.at.min(seconds(now));
        let at = UNIX_EPOCH.checked_add(Duration::from_secs(self.at))?;
        let until = at.checked_add(pause)?;
        let controller = self.controller.clone();
        (now < until).then_some(Refusal { answer: self.answer, controller, at, until })
    }
}

impl Ledger {
    pub(super) fn new() -> Self {
        let salt: [u8; 16] = rand::random();
        Self { salt: hexadecimal(&salt), accounts: BTreeMap::new(), is_ahead: false }
    }

    /// Takes what is in the file, and keeps what only we know: what could not be written, and what
    /// was in a file that another has taken the place of since.
    pub(super) fn renew(&mut self, written: Self) {
        let ours = std::mem::replace(self, written);
        if !ours.is_ahead && ours.salt == self.salt {
            return;
        }
        self.is_ahead = ours.is_ahead;
        for (key, entry) in ours.accounts {
            let theirs = self.accounts.entry(key).or_default();
            if entry.at >= theirs.at {
                *theirs = entry;
            }
        }
    }

    pub(super) fn forget(&mut self, now: SystemTime) {
        let ends = |entry: &Entry| entry.at.saturating_add(FORGOTTEN_AFTER.as_secs());
        self.accounts.retain(|_, entry| ends(entry) > seconds(now));
    }
}

/// How long an account waits after an answer; none where it may be tried again at once.
pub(super) fn pause(answer: Bind, retry_after: Duration) -> Option<Duration> {
    match answer {
        Bind::WrongCredentials | Bind::LockedOut | Bind::Revoked | Bind::Refused => Some(retry_after),
        Bind::Disabled
        | Bind::AccountExpired
        | Bind::Restricted
        | Bind::PasswordExpired
        | Bind::MustChangePassword
        // Whether the password was looked at is not known.
        | Bind::Failed => Some(retry_after.min(SLOW_CADENCE)),
        Bind::Accepted
        | Bind::SigningRequired
        | Bind::ChannelBindingRequired
        | Bind::NotOperational => None,
    }
}

/// None if there is none yet. One that cannot be understood is put aside.
pub(super) fn read(file: &Path) -> io::Result<Option<Ledger>> {
    let text = match fs::read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let ledger = serde_json::from_slice(&text);
    let ledger = ledger
        .map_err(|error| {
            let aside = file.with_extension("broken");
            warn!(%error, aside = %aside.display(), "refused sign-ins cannot be understood");
            // If it cannot be put aside, it is replaced by the next that is written.
            let _ = fs::rename(file, aside);
        })
        .ok();
    Ok(ledger)
}

/// Waits for other processes, a moment at most: one that was stopped may hold it.
#[expect(clippy::disallowed_methods, reason = "on a thread that may block")]
pub(super) fn lock(file: &Path) -> io::Result<File> {
    let file = file.with_extension("lock");
    let lock = File::options().create(true).write(true).truncate(false).open(&file)?;
    belong_to_the_folder(&file);
    let until = Instant::now() + LONGEST_WAIT;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(A_MOMENT),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another process holds its lock",
                ));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// In one step, and for nobody else to read.
pub(super) fn write(file: &Path, ledger: &Ledger) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = file.with_extension("draft");
    let mut open =
        File::options().create(true).write(true).truncate(true).mode(0o600).open(&draft)?;
    open.write_all(serde_json::to_string_pretty(ledger)?.as_bytes())?;
    open.sync_all()?;
    belong_to_the_folder(&draft);
    fs::rename(draft, file)
}

/// What `check` writes as root, the daemon must be able to read as its own user.
fn belong_to_the_folder(file: &Path) {
    use std::os::unix::fs::{MetadataExt as _, chown};
    if let Some(Ok(folder)) = file.parent().map(fs::metadata) {
        // Only root may: for others it is theirs already.
        let _ = chown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

pub(super) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

pub(super) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// With the one under way this stays below the lowest threshold that is in use, three.
const MOST_UNANSWERED: u32 = 2;
/// For which domains count wrong passwords, as a rule.
const LOCKOUT_WINDOW: Duration = Duration::from_secs(30 * 60);
/// For accounts that are refused with the right password: trying counts for nothing, and clutters
/// the domain controllers' logs.
const SLOW_CADENCE: Duration = Duration::from_secs(30 * 60);
/// Longer than any pause that can be configured.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(31 * 24 * 3600);
/// For another process' lock.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const A_MOMENT: Duration = Duration::from_millis(10);
