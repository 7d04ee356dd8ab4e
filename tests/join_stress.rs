//! A thousand rehearsed joins with faults at random places: what they leave behind, and what they
//! do to the account. The seed is printed; `JOIN_STRESS_SEED` sets it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "test code, and it runs in real time"
)]

mod support;

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anc_healthd::checks::{AdDomainJoin, Last, SigningIn, Writing};
use anc_healthd::directory::{
    Anchors, Attempts, Credentials, DoorPorts, Locator, MARK, Protection, Site, computer_name,
};
use anc_healthd::engine::{Check as _, Clock, Severity};
use anc_healthd::net::tls::{Roots, Trust};
use tempfile::TempDir;

use support::bind::Bind;
use support::daemon::{Process, Surroundings};
use support::domain::{Domain, Joiner, changed_since, in_order, object, snapshot, unit};
use support::pki::Pki;
use support::relay::{Failure, Place, Plan, Relay};
use support::samba::{self, BASE, Dc, Host, PASSWORD};
use support::zones::{Controller, DOMAIN, of_controllers};

const ACCOUNT: &str = "svc-join";
/// Which a wrong password may lock, one after the other.
const ACCOUNTS: [&str; 7] = [
    "svc-join",
    "svc-norights",
    "svc-quota",
    "svc-createonly",
    "svc-nodelete",
    "svc-nodisable",
    "person",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_thousand_faulty_runs_nothing_is_left_and_nobody_is_locked() {
    let started = Instant::now();
    let mut seeds = Random::printed();
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(Host::Dc1.name()));
    let lanes = [
        Lane::new("a", &dc, &pki, &mut seeds, 240),
        Lane::new("b", &dc, &pki, &mut seeds, 240).remembering(),
        Lane::new("c", &dc, &pki, &mut seeds, 240).remembering(),
        Lane::new("keeps", &dc, &pki, &mut seeds, 240).keeping(),
        Lane::new("taken", &dc, &pki, &mut seeds, 40),
    ];
    let foreign = format!("CN={},{}", lanes[4].computer(), unit("NoRights"));
    let account = format!("{}$", lanes[4].computer());
    dc.add(&foreign, &[("objectClass", "computer"), ("sAMAccountName", &account)]);
    let before = snapshot(&dc);

    let mut running = Vec::new();
    for lane in lanes {
        running.push(tokio::spawn(lane.run()));
    }
    let mut tally = Tally::default();
    let mut lanes = Vec::new();
    for lane in running {
        let (lane, seen) = lane.await.unwrap();
        tally.add(seen);
        lanes.push(lane);
    }
    eprintln!("{tally}in {:?}", started.elapsed());
    assert_eq!(tally.runs, 1000);
    for (what, least) in [("failed", 200), ("went well", 200), ("found leftovers", 20)] {
        assert!(tally.outcomes.get(what).copied().unwrap_or_default() >= least, "{what}\n{tally}");
    }

    let left = ours(&dc);
    assert!(left.len() <= 5, "{left:#?}");
    for lane in &mut lanes {
        lane.plan.store(NOWHERE, Ordering::SeqCst);
        let worst = lane.once(None, &mut Tally::default()).await;
        let expected =
            if lane.connection == "taken" { Severity::Warning } else { Severity::Informational };
        assert_eq!(worst, Some(expected), "{}", lane.connection);
    }
    let kept = object_of(&lanes[3]);
    let mut expected = vec![kept.clone(), foreign];
    expected.sort();
    assert_eq!(ours(&dc), expected);
    let object = &dc.search(&kept, "(cn=*)", &["userAccountControl", "description"])[0];
    assert_eq!(object.value("userAccountControl"), Some("4098"));
    assert!(object.value("description").unwrap().starts_with(MARK));
    dc.delete(&kept);
    assert_eq!(changed_since(&before, &dc), Vec::<String>::new());
    is_not_locked(&dc, ACCOUNT);
    assert_eq!(dc.account("svc-join", "badPwdCount").as_deref(), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_does_not_lock_the_account_whatever_is_lost() {
    let mut seeds = Random::printed();
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(Host::Dc1.name()));
    let mut twice = 0;
    for account in ACCOUNTS {
        let mut lane = Lane::new("a", &dc, &pki, &mut seeds, 40).remembering();
        lane.plan.store(AT_THE_SIGN_IN, Ordering::SeqCst);
        lane.user = format!("{account}@{DOMAIN}");
        lane.password = "wrong";
        // All within the time in which the domain counts.
        lane.pace = Duration::from_secs(1);
        let (_, tally) = lane.run().await;
        eprintln!("{account} {tally}");
        let binds = dc.binds().into_iter();
        let refused = binds.filter(|it| it.account.starts_with(account)).count();
        assert!(refused <= 2, "{refused}");
        twice += usize::from(refused == 2);
        is_not_locked(&dc, account);
    }
    assert!(twice > 0, "no answer was lost");
}

#[test]
fn a_daemon_that_is_killed_at_any_time_leaves_nothing() {
    let mut random = Random::printed();
    let pki = Pki::new("Contoso Root");
    let dc = Dc::start(Host::Dc1, &pki.valid(Host::Dc1.name()));
    // So slow that most runs are killed between two messages.
    let slow = |_| Some((Place::Up(0), Failure::Slow(Duration::from_millis(40))));
    let relay = Relay::start(samba::free_address(), dc.address(), slow);
    let zone = in_order(&[Controller::at("dc1", relay.address)]);
    let domain = Domain::named(pki, vec![dc], &zone);
    let before = snapshot(domain.dc());
    let joiner = domain.joiner(ACCOUNT);
    let started = Instant::now();
    assert_eq!(joiner.check().code, 0);
    let whole = started.elapsed();
    let mut found = 0;
    for _ in 0..40 {
        run_and_kill(&joiner, whole.mul_f64(0.4 + random.fraction() * 0.6));
        let left = ours(domain.dc());
        assert!(left.is_empty() || left == [object(&unit("CloudPCs"))], "{left:?}");
        found += left.len();
    }
    eprintln!("{found} of 40 left an object, of {whole:?}");
    assert!(found > 0);
    assert_eq!(joiner.check().code, 0);
    assert_eq!(changed_since(&before, domain.dc()), Vec::<String>::new());
    is_not_locked(domain.dc(), ACCOUNT);
}

#[test]
fn a_daemon_that_is_killed_at_any_time_does_not_lock_the_account() {
    let mut random = Random::printed();
    let domain = Domain::of(&[Host::Dc1]);
    let joiner = domain.joiner_as(&format!("{ACCOUNT}@{DOMAIN}"), "wrong").with_memory();
    for _ in 0..40 {
        run_and_kill(&joiner, Duration::from_millis(300).mul_f64(random.fraction()));
    }
    let refused = domain.dc().binds().len();
    assert!(refused <= 2, "{refused}");
    is_not_locked(domain.dc(), ACCOUNT);
}

fn run_and_kill(joiner: &Joiner<'_>, after: Duration) {
    let args = ["check", "--check", "ad_domain_join"];
    let mut process = Process::spawn(&joiner.config(), &[], &args, &Surroundings::default());
    // It may end by itself before.
    if process.wait(after).is_none() {
        process.signal("-KILL");
        process.wait(Duration::from_secs(10)).unwrap();
    }
}

/// One connection, whose runs follow each other as those of a daemon do, through a relay that fails
/// at random places.
struct Lane {
    connection: &'static str,
    user: String,
    password: &'static str,
    runs: usize,
    keeps: bool,
    /// From one run to the next, by the clock of the daemon.
    pace: Duration,
    now: SystemTime,
    random: Random,
    memory: Option<TempDir>,
    credentials: Arc<Credentials>,
    trust: Trust,
    bind: Bind,
    plan: Arc<AtomicUsize>,
    _relay: Relay,
}

impl Lane {
    fn new(
        connection: &'static str,
        dc: &Dc<'_>,
        pki: &Pki,
        seeds: &mut Random,
        runs: usize,
    ) -> Self {
        let plan = Arc::new(AtomicUsize::new(ANYWHERE));
        let (seed, planned) = (seeds.next(), Arc::clone(&plan));
        let relay = Relay::start(samba::free_address(), dc.address(), move |number| {
            let mut random = Random(seed ^ (number as u64) << 20);
            random.plan(planned.load(Ordering::SeqCst))
        });
        let zone = of_controllers(&[Controller::at("dc1", relay.address)]);
        let roots = Roots::from_pem(pki.root_pem().as_bytes()).unwrap();
        Self {
            connection,
            user: format!("{ACCOUNT}@{DOMAIN}"),
            password: PASSWORD,
            runs,
            keeps: false,
            // Longer than the pause after two sign-ins that were not answered.
            pace: Duration::from_secs(31 * 60),
            now: SystemTime::now(),
            random: Random(seeds.next()),
            memory: None,
            credentials: credentials("", PASSWORD, None),
            trust: Trust::new(&Roots::empty(), &roots),
            bind: Bind::with_zones(&[(DOMAIN, &zone)]),
            plan,
            _relay: relay,
        }
    }

    /// What was refused is written to a file, and read from there after a restart.
    fn remembering(mut self) -> Self {
        self.memory = Some(TempDir::new().unwrap());
        self
    }

    fn keeping(mut self) -> Self {
        self.keeps = true;
        self
    }

    fn computer(&self) -> String {
        computer_name("ANC-Hth", ["", self.connection, "join"])
    }

    async fn run(mut self) -> (Self, Tally) {
        let mut tally = Tally::default();
        for number in 0..self.runs {
            if number % 20 == 0 {
                let memory = self.memory.as_ref().map(TempDir::path).map(Path::to_owned);
                self.credentials = credentials(&self.user, self.password, memory);
            }
            // What a daemon does to a check that takes too long.
            let limit = self.random.within(10) == 0;
            let limit = limit.then(|| Duration::from_millis(self.random.within(200)));
            self.once(limit, &mut tally).await;
        }
        (self, tally)
    }

    /// The worst finding, if the run came to its end.
    async fn once(&mut self, limit: Option<Duration>, tally: &mut Tally) -> Option<Severity> {
        self.now += self.pace;
        let check = self.check();
        let limit = limit.unwrap_or(Duration::from_secs(60));
        let gathered = tokio::time::timeout(limit, check.gather()).await;
        let Ok(facts) = gathered else {
            tally.run("abandoned", &[]);
            return None;
        };
        let facts = facts.unwrap();
        let verdict = check.judge(&facts);
        let found = verdict.findings().iter();
        let worst = found.clone().map(|it| it.severity).max();
        let reasons: Vec<_> = found.map(|it| it.reason.as_str()).collect();
        let went_well = worst <= Some(Severity::Warning);
        tally.run(if went_well { "went well" } else { "failed" }, &reasons);
        let facts = format!("{facts:?}");
        if !self.keeps && facts.contains("found: Some(Ours(") {
            *tally.outcomes.entry("found leftovers").or_default() += 1;
        }
        worst
    }

    /// As after a restart: nothing of the last run is remembered but what is in `credentials`.
    fn check(&self) -> AdDomainJoin {
        AdDomainJoin {
            signing_in: SigningIn {
                locator: Locator {
                    domain: DOMAIN.into(),
                    site: Site::default(),
                    servers: Vec::new(),
                    most: 8,
                },
                servers: Some(vec![self.bind.address]),
                ports: DoorPorts { ldap: 389, ldaps: 636, kerberos: 88 },
                protection: Protection::Ldaps,
                anchors: Anchors { trust: self.trust.clone(), pins: Vec::new() },
                credentials: Arc::clone(&self.credentials),
                writes: true,
                chooser: self.connection.into(),
                // A silent server costs two seconds; less leaves no time for a write test.
                timeout: Duration::from_millis(2400),
                clock: Clock::following_tokio(self.now),
            },
            organizational_unit: Some(unit("CloudPCs")),
            computer: self.computer(),
            mark: format!("{MARK}stress"),
            writing: Some(Writing { keeps: self.keeps, every: Duration::from_secs(3600) }),
            last: Last::default(),
        }
    }
}

fn credentials(user: &str, password: &str, memory: Option<PathBuf>) -> Arc<Credentials> {
    let attempts = Attempts::open(memory.as_deref());
    let retry_after = Duration::from_secs(24 * 3600);
    Arc::new(Credentials::new(
        user.into(),
        "corp.contoso.test",
        password.into(),
        retry_after,
        attempts,
    ))
}

/// How runs ended, and what they found.
#[derive(Default)]
struct Tally {
    runs: usize,
    outcomes: BTreeMap<&'static str, usize>,
    reasons: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn run(&mut self, outcome: &'static str, reasons: &[&'static str]) {
        self.runs += 1;
        *self.outcomes.entry(outcome).or_default() += 1;
        for reason in reasons {
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    fn add(&mut self, other: Self) {
        self.runs += other.runs;
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        for (reason, count) in other.reasons {
            *self.reasons.entry(reason).or_default() += count;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} runs: {:?}\n{:?}", self.runs, self.outcomes, self.reasons)
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn printed() -> Self {
        let given = env::var("JOIN_STRESS_SEED").ok().map(|seed| seed.parse().unwrap());
        let of_the_time = || SystemTime::UNIX_EPOCH.elapsed().unwrap().subsec_nanos().into();
        let seed = given.unwrap_or_else(of_the_time);
        eprintln!("JOIN_STRESS_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn within(&mut self, below: u64) -> u64 {
        self.next() % below
    }

    fn fraction(&mut self) -> f64 {
        self.within(1 << 32) as f64 / (1_u64 << 32) as f64
    }

    /// A run asks sixteen times, one more when it finds what another left.
    fn plan(&mut self, wanted: usize) -> Plan {
        let failure = match self.within(100) {
            0..30 => return None,
            30..55 => Failure::Close,
            55..75 => Failure::Reset,
            75..80 => Failure::Silence,
            80..90 => Failure::Delay(Duration::from_millis(self.within(300))),
            _ => Failure::Garble,
        };
        let mut some = |most: u64| usize::try_from(self.within(most)).unwrap();
        let place = match some(6) {
            _ if wanted == NOWHERE => return None,
            // The second record is the sign-in.
            even if wanted == AT_THE_SIGN_IN && even % 2 == 0 => Place::Answer(2),
            _ if wanted == AT_THE_SIGN_IN => Place::Question(2),
            0 | 1 => Place::Question(some(18)),
            2 | 3 => Place::Answer(some(18)),
            4 => Place::Up(some(OCTETS_UP)),
            _ => Place::Down(some(OCTETS_DOWN)),
        };
        Some((place, failure))
    }
}

/// What a lane's relay does.
const NOWHERE: usize = 0;
const ANYWHERE: usize = 1;
const AT_THE_SIGN_IN: usize = 2;
/// Of a whole run, measured.
const OCTETS_UP: u64 = 4000;
const OCTETS_DOWN: u64 = 6000;

fn object_of(lane: &Lane) -> String {
    format!("CN={},{}", lane.computer(), unit("CloudPCs"))
}

/// By name.
fn ours(dc: &Dc<'_>) -> Vec<String> {
    let mut names: Vec<_> =
        dc.search(BASE, "(cn=ANC-*)", &["cn"]).into_iter().map(|it| it.dn).collect();
    names.sort();
    names
}

fn is_not_locked(dc: &Dc<'_>, account: &str) {
    let locked = dc.account(account, "lockoutTime");
    assert!(locked.as_deref().is_none_or(|it| it == "0"), "{locked:?}");
    assert_eq!(dc.sign_in(account, PASSWORD), Ok(()));
}
