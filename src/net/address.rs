//! What an address is: for everyone, or for a network of its own.

use std::net::{IpAddr, Ipv4Addr};

/// Whether the address is routed on the internet: not private (RFC 1918, RFC 4193), shared
/// (RFC 6598), link-local, loopback, multicast, unspecified or reserved (RFC 6890). Addresses kept
/// for documentation (RFC 5737, RFC 3849) count as public: nobody uses them inside.
pub fn is_public(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            let inside = v4.is_private() || v4.is_loopback() || v4.is_link_local() || shared;
            !(inside || v4.is_multicast() || first == 0 || first >= 240)
        }
        IpAddr::V6(v6) => {
            let inside = v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local();
            let [first, ..] = v6.segments();
            // NAT64 (RFC 6052) leads to an IPv4 address.
            if first == 0x64 && v6.segments()[1] == 0xff9b {
                let [.., a, b, c, d] = v6.octets();
                return is_public(&Ipv4Addr::new(a, b, c, d).into());
            }
            !(inside || v6.is_multicast() || v6.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn told(address: &str, public: bool) {
        assert_eq!(is_public(&address.parse().unwrap()), public, "{address}");
    }

    #[test]
    fn networks_of_their_own() {
        for inside in [
            "10.8.0.4",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "127.0.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "fd00::4",
            "fe80::1",
            "::",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
        ] {
            told(inside, false);
        }
    }

    #[test]
    fn the_internet() {
        for outside in ["8.8.8.8", "100.128.0.1", "172.32.0.1", "203.0.113.10", "2603:1061::1"] {
            told(outside, true);
        }
    }
}
