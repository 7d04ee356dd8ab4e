//! A real nginx: the web and TLS servers that endpoint checks look at.

use std::fmt::Write;
use std::fs;
use std::net::{SocketAddr, TcpStream};

use tempfile::TempDir;

use super::pki::Identity;
use super::ports::free_address;
use super::process::{Program, Server};

const NGINX: Program = Program { name: "nginx", package: "nginx-light" };

/// A running nginx with one port a site.
#[derive(Debug)]
pub struct Nginx {
    /// Where each site is, in the order they were given.
    pub addresses: Vec<SocketAddr>,
    server: Server,
}

/// What one port serves, to whatever name is asked for.
#[derive(Clone, Debug)]
pub enum Site {
    /// Plain HTTP that answers every request with this status; 444 closes without an answer.
    Http { status: u16 },
    /// TLS 1.2 and 1.3 with this chain and key; 200 to every request.
    Tls(Identity),
    /// TLS 1.1 alone, which no current client speaks: the alert `protocol_version`.
    Tls11(Identity),
    /// No certificate for anybody: the alert `unrecognized_name`.
    RejectedHandshake,
}

impl Nginx {
    pub fn start(sites: &[Site]) -> Self {
        let home = TempDir::new().unwrap();
        let mut servers = String::new();
        let mut addresses = Vec::new();
        for (number, site) in sites.iter().enumerate() {
            let address = free_address();
            if let Site::Tls(identity) | Site::Tls11(identity) = site {
                let pem = format!("{}{}", identity.chain_pem, identity.key_pem);
                fs::write(home.path().join(format!("{number}.pem")), pem).unwrap();
            }
            writeln!(servers, "{}", site.block(address, number)).unwrap();
            addresses.push(address);
        }
        fs::write(home.path().join("nginx.conf"), configuration(&servers)).unwrap();
        let mut command = NGINX.command();
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(home.path());
        let listening = |_: &Server| addresses.iter().all(|it| TcpStream::connect(it).is_ok());
        let server = Server::start(NGINX, home, &mut command, listening);
        Self { addresses, server }
    }

    /// What nginx logs: errors, and a line a request.
    pub fn log(&self) -> String {
        self.server.log()
    }
}

impl Site {
    fn block(&self, address: SocketAddr, number: usize) -> String {
        let certificate =
            format!("ssl_certificate {number}.pem; ssl_certificate_key {number}.pem;");
        let body = match self {
            Self::Http { status } => {
                return format!("server {{ listen {address}; return {status}; }}");
            }
            Self::Tls(_) => format!("{certificate} ssl_protocols TLSv1.2 TLSv1.3;"),
            Self::Tls11(_) => {
                format!("{certificate} ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;")
            }
            Self::RejectedHandshake => "ssl_reject_handshake on;".to_owned(),
        };
        format!("server {{ listen {address} ssl; {body} return 200 ok; }}")
    }
}

/// One process, so that the one that is killed is the one that serves.
fn configuration(servers: &str) -> String {
    format!(
        "daemon off; master_process off; pid nginx.pid;
events {{ worker_connections 128; }}
http {{
    access_log /dev/stdout;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    {servers}
}}
"
    )
}
