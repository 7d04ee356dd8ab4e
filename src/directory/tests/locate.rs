//! Domain controllers, as DNS servers name them.

use std::{net::SocketAddr, time::Duration};

use hickory_resolver::proto::op::ResponseCode;

use crate::{
    directory::{Located, Locator, Site},
    net::{
        dns::{Kind, Outcome, ask},
        peers::{self, Zone},
    },
};

const LIMIT: Duration = Duration::from_millis(300);
const DOMAIN: &str = "_ldap._tcp.dc._msdcs.corp.contoso.com.";
const SITE: &str = "_ldap._tcp.Essen._sites.dc._msdcs.corp.contoso.com.";
const PLAIN: &str = "_ldap._tcp.corp.contoso.com.";

#[tokio::test]
async fn priority_comes_before_weight() {
    let zone = Zone::default()
        .srv(DOMAIN, (10, 60000, 389), "DC3.corp.contoso.com.")
        .srv(DOMAIN, (0, 0, 389), "dc1.corp.contoso.com.")
        .srv(DOMAIN, (5, 1, 389), "dc2.corp.contoso.com.")
        .a("dc1.corp.contoso.com.", [10, 0, 0, 1]);
    let located = locate(locator(), &[peers::dns(zone)]).await;
    assert_eq!(hosts(&located), ["dc1", "dc2", "dc3"]);
    assert_eq!(
        located.controllers[0].lookup.addresses,
        ["10.0.0.1".parse::<std::net::IpAddr>().unwrap()]
    );
    assert_eq!(located.controllers[1].lookup.outcome, Outcome::NoData);
    assert_eq!((located.left_out, located.why_none()), (0, None));
    assert!(located.took < LIMIT);
}

#[tokio::test]
async fn weight_decides_among_equals_and_the_same_for_the_same_chooser() {
    let zone = Zone::default().srv(DOMAIN, (0, 300, 389), "dc1.corp.contoso.com.").srv(
        DOMAIN,
        (0, 100, 389),
        "dc2.corp.contoso.com.",
    );
    let dns = [peers::dns(zone)];
    let mut heavy = 0;
    for chooser in 0..100 {
        let [one, again] = [(); 2].map(|()| chooser.to_string());
        let (one, again) = (
            locator().locate(&dns, &one, LIMIT).await,
            locator().locate(&dns, &again, LIMIT).await,
        );
        assert_eq!(hosts(&one), hosts(&again));
        heavy += usize::from(hosts(&one)[0] == "dc1");
    }
    assert!((60..90).contains(&heavy), "{heavy} of 100, 75 expected");
}

#[tokio::test]
async fn the_own_site_comes_first_and_each_controller_once() {
    let zone = Zone::default()
        .srv(DOMAIN, (0, 100, 389), "dc1.corp.contoso.com.")
        .srv(DOMAIN, (0, 100, 389), "dc2.corp.contoso.com.")
        .srv(SITE, (50, 1, 389), "DC2.corp.contoso.com.");
    let located = locate(with_site(), &[peers::dns(zone)]).await;
    assert_eq!(hosts(&located), ["dc2", "dc1"]);
    let in_site: Vec<bool> = located.controllers.iter().map(|it| it.is_in_site).collect();
    assert_eq!(in_site, [true, false]);
    let asked: Vec<&str> = located.asked.iter().map(|(record, _)| record.as_str()).collect();
    assert_eq!(asked, [SITE, DOMAIN].map(|record| record.trim_end_matches('.')));
}

#[tokio::test]
async fn a_site_is_learned_unless_it_is_given() {
    let zone = Zone::default().srv(DOMAIN, (0, 100, 389), "dc1.corp.contoso.com.").srv(
        SITE,
        (0, 100, 389),
        "dc2.corp.contoso.com.",
    );
    let dns = [peers::dns(zone)];
    let locator = locator();
    locator.clone().site.learn("Essen");
    assert_eq!(hosts(&locate(locator, &dns).await), ["dc2", "dc1"]);
    let with_site = with_site();
    with_site.site.learn("Berlin");
    assert_eq!(hosts(&locate(with_site, &dns).await), ["dc2", "dc1"]);
}

#[tokio::test]
async fn a_site_that_is_unknown_leaves_the_domain() {
    let zone = Zone::default().srv(DOMAIN, (0, 100, 389), "dc1.corp.contoso.com.");
    let located = locate(with_site(), &[peers::dns(zone)]).await;
    assert_eq!(hosts(&located), ["dc1"]);
    assert!(!located.controllers[0].is_in_site);
}

#[tokio::test]
async fn of_several_records_of_one_controller_the_best_counts() {
    let zone = Zone::default()
        .srv(DOMAIN, (10, 100, 389), "dc1.corp.contoso.com.")
        .srv(DOMAIN, (5, 100, 389), "dc2.corp.contoso.com.")
        .srv(DOMAIN, (0, 100, 3389), "dc1.corp.contoso.com.");
    let located = locate(locator(), &[peers::dns(zone)]).await;
    assert_eq!(hosts(&located), ["dc1", "dc2"]);
    assert_eq!(located.controllers[0].priority, 0);
}

#[tokio::test]
async fn a_root_target_is_no_controller() {
    let zone = Zone::default().srv(DOMAIN, (0, 0, 0), ".").srv(
        DOMAIN,
        (0, 0, 389),
        "dc1.corp.contoso.com.",
    );
    assert_eq!(hosts(&locate(locator(), &[peers::dns(zone)]).await), ["dc1"]);
    let none = Zone::default().srv(DOMAIN, (0, 0, 0), ".").srv(PLAIN, (0, 0, 0), ".");
    let located = locate(locator(), &[peers::dns(none)]).await;
    assert_eq!(located.controllers, []);
    let expected = (PLAIN.trim_end_matches('.').to_owned(), Outcome::NoData);
    assert_eq!(located.why_none(), Some(&expected));
}

#[tokio::test]
async fn without_records_of_controllers_those_of_ldap_are_asked_for() {
    let zone = Zone::default().srv(PLAIN, (0, 100, 389), "dc1.corp.contoso.com.");
    let located = locate(locator(), &[peers::dns(zone)]).await;
    assert_eq!((hosts(&located), located.asked.len()), (vec!["dc1"], 2));
}

#[tokio::test]
async fn a_name_that_is_not_there_is_told() {
    let located = locate(locator(), &[peers::dns(Zone::code(ResponseCode::NXDomain))]).await;
    let expected = (PLAIN.trim_end_matches('.').to_owned(), Outcome::NoSuchName);
    assert_eq!(located.why_none(), Some(&expected));
}

#[tokio::test]
async fn a_refusal_is_no_reason_to_ask_for_another_record() {
    let located = locate(locator(), &[peers::dns(Zone::code(ResponseCode::Refused))]).await;
    let expected = (DOMAIN.trim_end_matches('.').to_owned(), Outcome::Refused);
    assert_eq!((located.why_none(), located.asked.len()), (Some(&expected), 1));
}

#[tokio::test]
async fn more_than_are_kept_are_counted() {
    let mut zone = Zone::default();
    for number in 0..12 {
        zone = zone.srv(DOMAIN, (number, 0, 389), &format!("dc{number}.corp.contoso.com."));
    }
    let located = locate(Locator { most: 8, ..locator() }, &[peers::dns(zone)]).await;
    assert_eq!((located.controllers.len(), located.left_out), (8, 4));
    assert_eq!(hosts(&located)[7], "dc7");
}

#[tokio::test]
async fn a_forged_answer_does_not_make_us_ask_for_thousands() {
    let mut zone = Zone { cuts: true, ..Zone::default() };
    for number in 0..600 {
        zone = zone.srv(DOMAIN, (0, 0, 389), &format!("dc{number}.corp.contoso.com."));
    }
    let dns = peers::dns(zone);
    let found = ask(dns, DOMAIN, Kind::Srv, LIMIT * 10).await;
    assert!(matches!(found.outcome, Outcome::Found(_)), "{found:?}");
    let located = Locator { most: 4, ..locator() }.locate(&[dns], "chooser", LIMIT * 10).await;
    assert_eq!((located.controllers.len(), located.left_out), (4, 252));
}

#[tokio::test]
async fn servers_that_are_given_stay_in_their_order() {
    let given = ["dc9", "DC1", "dc5", "dc3", "dc1"].map(|it| format!("{it}.corp.contoso.com."));
    for (chooser, most) in [("one", 8), ("another", 3)] {
        let locator = Locator { servers: given.to_vec(), most, ..locator() };
        let dns = peers::dns(Zone::default().a("dc1.corp.contoso.com.", [10, 0, 0, 1]));
        let located = locator.locate(&[dns], chooser, LIMIT).await;
        assert_eq!(hosts(&located), ["dc9", "dc1", "dc5", "dc3"][..most.min(4)]);
        assert_eq!((located.asked.len(), located.why_none()), (0, None));
    }
}

#[tokio::test]
async fn a_given_server_may_be_an_address() {
    let locator = Locator { servers: vec!["10.0.0.4".into()], ..locator() };
    let located = locate(locator, &[]).await;
    assert_eq!(located.controllers[0].lookup.addresses.len(), 1);
}

#[tokio::test]
async fn no_server_that_answers_is_told_within_the_limit() {
    let (_one, first) = peers::silent_udp();
    let (_two, second) = peers::silent_udp();
    let located = locate(locator(), &[first, second]).await;
    let expected = (DOMAIN.trim_end_matches('.').to_owned(), Outcome::Timeout);
    assert_eq!((located.why_none(), located.controllers.len()), (Some(&expected), 0));
    assert!(located.took < LIMIT + LIMIT / 3, "{:?}", located.took);
}

#[tokio::test]
async fn without_servers_nothing_is_asked() {
    let located = locate(locator(), &[]).await;
    assert!(matches!(located.why_none(), Some((_, Outcome::NotAsked(_)))), "{located:?}");
}

#[tokio::test]
async fn a_dead_server_gives_way_to_the_next() {
    let zone = Zone::default()
        .srv(DOMAIN, (0, 100, 389), "dc1.corp.contoso.com.")
        .a("dc1.corp.contoso.com.", [10, 0, 0, 1]);
    let (_socket, silent) = peers::silent_udp();
    for dead in [peers::closed(), silent, peers::dns(Zone::code(ResponseCode::ServFail))] {
        let located = locate(with_site(), &[dead, peers::dns(zone.clone())]).await;
        assert_eq!(hosts(&located), ["dc1"]);
        assert_eq!(located.controllers[0].lookup.addresses.len(), 1);
    }
}

async fn locate(locator: Locator, dns: &[SocketAddr]) -> Located {
    locator.locate(dns, "chooser", LIMIT).await
}

fn hosts(located: &Located) -> Vec<&str> {
    let hosts = located.controllers.iter().map(|it| it.host.as_str());
    hosts.map(|host| host.strip_suffix(".corp.contoso.com").unwrap_or(host)).collect()
}

fn locator() -> Locator {
    let domain = "corp.contoso.com".into();
    Locator { domain, site: Site::default(), servers: Vec::new(), most: 8 }
}

fn with_site() -> Locator {
    Locator { site: Site::given(Some("Essen".into())), ..locator() }
}
