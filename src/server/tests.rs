use std::{future::Future, net::SocketAddr};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::*;
use crate::{
    engine::{Job, Runner, Severity},
    metrics::About,
    views::sample::{NAMES, Script, all_ran, connection, job, says, started},
};

#[tokio::test]
async fn metrics_are_text() {
    let lab = Lab::start(well()).await;
    let answer = lab.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(answer.text().contains("anc_check_success{connection=\"prod\""));
}

#[tokio::test]
async fn metrics_page_and_api_are_compressed_when_asked() {
    let lab = Lab::start(well()).await;
    for path in ["/metrics", "/", "/api/v1/status"] {
        assert_eq!(lab.get(path).await.header("content-encoding"), "", "{path}");
        let answer = lab.ask(&format!("GET {path} HTTP/1.1\r\nAccept-Encoding: gzip\r\n")).await;
        assert_eq!(answer.header("content-encoding"), "gzip", "{path}");
        assert_eq!(&answer.body[..2], [0x1f, 0x8b], "{path}");
    }
}

#[tokio::test]
async fn healthz_is_the_verdict() {
    let lab = Lab::start(well()).await;
    let answer = lab.get("/healthz").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/json"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["status"], "passed");

    let lab = Lab::start(ill()).await;
    let answer = lab.get("/healthz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["failed"][0], "prod/dns_ad_domain");
    let answer = lab.get("/healthz?verbose").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().starts_with("[-]prod/dns_ad_domain failed: name_not_found\n"));
}

#[tokio::test]
async fn healthz_is_asked_for_some_checks() {
    let lab = Lab::start(ill()).await;
    assert_eq!(lab.get("/healthz?exclude=dns_ad_domain").await.status, 200);
    assert_eq!(lab.get("/healthz?check=localization&check=udp_connectivity").await.status, 200);
    assert_eq!(lab.get("/healthz?check=localization,dns_ad_domain").await.status, 503);
    let answer = lab.get("/healthz?connection=pord").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.text(), "no connection \"pord\"; there are: prod\n");
    assert_eq!(lab.get("/healthz?chekc=localization").await.status, 400);
}

#[tokio::test]
async fn livez_is_about_the_daemon_alone() {
    let lab = Lab::start(ill()).await;
    let answer = lab.get("/livez").await;
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
}

#[tokio::test]
async fn readyz_waits_for_every_check_and_for_no_longer_than_the_grace() {
    let pending = || vec![job::<0>("prod", Script::default())];
    let lab = Lab::start_with(pending(), |_| ()).await;
    let answer = lab.get("/readyz").await;
    assert_eq!((answer.status, answer.text()), (503, "checks that have not run yet: 1\n"));
    assert_eq!(lab.get("/healthz").await.json()["status"], "starting");
    let lab = Lab::start_with(pending(), |state| state.startup_grace = Duration::ZERO).await;
    assert_eq!(lab.get("/readyz").await.status, 200);
    let lab = Lab::start(ill()).await;
    assert_eq!(lab.get("/readyz").await.status, 200, "whatever it said");
}

#[tokio::test]
async fn readyz_says_that_the_daemon_is_stopping() {
    let stopping = CancellationToken::new();
    let lab = Lab::start_with(well(), |state| state.stopping = stopping.clone()).await;
    stopping.cancel();
    let answer = lab.get("/readyz").await;
    assert_eq!((answer.status, answer.text()), (503, "stopping\n"));
}

#[tokio::test]
async fn the_page_and_its_style_come_from_here() {
    let lab = Lab::start(ill()).await;
    let answer = lab.get("/").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.text().contains("DNS can resolve Active Directory domain"));
    let answer = lab.get("/style.css").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/css; charset=utf-8"));
}

#[tokio::test]
async fn the_api_tells_everything() {
    let lab = Lab::start(ill()).await;
    let document = lab.get("/api/v1/status").await.json();
    let check = &document["connections"][0]["checks"][0];
    assert_eq!(check["findings"][0]["subject"], "corp.contoso.com");
    assert_eq!(check["history"][0]["to"], "failed");
    assert!(check["next_run_at"].is_string());
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let lab = Lab::start(well()).await;
    for path in ["/", "/metrics", "/healthz", "/nowhere", "/-/run"] {
        let answer = lab.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; style-src 'self';"), "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_says_what_is() {
    let lab = Lab::start(well()).await;
    let answer = lab.get("/helthz").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("/healthz"), "{}", answer.text());
    let answer = lab.ask("DELETE /metrics HTTP/1.1\r\n").await;
    assert_eq!((answer.status, answer.header("allow")), (405, "get,head"));
    assert_eq!(lab.get("/-/run").await.status, 405);
    assert_eq!(lab.ask("HEAD /metrics HTTP/1.1\r\n").await.status, 200);
}

#[tokio::test]
async fn what_is_not_enabled_says_how() {
    let lab = Lab::start(well()).await;
    for path in ["/-/reload", "/-/run"] {
        let answer = lab.post(path).await;
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains("enable_lifecycle = true"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_web_page_cannot_post() {
    let (lab, mut reloads) = Lab::start_enabled(well()).await;
    for path in ["/-/reload", "/-/run"] {
        let request = format!("POST {path} HTTP/1.1\r\nOrigin: https://evil.example\r\n");
        assert_eq!(lab.ask(&request).await.status, 403);
    }
    assert!(reloads.try_recv().is_err());
}

#[tokio::test]
async fn a_run_is_asked_for() {
    let (lab, _reloads) = Lab::start_enabled(well()).await;
    let answer = lab.post("/-/run").await;
    assert_eq!((answer.status, answer.text()), (200, "2 checks run now\n"));
    let answer = lab.post("/-/run").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, "1"));
    for (query, status) in [
        ("?connection=prod&check=dns_ad_domain", 200),
        ("?check=udp_connectivity", 404),
        ("?connection=nowhere", 404),
        ("?conection=prod", 400),
    ] {
        sleep(lab.limits.between_calls).await;
        assert_eq!(lab.post(&format!("/-/run{query}")).await.status, status, "{query}");
    }
}

#[tokio::test]
async fn a_reload_answers_what_came_of_it() {
    let (lab, mut reloads) = Lab::start_enabled(well()).await;
    for (result, status, text) in [
        (Ok("2 kept".to_owned()), 200, "2 kept\n"),
        (Err("server.listen: no address\n".to_owned()), 400, "server.listen: no address\n"),
    ] {
        let reloading = async {
            let answer = reloads.recv().await.unwrap();
            answer.send(result).unwrap();
        };
        let (answer, ()) = tokio::join!(lab.post("/-/reload"), reloading);
        assert_eq!((answer.status, answer.text()), (status, text));
        sleep(lab.limits.between_calls).await;
    }
    drop(reloads);
    assert_eq!(lab.post("/-/reload").await.status, 503);
}

#[tokio::test]
async fn one_reload_at_a_time() {
    let (lab, mut reloads) = Lab::start_enabled(well()).await;
    let second = async {
        let first = reloads.recv().await.unwrap();
        sleep(lab.limits.between_calls).await;
        assert_eq!(lab.post("/-/reload").await.status, 409);
        drop(first);
    };
    let (first, ()) = tokio::join!(lab.post("/-/reload"), second);
    assert_eq!(first.status, 500, "nobody answered it");
}

#[tokio::test]
async fn a_half_sent_request_is_cut_off() {
    let lab = Lab::start(well()).await;
    let mut stream = lab.connect().await;
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nX-Slow: ").await.unwrap();
    assert_eq!(within(SOON, read(&mut stream)).await, b"");
}

#[tokio::test]
async fn an_idle_connection_is_cut_off() {
    let lab = Lab::start(well()).await;
    assert_eq!(within(SOON, read(&mut lab.connect().await)).await, b"");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_off() {
    let big = "x".repeat(64 << 20);
    let routes = Router::new().route("/", get(async move || big));
    let lab = Lab::serving(guarded(routes, &Limits::default()), limits()).await;
    let mut stream = lab.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(limits().connection + limits().closing + Duration::from_millis(200)).await;
    // What was under way when it was dropped arrives; the rest does not.
    let mut received = Vec::new();
    let _reset = within(SOON, stream.read_to_end(&mut received)).await;
    assert!(received.len() < 64 << 20);
}

#[tokio::test]
async fn further_connections_wait_for_a_place() {
    let limits = Limits { connections: 2, header_read: Duration::from_secs(60), ..limits() };
    let (runner, state) = state(well()).await;
    let lab = Lab::showing(runner, state, limits).await;
    let (first, _second) = (lab.connect().await, lab.connect().await);
    let mut third = lab.connect().await;
    third.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = timeout(Duration::from_millis(100), third.read_exact(&mut byte)).await;
    assert!(early.is_err(), "there is no place for it");
    drop(first);
    within(SOON, third.read_exact(&mut byte)).await.unwrap();
}

#[tokio::test]
async fn what_is_too_large_is_refused() {
    let lab = Lab::start(well()).await;
    let header = format!("GET /livez HTTP/1.1\r\nX-Long: {}\r\n", "x".repeat(17 * 1024));
    assert_eq!(lab.ask(&header).await.status, 431);
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    assert_eq!(lab.ask(&format!("GET /livez HTTP/1.1\r\n{many}")).await.status, 431);
    let body = "POST /-/reload HTTP/1.1\r\nContent-Length: 20000\r\n";
    assert_eq!(lab.ask(body).await.status, 413);
}

#[tokio::test]
async fn a_bug_and_a_hang_are_answered() {
    let routes = Router::new()
        .route("/bug", get(async || -> &'static str { panic!("a bug in a handler") }))
        .route("/hang", get(std::future::pending::<&'static str>));
    let limits = limits();
    let lab = Lab::serving(guarded(routes, &limits), limits).await;
    let answer = lab.get("/bug").await;
    assert_eq!((answer.status, answer.header("x-content-type-options")), (500, "nosniff"));
    assert_eq!(lab.get("/hang").await.status, 503);
}

#[tokio::test]
async fn closing_lets_an_answer_finish() {
    let routes = Router::new().route(
        "/",
        get(async || {
            sleep(Duration::from_millis(100)).await;
            "done"
        }),
    );
    let lab = Lab::serving(routes, limits()).await;
    let mut stream = lab.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(30)).await;
    lab.closing.cancel();
    let answer = within(SOON, read(&mut stream)).await;
    assert!(answer.ends_with(b"done"), "{}", String::from_utf8_lossy(&answer));
    within(SOON, lab.serving).await.unwrap();
    assert!(TcpStream::connect(lab.address).await.is_err());
}

#[tokio::test]
async fn closing_does_not_wait_for_ever() {
    let limits = Limits {
        header_read: Duration::from_secs(60),
        answer: Duration::from_secs(60),
        ..limits()
    };
    let routes = Router::new().route("/", get(std::future::pending::<&'static str>));
    let lab = Lab::serving(guarded(routes, &limits), limits).await;
    let (mut hanging, mut half_sent) = (lab.connect().await, lab.connect().await);
    hanging.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    half_sent.write_all(b"GET / HT").await.unwrap();
    sleep(Duration::from_millis(30)).await;
    lab.closing.cancel();
    within(SOON, lab.serving).await.unwrap();
    assert_eq!(read(&mut hanging).await, b"");
}

#[tokio::test]
async fn connections_are_reused() {
    let lab = Lab::start(well()).await;
    let mut stream = lab.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok\n") {
            answer.push(within(SOON, stream.read_u8()).await.unwrap());
        }
    }
}

/// Longer than any limit below, and than a busy machine is late.
const SOON: Duration = Duration::from_secs(5);

fn limits() -> Limits {
    let short = Duration::from_millis(200);
    Limits {
        header_read: short,
        answer: short * 3,
        connection: short * 5,
        closing: short * 2,
        between_calls: short,
        ..Limits::default()
    }
}

fn well() -> Vec<Job> {
    vec![
        says::<0>("prod", None),
        says::<2>("prod", None),
        Job::skipped(connection("prod"), NAMES[3], "switched off"),
    ]
}

fn ill() -> Vec<Job> {
    vec![
        says::<0>("prod", Some(Severity::Failed)),
        says::<2>("prod", Some(Severity::Warning)),
        Job::skipped(connection("prod"), NAMES[3], "switched off"),
    ]
}

/// Of a board on which every job has run.
async fn state(jobs: Vec<Job>) -> (Runner, State) {
    let (runner, state) = fresh(jobs);
    state.board.until(all_ran).await;
    (runner, state)
}

fn fresh(jobs: Vec<Job>) -> (Runner, State) {
    let (runner, board) = started(jobs);
    let state = State {
        metrics: Metrics::new(board.clone(), About { version: "0.1.0", revision: "0123abc" }),
        board,
        startup_grace: Duration::from_secs(120),
        started: Instant::now(),
        stopping: CancellationToken::new(),
        runbook_base_url: None,
        version: "0.1.0",
        lifecycle: None,
    };
    (runner, state)
}

/// A server on a port of its own.
struct Lab {
    address: SocketAddr,
    closing: CancellationToken,
    serving: JoinHandle<()>,
    limits: Limits,
    /// Dropped, it would start no further run.
    _runner: Option<Runner>,
}

impl Lab {
    async fn start(jobs: Vec<Job>) -> Self {
        let (runner, state) = state(jobs).await;
        Self::showing(runner, state, limits()).await
    }

    async fn showing(runner: Runner, state: State, limits: Limits) -> Self {
        let lab = Self::serving(router(state, &limits), limits).await;
        Self { _runner: Some(runner), ..lab }
    }

    async fn start_with(jobs: Vec<Job>, change: impl FnOnce(&mut State)) -> Self {
        let (runner, mut state) = fresh(jobs);
        change(&mut state);
        Self::showing(runner, state, limits()).await
    }

    async fn start_enabled(
        jobs: Vec<Job>,
    ) -> (Self, mpsc::Receiver<oneshot::Sender<Result<String, String>>>) {
        let (reload, reloads) = mpsc::channel(1);
        let (runner, state) = state(jobs).await;
        let state = State { lifecycle: Some(Lifecycle { reload }), ..state };
        (Self::showing(runner, state, limits()).await, reloads)
    }

    async fn serving(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closing = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, router, closing.clone(), limits));
        Self { address, closing, serving, limits, _runner: None }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path} HTTP/1.1\r\n")).await
    }

    async fn post(&self, path: &str) -> Answer {
        self.ask(&format!("POST {path} HTTP/1.1\r\n")).await
    }

    /// Sends a request's line and headers and reads to the end.
    async fn ask(&self, head: &str) -> Answer {
        let mut stream = self.connect().await;
        let request = format!("{head}Host: anc\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Answer::of(&within(SOON, read(&mut stream)).await)
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn of(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut body = bytes[end + 4..].to_vec();
        if head.contains("transfer-encoding: chunked") {
            body = unchunked(&body);
        }
        Self { status, head, body }
    }

    /// Its value, or nothing.
    fn header(&self, name: &str) -> &str {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(each, _)| *each == name).map(|(_, value)| value).unwrap_or_default()
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

fn unchunked(mut chunked: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunked.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = str::from_utf8(&chunked[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend(&chunked[end + 2..end + 2 + size]);
        chunked = &chunked[end + 2 + size + 2..];
    }
}

/// To the end, be it a reset.
async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes).await;
    bytes
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> T {
    timeout(limit, future).await.expect("it takes too long")
}
