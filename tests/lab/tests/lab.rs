//! The lab as a whole, less what the daemon makes of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, net::SocketAddr, time::Duration};

use anc_lab::{Lab, Options, faults};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time,
};

#[tokio::test]
async fn faults_are_listed_with_what_they_must_produce_and_switched_by_name() {
    let lab = start(&["udp_blocked"]).await;
    let (status, body) = ask(&lab, "GET", "/faults").await;
    let listed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, listed.as_array().unwrap().len()), (200, faults::all().len()));
    let find = |name| listed.as_array().unwrap().iter().find(|fault| fault["name"] == name);
    let mut refused = find("tcp_refused").unwrap().clone();
    assert!(refused["about"].as_str().unwrap().ends_with('.'));
    refused.as_object_mut().unwrap().remove("about");
    let promised = serde_json::json!({
        "name": "tcp_refused", "check": "endpoint_connectivity", "status": "failed",
        "reason": "tcp_refused", "active": false,
        "error_type": "endpointConnectivityCheckCloudPcUrlNotAllowListed",
    });
    assert_eq!(refused, promised);
    assert_eq!(find("udp_blocked").unwrap()["active"], true);

    for (method, active) in [("POST", true), ("POST", true), ("DELETE", false)] {
        let (status, body) = ask(&lab, method, "/faults/tcp_refused").await;
        let switch: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (status, &switch["name"], &switch["active"]),
            (200, &"tcp_refused".into(), &active.into())
        );
    }
    let (status, body) = ask(&lab, "POST", "/faults/tcp_refusd").await;
    assert!(status == 404 && body.contains(", tcp_refused, "), "{status} {body}");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn a_fault_of_the_configuration_is_written_into_it_and_out_again() {
    let lab = start(&[]).await;
    let healthy = fs::read_to_string(&lab.config_file).unwrap();
    assert!(healthy.contains("domain = \"corp.contoso.test\""), "{healthy}");
    for (fault, written) in [
        ("invalid_name", "domain = \"corp contoso.test\""),
        ("wildcard_not_verifiable", "endpoints-with-wildcard.json"),
    ] {
        lab.switchboard.on(fault).unwrap();
        until(&lab, |text| text.contains(written)).await;
        lab.switchboard.off(fault).unwrap();
        until(&lab, |text| text == healthy).await;
    }
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn the_catalogue_has_every_kind_of_endpoint_and_category_on_ports_of_this_machine() {
    let lab = start(&[]).await;
    let file = lab.config_file.with_file_name("endpoints.json");
    let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let rows = document["endpoints"].as_array().unwrap();
    let has = |key: &str, value: &str| rows.iter().any(|row| row[key] == value);
    for category in ["CloudPC", "WVD", "Intune", "AzureAD", "Locale", "AzurePlatform"] {
        assert!(has("category", category), "{category}");
    }
    for protocol in ["tls", "tcp", "http", "udp"] {
        assert!(has("protocol", protocol), "{protocol}");
    }
    assert!(rows.iter().all(|row| row["port"].as_u64().unwrap() >= 1024), "{document:#}");
    lab.stop().await.unwrap();
}

#[tokio::test]
async fn labs_run_side_by_side_and_leave_nothing_behind() {
    let (one, other) = (start(&[]).await, start(&[]).await);
    let directory = one.config_file.parent().unwrap().to_owned();
    assert_ne!(one.config_file, other.config_file);
    one.stop().await.unwrap();
    assert!(!directory.exists());
    assert_eq!(ask(&other, "GET", "/faults").await.0, 200);
}

#[tokio::test]
async fn an_address_in_use_is_laid_to_its_flag() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let free: SocketAddr = ([127, 0, 0, 1], 0).into();
    for (flag, listen, faults_listen) in
        [("--listen", address, free), ("--faults-listen", free, address)]
    {
        let options = Options { listen, faults_listen, faults: Vec::new() };
        let error = format!("{:#}", Lab::start(options).await.unwrap_err());
        assert!(error.starts_with(&format!("{flag} {address}: ")), "{error}");
    }
}

#[tokio::test]
async fn an_unknown_fault_is_an_error_before_anything_starts() {
    let options = Options { faults: vec!["nonsense".to_owned()], ..Options::default() };
    let error = format!("{:#}", Lab::start(options).await.unwrap_err());
    assert!(error.starts_with("--fault: no fault is named \"nonsense\""), "{error}");
}

async fn start(faults: &[&str]) -> Lab {
    let free: SocketAddr = ([127, 0, 0, 1], 0).into();
    let faults = faults.iter().map(|&fault| fault.to_owned()).collect();
    Lab::start(Options { listen: free, faults_listen: free, faults }).await.unwrap()
}

async fn ask(lab: &Lab, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(lab.faults).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

async fn until(lab: &Lab, holds: impl Fn(&str) -> bool) {
    let until = async {
        while !holds(&fs::read_to_string(&lab.config_file).unwrap()) {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    time::timeout(Duration::from_secs(10), until).await.unwrap();
}
