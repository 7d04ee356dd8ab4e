//! The command line: what each command is asked, and what it prints.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    app::{self, Loaded},
    catalogue::{self, CHECKS, Catalogue, CheckEntry, LATER, REASONS},
    config::{Config, ConfigError, Sources},
    engine::{Board, Job, Status},
    metrics::Metrics,
    net::http,
    views::{self, Document, Options},
};

/// Exit codes besides those of monitoring plugins (BSD `sysexits.h`).
pub const USAGE: u8 = 64;
pub const OUTPUT: u8 = 74;
pub const CONFIGURATION: u8 = 78;

/// How long `healthcheck` waits for the daemon.
const HEALTHCHECK_LIMIT: Duration = Duration::from_secs(5);

/// Re-runs Windows 365 Azure network connection health checks from inside the subnet.
#[derive(Debug, Parser)]
#[command(name = "anc-healthd", version, max_term_width = 100)]
pub struct Arguments {
    /// Configuration file; may repeat, later files override [default: /etc/anc-healthd/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The daemon
    Run,
    /// Run checks once, print, and exit by the overall status
    ///
    /// Exit codes: 0 passed, informational or skipped; 1 warning; 2 failed or blocked; 3 unknown.
    Check {
        /// Only this connection; may repeat
        #[arg(long, value_name = "NAME")]
        connection: Vec<String>,
        /// Only this check, and what it depends on; may repeat
        #[arg(long, value_name = "SLUG")]
        check: Vec<String>,
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// What each check looks at, needs, and can report
    Checks {
        /// Only this check
        slug: Option<String>,
    },
    /// What a reason means and what to do: the runbook section
    Explain { reason: String },
    /// The endpoint catalogue in force, with its date; without a configuration, the built-in one
    /// for all clouds
    Endpoints {
        #[arg(long, value_enum, default_value_t = Listing::Text)]
        format: Listing,
    },
    /// GET /livez of a running daemon: for a container without a shell
    Healthcheck {
        /// [default: /livez where the configuration says that the daemon listens]
        #[arg(long)]
        url: Option<String>,
    },
    /// One end of a tunnel to a domain controller; the daemon starts it, and holds the other
    #[cfg(feature = "kerberos")]
    #[command(hide = true)]
    KerberosTunnel,
}

#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Validate; print the effective configuration with secrets redacted
    Check,
    /// JSON Schema of the configuration
    Schema,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Junit,
    Prometheus,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Listing {
    Text,
    Csv,
    Json,
}

/// What a command comes to: a code, and what goes to standard output or standard error.
#[derive(Debug)]
pub struct Outcome {
    pub code: u8,
    pub out: String,
    pub err: String,
}

impl Arguments {
    pub fn sources(&self) -> Sources {
        Sources::new(self.config.clone())
    }

    /// Does what is asked, for every command but `run`.
    pub async fn execute(&self) -> Outcome {
        match &self.command {
            Command::Run => unreachable!("main runs the daemon"),
            Command::Check { connection, check, format } => {
                self.check(connection, check, *format).await
            }
            Command::Config(ConfigCommand::Schema) => {
                Outcome::said(format!("{:#}\n", Config::schema()))
            }
            Command::Config(ConfigCommand::Check) => {
                // The jobs are made as well: only then is everything known to fit together.
                app::load(&self.sources())
                    .map_or_else(Into::into, |loaded| Outcome::said(loaded.config.effective()))
            }
            Command::Checks { slug: None } => {
                Outcome::said(CHECKS.iter().map(described).collect::<Vec<_>>().join("\n"))
            }
            Command::Checks { slug: Some(slug) } => match catalogue::check(slug) {
                Some(check) => Outcome::said(described(check)),
                None => Outcome::misused(no_such_check(slug)),
            },
            Command::Explain { reason } => explained(reason),
            Command::Endpoints { format } => self.endpoints(*format),
            Command::Healthcheck { url } => self.healthcheck(url.as_deref()).await,
            #[cfg(feature = "kerberos")]
            Command::KerberosTunnel => kerberos_tunnel().await,
        }
    }

    async fn check(&self, connections: &[String], checks: &[String], format: Format) -> Outcome {
        let Loaded { config, jobs, .. } = match app::load(&self.sources()) {
            Ok(loaded) => loaded,
            Err(error) => return error.into(),
        };
        crate::telemetry::start(config.log);
        let jobs = match chosen(jobs, connections, checks) {
            Ok(jobs) => jobs,
            Err(wrong) => return Outcome::misused(wrong),
        };
        let board = app::once(jobs).await;
        shown(&board, &config, format)
    }

    /// The configuration's catalogue; without a configuration, the one that is built in.
    fn endpoints(&self, format: Listing) -> Outcome {
        let sources = self.sources();
        let catalogue = if sources.exist() {
            match Config::load(&sources) {
                Ok(config) => in_force(&config),
                Err(error) => return error.into(),
            }
        } else {
            Catalogue::builtin().clone()
        };
        Outcome::said(match format {
            Listing::Text => catalogue.to_text(),
            Listing::Csv => catalogue.to_csv(),
            Listing::Json => catalogue.to_json(),
        })
    }

    async fn healthcheck(&self, url: Option<&str>) -> Outcome {
        let url = match url {
            Some(url) => url.to_owned(),
            // A broken file must not end a daemon that rightly goes on with the old one.
            None => format!("http://{}/livez", reached_at(self.sources().listen())),
        };
        let Some((authority, path)) = parts(&url) else {
            let wrong = format!("--url: \"{url}\" is no URL such as http://127.0.0.1:9815/livez");
            return Outcome::misused(wrong);
        };
        match http::get(authority, &path, HEALTHCHECK_LIMIT).await {
            Ok((200, _)) => Outcome::said("alive\n".into()),
            Ok((status, body)) => Outcome::failed(format!("{url}: HTTP {status}: {}", body.trim())),
            Err(error) => Outcome::failed(format!("{url}: {error}")),
        }
    }
}

impl Outcome {
    fn said(out: String) -> Self {
        Self { code: 0, out, err: String::new() }
    }

    fn failed(err: String) -> Self {
        Self { code: 1, out: String::new(), err }
    }

    fn misused(err: String) -> Self {
        Self { code: USAGE, out: String::new(), err }
    }
}

impl From<ConfigError> for Outcome {
    fn from(error: ConfigError) -> Self {
        Self { code: CONFIGURATION, out: String::new(), err: error.to_string() }
    }
}

/// Parses the command line, or says how to leave: help is no mistake.
pub fn parse() -> Result<Arguments, ExitCode> {
    Arguments::try_parse().map_err(|error| {
        // Where this cannot be printed, there is nobody to tell.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
    })
}

/// Standard output is its connection to the domain controller: nothing may be printed.
#[cfg(feature = "kerberos")]
async fn kerberos_tunnel() -> Outcome {
    let served = crate::directory::kerberos::serve().await;
    Outcome { code: u8::from(served.is_err()), out: String::new(), err: String::new() }
}

/// The jobs of the named connections and checks, and those that the checks depend on. Everything
/// that is misnamed is told at once.
fn chosen(jobs: Vec<Job>, connections: &[String], checks: &[String]) -> Result<Vec<Job>, String> {
    let known = |name: &&String| jobs.iter().any(|job| job.connection() == **name);
    let strangers = connections.iter().filter(|name| !known(name)).map(|name| {
        let mut all: Vec<_> = jobs.iter().map(Job::connection).collect();
        all.dedup();
        format!("--connection: there is no \"{name}\"; configured are {}", all.join(", "))
    });
    let misnamed = checks.iter().filter(|slug| catalogue::check(slug).is_none());
    let wrong: Vec<_> =
        strangers.chain(misnamed.map(|slug| format!("--check: {}", no_such_check(slug)))).collect();
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let mut wanted: Vec<&str> = checks.iter().map(String::as_str).collect();
    let mut seen = 0;
    while seen < wanted.len() {
        let on = catalogue::check(wanted[seen]).map_or(&[][..], |check| check.depends_on);
        wanted.extend(on);
        seen += 1;
    }
    let chosen = jobs.into_iter().filter(|job| {
        let of_connection =
            connections.is_empty() || connections.iter().any(|name| name == job.connection());
        of_connection && (checks.is_empty() || wanted.contains(&job.check()))
    });
    Ok(chosen.collect())
}

fn no_such_check(slug: &str) -> String {
    if let Some((_, with)) = LATER.iter().find(|(later, _)| *later == slug) {
        return format!("\"{slug}\" is not in this version yet; it comes with {with}");
    }
    let all: Vec<_> = CHECKS.iter().map(|check| check.slug).collect();
    format!("there is no check \"{slug}\"; there are {}", all.join(", "))
}

fn shown(board: &Board, config: &Config, format: Format) -> Outcome {
    let options = Options {
        version: app::ABOUT.version,
        runbook_base_url: config.server.runbook_base_url.as_deref(),
        with_history: false,
    };
    let document = views::status(&board.standings(), board.clock().now(), &options);
    let out = match format {
        Format::Text => views::text(&document),
        Format::Json => json(&document),
        Format::Junit => views::junit(&document),
        Format::Prometheus => {
            let metrics = Metrics::new(board.clone(), app::ABOUT);
            app::date_catalogue(&metrics, config);
            metrics.page()
        }
    };
    Outcome { code: exit_code(document.status), out, err: String::new() }
}

fn json(document: &Document) -> String {
    serde_json::to_string_pretty(document).map_or_else(
        |error| unreachable!("the document holds nothing that JSON cannot: {error}"),
        |text| text + "\n",
    )
}

/// As monitoring plugins do.
pub fn exit_code(status: Status) -> u8 {
    match status {
        Status::Passed | Status::Informational | Status::Skipped => 0,
        Status::Warning => 1,
        Status::Failed | Status::Blocked => 2,
        Status::Unknown | Status::Pending => 3,
    }
}

fn described(check: &CheckEntry) -> String {
    let mut text = format!("{}: {}\n", check.slug, check.title);
    let reports: Vec<_> = check.reports.iter().map(|reason| reason.as_str()).collect();
    let depends_on = if check.depends_on.is_empty() {
        "nothing".to_owned()
    } else {
        check.depends_on.join(", ")
    };
    for (name, value) in [
        ("join type", check.join.as_str()),
        ("at worst", check.worst.as_str()),
        ("looks from", check.side),
        ("depends on", &depends_on),
        ("looks at", check.looks_at),
        ("needs", check.needs),
        ("reports", &reports.join(", ")),
    ] {
        text.push_str(&wrapped(name, value));
    }
    text
}

/// `  name        value`, the value broken into lines below itself.
fn wrapped(name: &str, value: &str) -> String {
    const COLUMN: usize = 14;
    const WIDTH: usize = 96;
    let mut line = format!("  {name:<width$}", width = COLUMN - 2);
    let mut text = String::new();
    for word in value.split_whitespace() {
        if line.len() + word.len() + 1 > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(COLUMN);
        }
        line.push_str(word);
        line.push(' ');
    }
    text + line.trim_end() + "\n"
}

fn explained(word: &str) -> Outcome {
    let Some(entry) = catalogue::find(word) else {
        let all: Vec<_> = REASONS.iter().map(|entry| entry.reason.as_str()).collect();
        return Outcome::misused(format!(
            "there is no reason \"{word}\"; there are {}",
            all.join(", ")
        ));
    };
    let path = catalogue::runbook_path(entry.reason);
    let section = catalogue::section(entry.reason).trim();
    Outcome::said(format!("{word}: {}\n{}\n\n{section}\n\n({path})\n", entry.means, entry.action))
}

/// The catalogue for the configured cloud, with what the operator added and took away.
fn in_force(config: &Config) -> Catalogue {
    let endpoints = &config.endpoints;
    let mut catalogue = endpoints.catalogue.clone();
    let excluded = |host: &str| catalogue::is_excluded(&endpoints.exclude, host);
    catalogue.endpoints.retain(|row| !excluded(&row.host));
    for row in &mut catalogue.endpoints {
        row.probe_hosts.retain(|host| !excluded(host));
    }
    catalogue.endpoints.extend(endpoints.extra.iter().cloned());
    catalogue.endpoints.retain(|row| row.clouds.contains(&config.cloud));
    catalogue
}

/// Where a listener is reached from its own machine.
fn reached_at(mut listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    listen
}

/// The authority and the path of an `http` URL.
fn parts(url: &str) -> Option<(&str, String)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    (!authority.is_empty()).then(|| (authority, format!("/{path}")))
}
