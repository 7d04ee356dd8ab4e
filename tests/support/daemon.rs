//! The built `anc-healthd`: one command run to its end, or the daemon while it runs.

use std::env;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::http::{self, Response};
use super::namespace::Namespace;
use super::ports::free_address;
use super::process::poll;

const COMMAND_LIMIT: Duration = Duration::from_secs(120);
const READY_WITHIN: Duration = Duration::from_secs(30);
const CONFIG: &str = "config.toml";
const MOUNT: &str = "..data";

/// How a process ended, and all it wrote.
#[derive(Clone, Debug)]
pub struct Ended {
    /// None when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// What a process finds besides its configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Of the environment.
    pub variables: &'a [(&'a str, &'a str)],
    /// Where it looks at the network; none: here.
    pub namespace: Option<&'a Namespace>,
}

/// Runs `anc-healthd --config FILE ARGS` to its end, FILE holding `config`.
#[track_caller]
pub fn command(config: &str, args: &[&str]) -> Ended {
    command_in(config, args, &Surroundings::default())
}

#[track_caller]
pub fn command_in(config: &str, args: &[&str], surroundings: &Surroundings<'_>) -> Ended {
    let mut process = Process::spawn(config, &[], args, surroundings);
    process.wait(COMMAND_LIMIT).unwrap_or_else(|| panic!("{args:?} runs on\n{}", process.stderr()))
}

/// Runs `check --format json ARGS`: the exit code and the report.
#[track_caller]
pub fn check_json(config: &str, args: &[&str]) -> (i32, Value) {
    check_json_in(config, args, &Surroundings::default())
}

#[track_caller]
pub fn check_json_in(config: &str, args: &[&str], surroundings: &Surroundings<'_>) -> (i32, Value) {
    let args = [&["check", "--format", "json"], args].concat();
    let ended = command_in(config, &args, surroundings);
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
        let process = Process::spawn(config, &[&listen], &["run"], &Surroundings::default());
        let mut daemon = Self { address, process };
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

    /// Puts another configuration file in place of the one there is, which a daemon notices by itself.
    pub fn rewrite_config(&self, config: &str) {
        self.process.write_config(config);
    }

    /// Does the same as Kubernetes does it with a mounted ConfigMap.
    pub fn swap_config(&self, config: &str) {
        self.process.mount_config(config);
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
pub struct Process {
    child: Child,
    home: TempDir,
}

impl Process {
    /// Runs `anc-healthd --config FILE ARGS`, FILE holding `config` and those after it `overrides`.
    pub fn spawn(
        config: &str,
        overrides: &[&str],
        args: &[&str],
        surroundings: &Surroundings<'_>,
    ) -> Self {
        let home = TempDir::new().unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_anc-healthd"));
        let mut command = surroundings
            .namespace
            .map_or_else(|| Command::new(program), |namespace| namespace.inside(program));
        symlink(Path::new(MOUNT).join(CONFIG), home.path().join(CONFIG)).unwrap();
        mount(&home, config);
        command.arg("--config").arg(home.path().join(CONFIG));
        for (number, text) in overrides.iter().enumerate() {
            let file = home.path().join(format!("{number}.toml"));
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
        command.envs(surroundings.variables.iter().copied());
        Self { child: command.spawn().unwrap(), home }
    }

    /// Renames, so that no reader sees half a file.
    fn write_config(&self, config: &str) {
        let new = self.home.path().join("new");
        fs::write(&new, config).unwrap();
        fs::rename(new, self.home.path().join(CONFIG)).unwrap();
    }

    fn mount_config(&self, config: &str) {
        mount(&self.home, config);
    }

    /// How it ended, or None when it has not within `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<Ended> {
        let status = poll(limit, || self.child.try_wait().unwrap())?;
        Some(Ended { code: status.code(), stdout: self.read("stdout"), stderr: self.stderr() })
    }

    /// Sends a signal, such as `-TERM`.
    pub fn signal(&self, signal: &str) {
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

/// As a mounted ConfigMap is: the file is a link through the link `..data`, which is what changes.
fn mount(home: &TempDir, config: &str) {
    let version = (0..).map(|number| home.path().join(format!("..{number}")));
    let folder = version.into_iter().find(|folder| !folder.exists()).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(CONFIG), config).unwrap();
    let link = home.path().join("..data_tmp");
    symlink(folder.file_name().unwrap(), &link).unwrap();
    fs::rename(link, home.path().join(MOUNT)).unwrap();
}

/// Whether a variable of the caller's environment would change what the daemon does.
fn is_of_the_caller(variable: &str) -> bool {
    variable.to_ascii_lowercase().ends_with("_proxy")
        || ["ANC_HEALTHD", "AZURE_", "IDENTITY_", "MSI_", "RUST_LOG", "SSL_CERT_"]
            .iter()
            .any(|prefix| variable.starts_with(prefix))
}
