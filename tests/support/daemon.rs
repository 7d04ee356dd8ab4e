//! The built `anc-healthd`: one command run to its end, or the daemon while it runs.

use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::http::{self, Response};
use super::ports::free_address;
use super::process::poll;

const COMMAND_LIMIT: Duration = Duration::from_secs(120);
const READY_WITHIN: Duration = Duration::from_secs(30);

/// How a process ended, and all it wrote.
#[derive(Clone, Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `anc-healthd --config FILE ARGS` to its end, FILE holding `config`.
#[track_caller]
pub fn command(config: &str, args: &[&str]) -> Ended {
    let mut process = Process::spawn(config, &[], args);
    process.wait(COMMAND_LIMIT).unwrap_or_else(|| panic!("{args:?} runs on\n{}", process.stderr()))
}

/// Runs `check --format json ARGS`: the exit code and the report.
#[track_caller]
pub fn check_json(config: &str, args: &[&str]) -> (i32, Value) {
    let ended = command(config, &[&["check", "--format", "json"], args].concat());
    let report = serde_json::from_str(&ended.stdout)
        .unwrap_or_else(|error| panic!("no JSON on standard output: {error}\n{ended:#?}"));
    let code = ended.code.unwrap_or_else(|| panic!("ended by a signal\n{ended:#?}"));
    (code, report)
}

/// A daemon that runs, on a port of its own. Dropping it kills it.
#[derive(Debug)]
pub struct Daemon {
    pub address: SocketAddr,
    process: Process,
}

impl Daemon {
    /// Runs `run` with `config`, whose `server.listen` does not count; returns when it answers.
    #[track_caller]
    pub fn start(config: &str) -> Self {
        let address = free_address();
        let listen = format!("[server]\nlisten = \"{address}\"\n");
        let mut daemon = Self { address, process: Process::spawn(config, &[&listen], &["run"]) };
        let answering = poll(READY_WITHIN, || {
            if let Some(ended) = daemon.process.wait(Duration::ZERO) {
                panic!("the daemon ended before it answered\n{ended:#?}");
            }
            http::request("GET", address, "/livez", &[]).ok()
        });
        assert!(answering.is_some(), "the daemon does not answer\n{}", daemon.stderr());
        daemon
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[])
    }

    #[track_caller]
    pub fn post(&self, path: &str) -> Response {
        self.request("POST", path, &[])
    }

    #[track_caller]
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
        http::request(method, self.address, path, headers)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.stderr()))
    }

    /// Gets `path` until `wanted` holds of the answer; panics with the last one when it does not within `limit`.
    #[track_caller]
    pub fn wait_for(
        &self,
        path: &str,
        limit: Duration,
        wanted: impl Fn(&Response) -> bool,
    ) -> Response {
        let mut last = None;
        poll(limit, || Some(last.insert(self.get(path)).clone()).filter(&wanted)).unwrap_or_else(
            || panic!("{path} is not as wanted: {:?}\n{}", last.map(|it| it.text()), self.stderr()),
        )
    }

    /// Replaces the configuration file, which a daemon notices by itself.
    pub fn rewrite_config(&self, config: &str) {
        self.process.write_config(config);
    }

    pub fn sigterm(&self) {
        self.process.signal("-TERM");
    }

    pub fn sighup(&self) {
        self.process.signal("-HUP");
    }

    /// How it ended, or None when it has not within `limit`.
    pub fn wait_exit(&mut self, limit: Duration) -> Option<Ended> {
        self.process.wait(limit)
    }

    /// What it has logged.
    pub fn stderr(&self) -> String {
        self.process.stderr()
    }
}

/// The binary with its configuration and its output in a directory.
#[derive(Debug)]
struct Process {
    child: Child,
    home: TempDir,
}

impl Process {
    fn spawn(config: &str, overrides: &[&str], args: &[&str]) -> Self {
        let home = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_anc-healthd"));
        for (number, text) in [config].iter().chain(overrides).enumerate() {
            let file = config_file(&home, number);
            fs::write(&file, text).unwrap();
            command.arg("--config").arg(file);
        }
        let output = |name| File::create(home.path().join(name)).unwrap();
        command.args(args).stdin(Stdio::null()).stdout(output("stdout")).stderr(output("stderr"));
        for (variable, _) in env::vars_os() {
            if is_of_the_caller(&variable.to_string_lossy()) {
                command.env_remove(variable);
            }
        }
        Self { child: command.spawn().unwrap(), home }
    }

    /// Renames, so that no reader sees half a file.
    fn write_config(&self, config: &str) {
        let new = self.home.path().join("new");
        fs::write(&new, config).unwrap();
        fs::rename(new, config_file(&self.home, 0)).unwrap();
    }

    fn wait(&mut self, limit: Duration) -> Option<Ended> {
        let status = poll(limit, || self.child.try_wait().unwrap())?;
        Some(Ended { code: status.code(), stdout: self.read("stdout"), stderr: self.stderr() })
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success(), "kill {signal}\n{}", self.stderr());
    }

    fn stderr(&self) -> String {
        self.read("stderr")
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.home.path().join(name)).unwrap()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config_file(home: &TempDir, number: usize) -> PathBuf {
    home.path().join(format!("{number}.toml"))
}

/// Whether a variable of the caller's environment would change what the daemon does.
fn is_of_the_caller(variable: &str) -> bool {
    variable.to_ascii_lowercase().ends_with("_proxy")
        || ["ANC_HEALTHD", "AZURE_", "IDENTITY_", "MSI_", "RUST_LOG", "SSL_CERT_"]
            .iter()
            .any(|prefix| variable.starts_with(prefix))
}
