//! Which DNS servers there are to ask, and how they are called.

use std::net::SocketAddr;

use super::system_servers;

/// The `given` servers, or else the system's. An error says why there is none.
pub fn servers_or_system(given: Option<&[SocketAddr]>) -> Result<Vec<SocketAddr>, String> {
    if let Some(given) = given {
        return Ok(given.to_vec());
    }
    let servers = system_servers()?;
    if servers.is_empty() { Err("the system names no DNS server".into()) } else { Ok(servers) }
}

/// The server's address, with its port where that is not 53.
pub fn name_of(server: SocketAddr) -> String {
    if server.port() == 53 { server.ip().to_string() } else { server.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_port_goes_without_saying() {
        assert_eq!(name_of("10.8.0.4:53".parse().unwrap()), "10.8.0.4");
        assert_eq!(name_of("127.0.0.1:5300".parse().unwrap()), "127.0.0.1:5300");
    }
}
