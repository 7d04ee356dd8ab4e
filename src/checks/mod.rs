//! The checks, one file each. A file holds the whole story: policy, facts, gather, judge, tests.
//!
//! [`reachability`] is no check: it is what two of them conclude from an endpoint alike.

mod dns_ad_domain;
mod endpoint_connectivity;
mod localization;
mod reachability;
mod udp_connectivity;

pub use dns_ad_domain::DnsAdDomain;
pub use endpoint_connectivity::EndpointConnectivity;
pub use localization::Localization;
pub use reachability::{Reachability, TooShort};
pub use udp_connectivity::{Server, UdpConnectivity};
