//! A real Prometheus that scrapes a page, and `promtool`, which judges one.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::http;
use super::ports::free_address;
use super::process::{Program, Server, poll};

const PROMETHEUS: Program = Program { name: "prometheus", package: "prometheus" };
const PROMTOOL: Program = Program { name: "promtool", package: "prometheus" };

/// A running Prometheus that scrapes one target every second.
#[derive(Debug)]
pub struct Prometheus {
    pub address: SocketAddr,
    server: Server,
}

impl Prometheus {
    /// Scrapes `/metrics` of `target`; returns when the first scrape has succeeded.
    pub fn scraping(target: SocketAddr) -> Self {
        let address = free_address();
        let home = TempDir::new().unwrap();
        fs::write(home.path().join("prometheus.yml"), configuration(target)).unwrap();
        let mut command = PROMETHEUS.command();
        command
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"])
            .arg(format!("--web.listen-address={address}"));
        let ready = |_: &Server| {
            http::request("GET", address, "/-/ready", &[]).is_ok_and(|answer| answer.status == 200)
        };
        let prometheus =
            Self { address, server: Server::start(PROMETHEUS, home, &mut command, ready) };
        prometheus.wait_for(r#"up{job="anc-healthd"} == 1"#, Duration::from_secs(30));
        prometheus
    }

    /// The result of an instant query: an array of `{"metric": {...}, "value": [time, "text"]}`.
    #[track_caller]
    pub fn query(&self, expression: &str) -> Value {
        let path = format!("/api/v1/query?query={}", percent_encoded(expression));
        let answer = http::request("GET", self.address, &path, &[]).unwrap();
        assert_eq!(answer.status, 200, "{expression}: {}", answer.text());
        answer.json()["data"]["result"].take()
    }

    /// Queries until there is a result; panics when there is none within `limit`.
    #[track_caller]
    pub fn wait_for(&self, expression: &str, limit: Duration) -> Value {
        let some = || Some(self.query(expression)).filter(|it| it != &Value::Array(Vec::new()));
        poll(limit, some)
            .unwrap_or_else(|| panic!("{expression} has no result\n{}", self.server.log()))
    }
}

/// What `promtool check metrics` says to a page: the format and the naming rules.
pub fn promtool_check_metrics(page: &str) -> Result<(), String> {
    let mut child = PROMTOOL
        .command()
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

fn configuration(target: SocketAddr) -> String {
    format!(
        "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}
scrape_configs:
  - job_name: anc-healthd
    static_configs: [ {{ targets: [ '{target}' ] }} ]
"
    )
}

fn percent_encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
