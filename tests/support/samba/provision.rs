//! The domains before anything runs: made once, kept in cargo's directory for tests, and copied.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;
use time::OffsetDateTime;

use super::super::process::Program;
use super::{Host, SAMBA, configuration};

/// Not the first `python3` of the path: only Debian's has the modules of Samba.
const PYTHON: &str = "/usr/bin/python3";
const COPY: Program = Program { name: "cp", package: "coreutils" };
const SCRIPTS: [(&str, &str); 2] =
    [("provision.py", include_str!("provision.py")), ("seed.py", include_str!("seed.py"))];
/// Longer than any test that may still copy from it.
const KEPT_FOR: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// Copies the domain whose controller `host` is to the empty directory `home`.
pub fn copy(host: Host, home: &Path) {
    static ORIGINALS: [OnceLock<PathBuf>; 2] = [OnceLock::new(), OnceLock::new()];
    let original = ORIGINALS[host as usize].get_or_init(|| original(host));
    duplicate(original, home);
}

/// Whoever is first makes it. It ages: an account expires soon, and a password.
fn original(host: Host) -> PathBuf {
    let shelf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("samba");
    fs::create_dir_all(&shelf).unwrap();
    let original = shelf.join(format!("{}-{:016x}", host.label(), key()));
    if !original.exists() {
        discard_old(&shelf);
        let made = TempDir::new().unwrap();
        make(host, made.path());
        let scratch = tempfile::Builder::new().prefix("new").tempdir_in(&shelf).unwrap();
        duplicate(made.path(), scratch.path());
        // It fails when another process was faster: what is there then is as good.
        let _ = fs::rename(scratch.path(), &original);
    }
    original
}

/// The same for as long as a domain is: today, with these scripts and this Samba.
fn key() -> u64 {
    let mut hasher = DefaultHasher::new();
    let version = SAMBA.command().arg("--version").output().unwrap().stdout;
    (SCRIPTS, include_str!("smb.conf"), version).hash(&mut hasher);
    OffsetDateTime::now_utc().date().hash(&mut hasher);
    hasher.finish()
}

fn make(host: Host, home: &Path) {
    for directory in ["private", "state", "cache", "lock", "run/ncalrpc", "bind-dns"] {
        fs::create_dir_all(home.join(directory)).unwrap();
    }
    let configured = home.join("smb.conf");
    let address = Ipv4Addr::LOCALHOST;
    fs::write(&configured, configuration(home, host, address)).unwrap();
    for (name, text) in SCRIPTS {
        let script = home.join(name);
        fs::write(&script, text).unwrap();
        let mut command = Command::new(PYTHON);
        run(command.arg(&script).arg(&configured).args([host.label(), &address.to_string()]));
    }
}

/// The databases are mostly holes.
fn duplicate(from: &Path, to: &Path) {
    run(COPY.command().args(["-a", "--sparse=always"]).arg(from.join(".")).arg(to));
}

fn discard_old(shelf: &Path) {
    for entry in fs::read_dir(shelf).unwrap().flatten() {
        let made = entry.metadata().and_then(|metadata| metadata.modified());
        let old = made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > KEPT_FOR));
        if old {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
}
