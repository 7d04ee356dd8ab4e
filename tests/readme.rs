//! The README tells the truth of today, as far as a machine can say.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::{collections::HashMap, fs, path::Path, process::Command};

use anc_healthd::{
    catalogue::{CHECKS, Catalogue, Cloud, Join, REASONS, select},
    config::{Config, Sources},
};

const README: &str = include_str!("../README.md");

#[test]
fn it_lists_every_check_under_microsofts_name() {
    for check in CHECKS {
        let row = format!("| `{}` | {} |", check.slug, check.title);
        assert!(README.contains(&row), "{row}");
    }
}

#[test]
fn it_lists_every_command() {
    let help = Command::new(env!("CARGO_BIN_EXE_anc-healthd")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<_> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|command| !command.is_empty() && *command != "help")
        .collect();
    assert_eq!(commands.len(), 7, "{commands:?}");
    for command in commands {
        assert!(README.contains(&format!("| `anc-healthd {command}")), "{command}");
    }
}

#[test]
fn it_counts_right() {
    assert!(README.contains(&format!("{} reasons so far", REASONS.len())), "{}", REASONS.len());
    let selection = select(Catalogue::builtin(), Cloud::Commercial, Join::Hybrid, &[], &[]);
    let count = selection.unverifiable.len();
    assert!(README.contains(&format!("{count} of Microsoft's wildcards (commercial")), "{count}");
}

#[test]
fn its_configuration_loads() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("readme.toml");
    fs::write(&file, block("```toml\n")).unwrap();
    Config::load(&Sources::with_variables(vec![file], HashMap::new())).unwrap();
}

#[test]
fn its_second_command_is_there_and_is_what_ci_runs() {
    assert!(README.contains("```sh\ntests/run\n```"));
    assert!(Path::new("tests/run").is_file());
    assert!(fs::read_to_string(".ci/run").unwrap().lines().any(|line| line == "tests/run"));
}

#[test]
fn its_links_lead_somewhere() {
    let links = README.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with("http")) {
        assert!(Path::new(link).exists(), "{link}");
    }
}

fn block(fence: &str) -> &'static str {
    README.split(fence).nth(1).unwrap().split("```").next().unwrap()
}
