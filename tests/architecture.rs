//! The doors of the house: who may know whom. Read with the map in `src/lib.rs`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each room, and the rooms it may name.
const DOORS: &[(&str, &[&str])] = &[
    (
        "app",
        &[
            "catalogue",
            "checks",
            "config",
            "directory",
            "engine",
            "metrics",
            "net",
            "server",
            "telemetry",
        ],
    ),
    ("catalogue", &["engine"]),
    ("checks", &["catalogue", "directory", "engine", "net"]),
    (
        "cli",
        &[
            "app",
            "catalogue",
            "config",
            "directory",
            "engine",
            "metrics",
            "net",
            "telemetry",
            "views",
        ],
    ),
    ("config", &["catalogue", "engine"]),
    ("directory", &["net"]),
    ("engine", &[]),
    ("main", &["app", "cli", "config", "engine", "telemetry"]),
    ("metrics", &["catalogue", "engine"]),
    ("net", &[]),
    ("server", &["catalogue", "engine", "metrics", "views"]),
    ("telemetry", &["config"]),
    ("views", &["catalogue", "engine"]),
];

/// Each outside crate that stops at a door, and the rooms that may name it.
const OUTSIDERS: &[(&str, &[&str])] = &[
    ("anyhow", &["app", "main"]),
    ("axum", &["server"]),
    ("clap", &["cli"]),
    ("hickory_resolver", &["net"]),
    ("hyper", &["net", "server"]),
    ("ldap3", &["directory"]),
    ("libgssapi", &["directory"]),
    ("prometheus", &["metrics"]),
    ("ring", &["directory", "net"]),
    ("rustls", &["net"]),
    ("secrecy", &["config", "directory"]),
    ("tokio_rustls", &["net"]),
    ("tower_http", &["server"]),
    ("tracing_subscriber", &["telemetry"]),
    ("x509_parser", &["net"]),
];

/// What several checks share, and is no check itself.
const SHARED_BY_CHECKS: [&str; 2] = ["reachability", "signing_in"];

#[test]
fn every_room_has_a_door() {
    let mut rooms = BTreeSet::new();
    for entry in fs::read_dir("src").unwrap() {
        let path = entry.unwrap().path();
        rooms.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
    }
    rooms.remove("lib");
    let doors: BTreeSet<_> = DOORS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(rooms, doors);
}

#[test]
fn rooms_name_only_the_rooms_they_may() {
    for (room, may) in DOORS {
        for (file, text) in sources(room) {
            for named in rooms_named_in(&text) {
                let allowed = named == *room || may.contains(&named);
                assert!(allowed, "{file}: `{room}` may not know `{named}`");
            }
        }
    }
}

#[test]
fn outside_crates_stop_at_their_door() {
    for (outsider, may) in OUTSIDERS {
        for (room, _) in DOORS.iter().filter(|(room, _)| !may.contains(room)) {
            for (file, text) in sources(room) {
                let named = names_crate(&text, outsider);
                assert!(!named, "{file}: `{room}` may not know the crate `{outsider}`");
            }
        }
    }
}

#[test]
fn checks_do_not_know_each_other() {
    for (file, text) in sources("checks") {
        if file != "src/checks/mod.rs" {
            let sideways = looks_sideways(&file, text);
            assert!(!sideways, "{file}: what two checks share belongs in an eye or in the engine");
        }
    }
}

#[test]
fn only_the_clock_reads_the_wall_clock() {
    for (room, _) in DOORS {
        for (file, text) in sources(room) {
            let reads = text.contains("SystemTime::now");
            assert!(!reads || file.contains("clock.rs"), "{file}: time is a fact");
        }
    }
}

#[test]
fn the_readers_of_this_test_see_what_is_named() {
    let text = "use crate::{\n    engine::{Check, Job},\n    net,\n};\nlet x = crate::config::Raw;";
    assert_eq!(rooms_named_in(text), ["config", "engine", "net"].into());
    assert!(names_crate("use hyper::Request;", "hyper"));
    assert!(!names_crate("use tokio_rustls::Foo;", "rustls"));
    let of_its_folder = "use super::Facts; pub(super) fn f() {} pub(in crate::checks) fn g() {}";
    assert!(!looks_sideways("src/checks/join/conclude.rs", of_its_folder.into()));
    for check in ["src/checks/join/mod.rs", "src/checks/join.rs"] {
        assert!(looks_sideways(check, of_its_folder.into()));
        assert!(!looks_sideways(check, "use super::signing_in::SignedIn;".into()));
        assert!(!looks_sideways(check, "use crate::{checks::signing_in, net};".into()));
        assert!(looks_sideways(check, "use crate::{checks::dns, net};".into()));
    }
    assert!(looks_sideways("src/checks/join/conclude.rs", "use super::super::dns;".into()));
}

/// Whether a check names another. A file in a check's folder may name what is in that folder.
fn looks_sideways(file: &str, mut text: String) -> bool {
    for ours in ["pub(super)", "pub(in crate::checks)"] {
        text = text.replace(ours, "");
    }
    for shared in SHARED_BY_CHECKS {
        let names = [format!("super::{shared}"), format!("checks::{shared}")];
        text = names.iter().fold(text, |text, name| text.replace(name, ""));
    }
    let is_within_a_check = Path::new(file).components().count() > 3 && !file.ends_with("/mod.rs");
    if is_within_a_check {
        text = text.replace("super::super::", "checks::").replace("super::", "");
    }
    text.contains("super::") || text.contains("checks::")
}

/// Finds `crate::room` and every top-level name in `crate::{room::…, room}`.
fn rooms_named_in(text: &str) -> BTreeSet<&str> {
    let mut rooms = BTreeSet::new();
    for path in ["crate::", "anc_healthd::"] {
        for (at, path) in text.match_indices(path) {
            let rest = &text[at + path.len()..];
            match rest.strip_prefix('{') {
                Some(list) => rooms.extend(heads(list)),
                None => rooms.extend([head(rest)]),
            }
        }
    }
    rooms
}

/// The first name of each entry in a `use` list, up to its closing brace.
fn heads(list: &str) -> Vec<&str> {
    let mut heads = vec![head(list)];
    let mut depth = 0;
    for (at, sign) in list.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(head(&list[at + 1..])),
            _ => (),
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

fn head(path: &str) -> &str {
    let path = path.trim_start();
    let end = path.find(|sign: char| !sign.is_alphanumeric() && sign != '_');
    &path[..end.unwrap_or(path.len())]
}

/// Whether the text names the crate, and not one whose name ends alike.
fn names_crate(text: &str, outsider: &str) -> bool {
    text.match_indices(&format!("{outsider}::")).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        before.is_none_or(|sign| !sign.is_alphanumeric() && sign != '_' && sign != ':')
    })
}

/// Every source file of a room, without comments and tests.
fn sources(room: &str) -> Vec<(String, String)> {
    let folder = Path::new("src").join(room);
    let alone = folder.with_extension("rs");
    let files = if alone.is_file() { vec![alone] } else { files_below(&folder) };
    let ours = files.into_iter().filter(|file| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.ends_with(".rs") && name != "tests.rs" && !file.iter().any(|part| part == "tests")
    });
    ours.map(|file| (file.display().to_string(), code(&fs::read_to_string(&file).unwrap())))
        .collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}
