//! Which sign-ins were refused, so that none is tried again and locks the account.
//!
//! A domain counts wrong passwords on all its domain controllers together, for half an hour as a
//! rule, and locks the account after as few as three. So one refusal is remembered for every
//! connection, check and process that uses the same account and password, in memory and, where a
//! folder is given, in a file. A sign-in that was begun and not answered may have been counted as
//! well: it is written down before it is begun, and after two in a row there is a pause.
//!
//! The file holds no name and no password: accounts are known by PBKDF2 (RFC 8018) of both, with a
//! salt of the file's own.

use std::{
    collections::BTreeMap,
    fmt, io,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime},
};

use ring::pbkdf2;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tracing::warn;

use super::{
    Bind,
    ledger::{self, Entry, Ledger, pause},
};

/// What is remembered of sign-ins, by this process and by others that share its folder.
#[derive(Clone)]
pub struct Attempts(Arc<Shared>);

/// An account with its password, as it is remembered.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(String);

/// Leave to sign in once.
pub struct Permit {
    attempts: Attempts,
    key: Key,
    /// One at a time of an account, so that two wrong ones are not under way at once.
    _turn: OwnedMutexGuard<()>,
}

/// Why an account must not sign in now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the domain controller answered; none if two in a row did not.
    pub answer: Option<Bind>,
    pub controller: String,
    pub at: SystemTime,
    /// When it may be tried again, if nothing changes.
    pub until: SystemTime,
}

/// Why there is no leave to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// An earlier refusal stands.
    Refused(Refusal),
    /// What is remembered cannot be read, or this sign-in could not be remembered.
    Unusable(String),
}

impl Attempts {
    /// With a folder, what others wrote there counts as well. Nothing is read or written yet.
    pub fn open(folder: Option<&Path>) -> Self {
        let file = folder.map(|folder| folder.join(FILE));
        let (known, turns) = (std::sync::Mutex::new(Ledger::new()), std::sync::Mutex::default());
        Self(Arc::new(Shared { file, salt: OnceLock::new(), known, turns }))
    }

    /// How this account is remembered. Blocks, and takes some tens of milliseconds, on purpose.
    pub fn key(&self, account: &str, password: &SecretString) -> Result<Key, String> {
        let salt = match self.0.salt.get() {
            Some(salt) => salt,
            // Whoever comes first writes it, so that all have the same.
            None => {
                let salt = self.0.change(Mode::Firm, |known| known.salt.clone());
                let salt = salt.map_err(|error| self.0.unusable(&error))?;
                self.0.salt.get_or_init(|| salt)
            }
        };
        let secret = format!("{}\0{}", account.to_lowercase(), password.expose_secret());
        let (mut key, how) = ([0; 32], pbkdf2::PBKDF2_HMAC_SHA256);
        pbkdf2::derive(how, ROUNDS, salt.as_bytes(), secret.as_bytes(), &mut key);
        Ok(Key(ledger::hexadecimal(&key)))
    }

    /// Leave to sign in with `key`, if nothing that is remembered speaks against it. After a wrong
    /// password or a lock-out it takes `retry_after`; after other refusals of an account half an
    /// hour at most.
    pub async fn permit(
        &self,
        key: &Key,
        now: SystemTime,
        retry_after: Duration,
    ) -> Result<Permit, Withheld> {
        let turn = self.0.turn(key).lock_owned().await;
        let looked_up = key.clone();
        let allowed = self.changing(Mode::Firm, move |known| {
            known.forget(now);
            let entry = known.accounts.entry(looked_up.0).or_default();
            if let Some(refusal) = entry.refusal(now, retry_after) {
                return Err(refusal);
            }
            // A refusal whose time is over must not begin anew with this one.
            entry.answer = None;
            entry.begun = entry.begun.saturating_add(1);
            entry.at = ledger::seconds(now);
            Ok(turn)
        });
        let allowed = allowed.await.map_err(|error| Withheld::Unusable(self.0.unusable(&error)))?;
        let turn = allowed.map_err(Withheld::Refused)?;
        Ok(Permit { attempts: self.clone(), key: key.clone(), _turn: turn })
    }

    /// What speaks against signing in with `key`.
    pub async fn standing(
        &self,
        key: &Key,
        now: SystemTime,
        retry_after: Duration,
    ) -> Option<Refusal> {
        let key = key.clone();
        let look =
            move |known: &mut Ledger| known.accounts.get_mut(&key.0)?.refusal(now, retry_after);
        self.changing(Mode::AsCanBe, look).await.ok().flatten()
    }

    /// Reads what is known, changes it and writes it, one process at a time.
    async fn changing<T: Send + 'static>(
        &self,
        mode: Mode,
        change: impl FnOnce(&mut Ledger) -> T + Send + 'static,
    ) -> io::Result<T> {
        let shared = Arc::clone(&self.0);
        let changed = tokio::task::spawn_blocking(move || shared.change(mode, change)).await;
        match changed {
            Ok(changed) => changed,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}

impl Permit {
    /// What the sign-in came to, at `controller`.
    pub async fn told(self, answer: Bind, controller: &str, now: SystemTime) {
        let controller = controller.to_owned();
        self.ended(move |known, key| {
            let refused = |entry: &Entry| entry.answer.is_some();
            if pause(answer, Duration::MAX).is_some() {
                let entry =
                    Entry { answer: Some(answer), controller, at: ledger::seconds(now), begun: 0 };
                known.accounts.insert(key.0, entry);
            } else if answer == Bind::Accepted || !known.accounts.get(&key.0).is_some_and(refused) {
                known.accounts.remove(&key.0);
            }
            // What another process was told meanwhile stands: only success speaks against it.
        })
        .await;
    }

    /// It was sent to `controller`, and no answer came.
    pub async fn unanswered(self, controller: &str) {
        let controller = controller.to_owned();
        self.ended(move |known, key| {
            let entry = known.accounts.get_mut(&key.0);
            if let Some(entry) = entry.filter(|entry| entry.answer.is_none()) {
                entry.controller = controller;
            }
        })
        .await;
    }

    /// Nothing was sent after all.
    pub async fn unused(self) {
        self.ended(move |known, key| {
            if let Some(entry) = known.accounts.get_mut(&key.0) {
                entry.begun = entry.begun.saturating_sub(1);
            }
        })
        .await;
    }

    /// The turn ends with the change, even where nobody waits for that any longer.
    async fn ended(self, change: impl FnOnce(&mut Ledger, Key) + Send + 'static) {
        let attempts = self.attempts.clone();
        let change = move |known: &mut Ledger| change(known, self.key);
        // Kept in memory at least, so it does not fail.
        let _ = attempts.changing(Mode::AsCanBe, change).await;
    }
}

/// What happens to a change that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It is not made.
    Firm,
    /// It is kept in memory, until it can be written.
    AsCanBe,
}

struct Shared {
    file: Option<PathBuf>,
    /// That of our keys, for as long as we live.
    salt: OnceLock<String>,
    known: std::sync::Mutex<Ledger>,
    turns: std::sync::Mutex<BTreeMap<Key, Arc<Mutex<()>>>>,
}

impl Shared {
    fn change<T>(&self, mode: Mode, change: impl FnOnce(&mut Ledger) -> T) -> io::Result<T> {
        let mut known = self.known();
        let Some(file) = &self.file else { return Ok(change(&mut known)) };
        // Held until the file is written.
        let prepared = ledger::lock(file).and_then(|lock| Ok((lock, ledger::read(file)?)));
        let (_lock, written) = match prepared {
            Ok(prepared) => prepared,
            Err(error) if mode == Mode::Firm => return Err(error),
            Err(error) => {
                warn!(%error, file = %file.display(), "refused sign-ins are kept in memory only");
                known.is_ahead = true;
                return Ok(change(&mut known));
            }
        };
        if let Some(written) = &written {
            known.renew(written.clone());
        }
        let before = known.clone();
        let changed = change(&mut known);
        if written.as_ref() == Some(&*known) {
            return Ok(changed);
        }
        known.is_ahead = false;
        match ledger::write(file, &known) {
            Ok(()) => Ok(changed),
            Err(error) if mode == Mode::Firm => {
                *known = before;
                Err(error)
            }
            Err(error) => {
                warn!(%error, file = %file.display(), "refused sign-ins are kept in memory only");
                known.is_ahead = true;
                Ok(changed)
            }
        }
    }

    fn unusable(&self, error: &io::Error) -> String {
        let file = self.file.as_deref().unwrap_or(Path::new(FILE)).display();
        format!("nobody signs in while refusals cannot be remembered in {file}: {error}")
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn turn(&self, key: &Key) -> Arc<Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(key.clone()).or_default())
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Attempts({:?})", self.0.file)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

const FILE: &str = "binds.json";
/// A salted hash of a good password is not worth the trouble then.
const ROUNDS: NonZeroU32 = NonZeroU32::new(200_000).unwrap();
