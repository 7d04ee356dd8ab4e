//! A lab on free ports, and requests to it.

use std::net::{Ipv4Addr, SocketAddr};

use anc_lab::{Lab, Options};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) async fn start(faults: &[&str]) -> Lab {
    let free = (Ipv4Addr::LOCALHOST, 0).into();
    let faults = faults.iter().map(|&fault| fault.to_owned()).collect();
    Lab::start(Options { listen: free, faults_listen: free, faults }).await.unwrap()
}

/// The status and body of an answer.
pub(crate) async fn ask(address: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
