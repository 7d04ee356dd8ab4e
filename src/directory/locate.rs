//! Which domain controllers there are, in the order in which to try them.
//!
//! As Windows' locator does (MS-ADTS section 6.3.6; RFC 2782): those of the own site first, then
//! all of the domain, by priority and weight. Unlike there, the choice among equals is no throw of
//! dice but a hash of who chooses, weighted: whoever tests the join goes to the same domain
//! controller each time, while others spread. So what was left behind on one is found again.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::{join, join_all};
use tokio::time::Instant;

use crate::net::dns::{self, Kind, Lookup, Outcome, Records, Service};

/// Looks for the domain controllers of one domain.
#[derive(Clone, Debug)]
pub struct Locator {
    pub domain: String,
    pub site: Site,
    /// Host names of domain controllers: then no SRV record is asked for.
    pub servers: Vec<String>,
    /// How many are kept.
    pub most: usize,
}

/// The own site, once it is known: given, or learned from a domain controller. Shared by all that
/// look for the same ones.
#[derive(Clone, Debug, Default)]
pub struct Site {
    given: Option<String>,
    learned: Arc<Mutex<Option<String>>>,
}

/// The domain controllers found.
#[derive(Clone, Debug)]
pub struct Located {
    /// In the order in which to try them.
    pub controllers: Vec<Controller>,
    /// The records asked for, and how each question ended.
    pub asked: Vec<(String, Outcome)>,
    /// How many more there are, left out for their number.
    pub left_out: usize,
    pub took: Duration,
}

/// One domain controller, as DNS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Lower case, without the final dot.
    pub host: String,
    pub lookup: Lookup,
    pub priority: u16,
    pub weight: u16,
    pub is_in_site: bool,
}

impl Locator {
    /// Asks the DNS servers, each question within `limit`: the records first, then what they point
    /// to. `chooser` decides among equals.
    pub async fn locate(&self, dns: &[SocketAddr], chooser: &str, limit: Duration) -> Located {
        let started = Instant::now();
        let (mut named, asked) = self.named(dns, limit).await;
        let order = |it: &Named| (!it.is_in_site, it.priority);
        if self.servers.is_empty() {
            named.sort_by(|one, other| {
                let drawn = |it: &Named| draw(chooser, &it.host, it.weight);
                let by_draw = drawn(one).total_cmp(&drawn(other));
                order(one).cmp(&order(other)).then(by_draw)
            });
        }
        let mut hosts = HashSet::new();
        named.retain(|it| hosts.insert(it.host.clone()));
        let left_out = named.len().saturating_sub(self.most);
        named.truncate(self.most);
        let controllers = join_all(named.into_iter().map(|it| async move {
            let lookup = dns::resolve(dns, &it.host, limit).await;
            let Named { host, priority, weight, is_in_site } = it;
            Controller { host, lookup, priority, weight, is_in_site }
        }));
        let controllers = controllers.await;
        Located { controllers, asked, left_out, took: started.elapsed() }
    }

    async fn named(
        &self,
        dns: &[SocketAddr],
        limit: Duration,
    ) -> (Vec<Named>, Vec<(String, Outcome)>) {
        if !self.servers.is_empty() {
            let named = self.servers.iter().map(|host| Named::given(host));
            return (named.collect(), Vec::new());
        }
        let of_domain = format!("_ldap._tcp.dc._msdcs.{}", self.domain);
        let of_site = self
            .site
            .name()
            .map(|site| format!("_ldap._tcp.{site}._sites.dc._msdcs.{}", self.domain));
        let in_site = async {
            match &of_site {
                Some(record) => Some((record.clone(), services(dns, record, limit).await)),
                None => None,
            }
        };
        let (in_site, mut all) = join(in_site, services(dns, &of_domain, limit)).await;
        let mut asked: Vec<_> = in_site.iter().cloned().collect();
        asked.push((of_domain, all.clone()));
        if matches!(all, Outcome::NoSuchName | Outcome::NoData) {
            let plain = format!("_ldap._tcp.{}", self.domain);
            all = services(dns, &plain, limit).await;
            asked.push((plain, all.clone()));
        }
        let of_site = in_site.iter().flat_map(|(_, outcome)| services_in(outcome));
        let of_site = of_site.map(|service| Named::of(service, true));
        let of_domain = services_in(&all).iter().map(|service| Named::of(service, false));
        (of_site.chain(of_domain).take(MOST_NAMED).collect(), asked)
    }
}

impl Site {
    pub fn given(name: Option<String>) -> Self {
        Self { given: name, learned: Arc::default() }
    }

    /// What a domain controller takes for our site.
    pub fn learn(&self, name: &str) {
        *self.learned.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }

    fn name(&self) -> Option<String> {
        let learned = || self.learned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.given.clone().or_else(learned)
    }
}

impl Located {
    /// Why there is no domain controller: how the last question ended that brought none.
    pub fn why_none(&self) -> Option<&(String, Outcome)> {
        self.asked.iter().rev().find(|(_, outcome)| services_in(outcome).is_empty())
    }
}

/// A domain controller before its name is resolved.
struct Named {
    host: String,
    priority: u16,
    weight: u16,
    is_in_site: bool,
}

impl Named {
    /// By the configuration, in its order.
    fn given(host: &str) -> Self {
        let host = host.trim_end_matches('.').to_lowercase();
        Self { host, priority: 0, weight: 0, is_in_site: true }
    }

    fn of(service: &Service, is_in_site: bool) -> Self {
        let Service { priority, weight, target, .. } = service.clone();
        Self { host: target, priority, weight, is_in_site }
    }
}

/// The first server that knows decides, as with addresses. Where none does, and one could not be
/// asked, it is that one that might have known.
async fn services(servers: &[SocketAddr], record: &str, limit: Duration) -> Outcome {
    let started = Instant::now();
    let mut ended = None;
    let mut left = u32::try_from(servers.len()).unwrap_or(u32::MAX);
    for server in servers {
        let share = limit.saturating_sub(started.elapsed()) / left.max(1);
        let answer = dns::ask(*server, record, Kind::Srv, share).await.outcome;
        if answer.is_conclusive() {
            return without_none(answer);
        }
        if !matches!(ended, Some(Outcome::NotAsked(_))) {
            ended = Some(answer);
        }
        left -= 1;
    }
    ended.unwrap_or_else(|| Outcome::NotAsked("no name server is configured".into()))
}

/// A target that is the root says that there is no such service (RFC 2782).
fn without_none(mut outcome: Outcome) -> Outcome {
    if let Outcome::Found(Records::Services(services)) = &mut outcome {
        services.retain(|service| !service.target.is_empty());
        if services.is_empty() {
            return Outcome::NoData;
        }
    }
    outcome
}

fn services_in(outcome: &Outcome) -> &[Service] {
    if let Outcome::Found(Records::Services(services)) = outcome { services } else { &[] }
}

/// Where `host` stands for `chooser` among equals, lowest first: an exponential variate of a rate
/// that is the weight, made from a hash (weighted rendezvous hashing). A weight of 0 has a very
/// small chance, as RFC 2782 wants it.
fn draw(chooser: &str, host: &str, weight: u16) -> f64 {
    let mut hasher = DefaultHasher::new();
    (chooser, host).hash(&mut hasher);
    #[expect(clippy::cast_precision_loss, reason = "a fraction of 53 bits is as good as any")]
    let uniform = ((hasher.finish() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    -uniform.ln() / f64::from(weight).max(0.01)
}

/// So that a forged answer cannot make us ask for thousands of names.
const MOST_NAMED: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_chooser_draws_the_same() {
        assert_eq!(draw("prod", "dc1", 100).to_bits(), draw("prod", "dc1", 100).to_bits());
    }

    #[test]
    fn weights_are_kept_over_many_choosers() {
        let first = |chooser: &str| draw(chooser, "dc1", 300) < draw(chooser, "dc2", 100);
        let heavy = (0..4000).filter(|chooser| first(&chooser.to_string())).count();
        assert!((2850..3150).contains(&heavy), "{heavy} of 4000, 3000 expected");
    }

    #[test]
    fn weight_zero_is_rarely_chosen() {
        let first = |chooser: &str| draw(chooser, "dc1", 0) < draw(chooser, "dc2", 100);
        let light = (0..4000).filter(|chooser| first(&chooser.to_string())).count();
        assert!(light < 20, "{light} of 4000");
    }
}
