//! The checks, one file each. A file holds the whole story: policy, facts, gather, judge, tests.
//!
//! [`reachability`] and [`signing_in`] are no checks: they are what two of them do and conclude
//! alike, of an endpoint and of a domain controller.

mod ad_domain_join;
mod dns_ad_domain;
mod domain_controllers;
mod endpoint_connectivity;
mod localization;
mod reachability;
mod signing_in;
mod single_sign_on;
mod udp_connectivity;

pub use ad_domain_join::{AdDomainJoin, Last, Writing};
pub use dns_ad_domain::DnsAdDomain;
pub use domain_controllers::{DomainControllers, Ports};
pub use endpoint_connectivity::EndpointConnectivity;
pub use localization::Localization;
pub use reachability::{Reachability, TooShort};
pub use signing_in::{SHORTEST_TIMEOUT, SigningIn};
pub use single_sign_on::SingleSignOn;
pub use udp_connectivity::{Server, UdpConnectivity};
