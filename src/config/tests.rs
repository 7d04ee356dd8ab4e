use std::{collections::HashMap, fs, path::Path};

use super::*;

const EXAMPLE: &str = include_str!("../../config/example.toml");

const SMALLEST: &str = "[[connections]]\nname = \"a\"\njoin_type = \"entra\"\n";

#[test]
fn the_shipped_example_is_valid() {
    loaded(EXAMPLE).unwrap();
}

#[test]
fn the_example_overrides_nothing_that_is_built_in() {
    let smallest = "[[connections]]\nname = \"prod-weu\"\njoin_type = \"hybrid\"\n\
                    active_directory.domain = \"corp.contoso.com\"\n";
    assert_eq!(loaded(EXAMPLE).unwrap().effective(), loaded(smallest).unwrap().effective());
}

#[test]
fn the_defaults_in_the_example_are_the_ones_in_force() {
    let (example, said) = (loaded(EXAMPLE).unwrap(), loaded(&uncommented("# ")).unwrap());
    assert_eq!(said.effective(), example.effective());
}

#[test]
fn the_example_documents_every_key() {
    let said: toml::Table = toml::from_str(&uncommented("# ")).unwrap();
    let optional: toml::Table = toml::from_str(&optional_keys()).unwrap();
    let schema = Config::schema();
    let mut missing = Vec::new();
    for (path, key) in keys_of(&schema, "#") {
        let stands = stands(&said, &path, &key) || stands(&optional, &path, &key);
        // The keys of a row are those of the catalogue; the example shows one such row.
        if !stands && !path.contains("extra") {
            missing.push(format!("{path}.{key}"));
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_example_fits_the_schema_with_every_default_said() {
    let validator = jsonschema::validator_for(&Config::schema()).unwrap();
    for text in [EXAMPLE.to_owned(), uncommented("# "), optional_keys()] {
        let tree: serde_json::Value = toml::from_str(&text).unwrap();
        let errors: Vec<_> = validator
            .iter_errors(&tree)
            .map(|error| format!("{} {error}", error.instance_path))
            .collect();
        assert_eq!(errors, Vec::<String>::new());
    }
    let wrong = serde_json::json!({"server": {"lisen": "127.0.0.1:1"}});
    assert!(!validator.is_valid(&wrong), "the schema refuses what the loader refuses");
}

#[test]
fn five_mistakes_are_told_at_once_each_with_its_key() {
    let text = r#"
        [server]
        lisen = "127.0.0.1:9815"
        startup_grace = "soon"
        [checks]
        timeout = "2h"
        [checks.endpoint_connectivity]
        max_handshakes = 0
        [[connections]]
        name = "prod weu"
        join_type = "hybrid"
    "#;
    let keys = problem_keys(text);
    for key in [
        "server.lisen",
        "server.startup_grace",
        "checks.timeout",
        "checks.endpoint_connectivity.max_handshakes",
        "connections[0].name",
        "connections[0].active_directory.domain",
    ] {
        assert!(keys.contains(&key.to_owned()), "{key} in {keys:?}");
    }
    assert_eq!(keys.len(), 6, "{keys:?}");
}

#[test]
fn elements_keep_their_index_after_a_broken_one() {
    let text = format!(
        "{SMALLEST}[checks.endpoint_connectivity]\nextra = [\n\
         {{ host = \"a.example\", port = 443, protocol = \"tls\" }},\n\
         {{ host = \"b.example\", port = 443, protocol = \"tls\", category = \"Nope\" }},\n\
         {{ host = \"c d\", port = 443, protocol = \"tls\", category = \"WVD\" }} ]\n"
    );
    let stem = "checks.endpoint_connectivity.extra";
    let expected = [format!("{stem}[0]"), format!("{stem}[1].category"), format!("{stem}[2]")];
    assert_eq!(problem_keys(&text), expected);
}

#[test]
fn a_syntax_error_is_told_with_line_and_column_and_file() {
    let problems = loaded("[server]\nlisten = \n").unwrap_err().problems;
    let text = problems[0].to_string();
    assert!(text.contains("line 2") && text.contains("column"), "{text}");
    assert!(text.contains("test.toml"), "{text}");
}

#[test]
fn two_broken_files_are_both_told() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["one.toml", "two.toml"].map(|name| folder.path().join(name));
    for file in &files {
        fs::write(file, "[[[").unwrap();
    }
    let problems =
        Config::load(&Sources::with_variables(files.into(), HashMap::new())).unwrap_err().problems;
    let keys: Vec<_> = problems.iter().filter(|problem| problem.key.ends_with(".toml")).collect();
    assert_eq!(keys.len(), 2, "{problems:?}");
}

#[test]
fn a_missing_file_is_named_with_the_remedy() {
    let sources = Sources::with_variables(vec!["/nowhere/at-all.toml".into()], HashMap::new());
    let text = Config::load(&sources).unwrap_err().to_string();
    assert!(text.contains("/nowhere/at-all.toml") && text.contains("--config"), "{text}");
}

#[test]
fn later_files_override_earlier_ones_and_the_environment_all() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let one = write("one.toml", &format!("[server]\nshutdown_grace = \"1s\"\n{SMALLEST}"));
    let two = write("two.toml", "[server]\nshutdown_grace = \"2s\"\nstartup_grace = \"3s\"\n");
    let variables = [
        ("ANC_HEALTHD__SERVER__STARTUP_GRACE", "4s"),
        ("ANC_HEALTHD__SERVER__ENABLE_LIFECYCLE", "true"),
        ("ANC_HEALTHD__CHECKS__ENDPOINT_CONNECTIVITY__MAX_HANDSHAKES", "3"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources::with_variables(vec![one, two], variables.into());
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(2));
    assert_eq!(config.server.startup_grace, Duration::from_secs(4));
    assert!(config.server.enable_lifecycle);
    assert_eq!(config.endpoints.max_handshakes, 3);
}

#[test]
fn a_mistyped_variable_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.toml");
    fs::write(&file, SMALLEST).unwrap();
    let variables = [("ANC_HEALTHD__SERVER__LISEN".to_owned(), "127.0.0.1:1".to_owned())];
    let sources = Sources::with_variables(vec![file], variables.into());
    let text = Config::load(&sources).unwrap_err().to_string();
    assert!(text.contains("server.lisen"), "{text}");
}

#[test]
fn a_key_of_a_later_version_is_refused_by_name() {
    let text = format!("[azure]\ncredential = \"managed-identity\"\n{SMALLEST}subnet = \"s\"\n");
    let problems = loaded(&text).unwrap_err().problems;
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems.iter().all(|problem| problem.wrong.contains("not in this version yet")));
}

#[test]
fn a_malformed_domain_is_a_finding_not_a_mistake() {
    let text = "[[connections]]\nname = \"a\"\njoin_type = \"hybrid\"\n\
                active_directory.domain = \"corp_!.contoso..com\"\n";
    assert!(loaded(text).is_ok());
}

#[test]
fn a_check_beats_the_general_section_which_beats_what_is_built_in() {
    let text = format!(
        "[checks]\ninterval = \"7m\"\n[checks.localization]\ninterval = \"9m\"\n{SMALLEST}"
    );
    let schedules = loaded(&text).unwrap().schedules;
    let interval = |check| schedules[check].schedule.interval();
    assert_eq!(interval("localization"), Duration::from_secs(9 * 60));
    assert_eq!(interval("dns_ad_domain"), Duration::from_secs(7 * 60));
    let built_in = loaded(SMALLEST).unwrap().schedules;
    assert_eq!(built_in["dns_ad_domain"].schedule.interval(), Duration::from_secs(60));
}

#[test]
fn every_check_of_the_catalogue_has_a_schedule() {
    let schedules = loaded(SMALLEST).unwrap().schedules;
    let checks: Vec<_> = crate::catalogue::CHECKS.iter().map(|check| check.slug).collect();
    assert!(checks.iter().all(|check| schedules.contains_key(check)));
    assert_eq!(schedules.len(), checks.len());
}

#[test]
fn a_change_of_a_named_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let [file, roots] = ["one.toml", "roots.pem"].map(|name| folder.path().join(name));
    fs::write(&roots, "-----BEGIN CERTIFICATE-----").unwrap();
    let text = "[checks.endpoint_connectivity]\nprivate_roots_file = \"roots.pem\"\n";
    fs::write(&file, format!("{text}{SMALLEST}")).unwrap();
    let sources = Sources::with_variables(vec![file], HashMap::new());
    let watched = Config::load(&sources).unwrap().watched;
    assert!(!watched.changed());
    // As Kubernetes does it: another file under the same name.
    let other = folder.path().join("other.pem");
    fs::write(&other, "-----BEGIN CERTIFICATE----- 2").unwrap();
    fs::remove_file(&roots).unwrap();
    std::os::unix::fs::symlink(&other, &roots).unwrap();
    assert!(watched.changed());
}

#[test]
fn a_named_file_that_is_missing_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.toml");
    let text = "[checks.endpoint_connectivity]\nprivate_roots_file = \"late.pem\"\n";
    fs::write(&file, format!("{text}{SMALLEST}")).unwrap();
    let sources = Sources::with_variables(vec![file], HashMap::new());
    let watched = Config::load(&sources).unwrap_err().watched;
    assert!(!watched.changed());
    fs::write(folder.path().join("late.pem"), "-----BEGIN CERTIFICATE-----").unwrap();
    assert!(watched.changed());
}

#[test]
fn what_has_no_shape_is_not_also_missing() {
    let text = "[[connections]]\nname = \"a\"\njoin_type = \"hybird\"\n";
    assert_eq!(problem_keys(text), ["connections[0].join_type"]);
}

#[test]
fn a_timing_mistake_names_the_key_that_was_written() {
    for (section, key) in [
        ("[checks.dns_ad_domain]\ninterval = \"10s\"\n", "checks.dns_ad_domain.interval"),
        ("[checks]\ntimeout = \"2h\"\n", "checks.timeout"),
        ("[checks.udp_connectivity]\ntimeout = \"1ms\"\n", "checks.udp_connectivity.timeout"),
        ("[checks.localization]\ninterval = \"900d\"\n", "checks.localization.interval"),
    ] {
        assert_eq!(problem_keys(&format!("{section}{SMALLEST}")), [key]);
    }
}

#[test]
fn an_unknown_word_is_told_with_the_known_ones() {
    let text =
        "[azure]\ncloud = \"custom\"\n[[connections]]\nname = \"a\"\njoin_type = \"hybird\"\n";
    let told = loaded(text).unwrap_err().to_string();
    assert!(told.contains("\"hybird\" is none of hybrid, entra"), "{told}");
    let text = format!(
        "{SMALLEST}[checks.endpoint_connectivity]\nextra = [{{ host = \"a.b\", port = 443, \
         protocol = \"tls\", category = \"Foo\" }}]\n"
    );
    let words = loaded(&text).unwrap_err().to_string();
    for word in ["CloudPC", "WVD", "Intune", "AzureAD", "AzurePlatform", "Locale"] {
        assert!(words.contains(word), "{words}");
    }
    assert!(told.contains("azure.cloud: \"custom\" is not in this version yet"), "{told}");
}

#[test]
fn several_mistakes_of_one_row_are_all_told() {
    let text = format!(
        "{SMALLEST}[checks.endpoint_connectivity]\nextra = [{{ host = \"c d\", port = 0, \
         protocol = \"tls\", category = \"WVD\" }}]\n"
    );
    assert_eq!(problem_keys(&text).len(), 2);
}

#[test]
fn a_host_that_is_none_is_refused() {
    let text = format!("[checks.udp_connectivity]\nstun = [\"a..b:3478\"]\n{SMALLEST}");
    assert_eq!(problem_keys(&text), ["checks.udp_connectivity.stun[0]"]);
}

fn loaded(text: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.toml");
    fs::write(&file, text).unwrap();
    Config::load(&Sources::with_variables(vec![file], HashMap::new()))
}

fn problem_keys(text: &str) -> Vec<String> {
    loaded(text).unwrap_err().problems.into_iter().map(|problem| problem.key).collect()
}

/// The example with the keys behind `mark` said. Prose is no key.
fn uncommented(mark: &str) -> String {
    let said = EXAMPLE.lines().map(|line| match line.strip_prefix(mark) {
        Some(rest) if is_setting(rest) => rest,
        _ => line,
    });
    said.collect::<Vec<_>>().join("\n")
}

/// The example with the keys that have no default, or more than it, shown by example.
fn optional_keys() -> String {
    uncommented("#? ")
}

fn is_setting(line: &str) -> bool {
    let name = line.split_once(" = ").map_or("", |(name, _)| name);
    !name.is_empty() && name.chars().all(|sign| sign.is_ascii_lowercase() || sign == '_')
}

/// Every property of the schema with the path of tables that leads to it.
fn keys_of(schema: &serde_json::Value, at: &str) -> Vec<(String, String)> {
    let mut keys = Vec::new();
    walk(schema, schema, at.trim_start_matches('#'), &mut keys);
    keys
}

fn walk(
    root: &serde_json::Value,
    at: &serde_json::Value,
    path: &str,
    keys: &mut Vec<(String, String)>,
) {
    let at = match at["$ref"].as_str() {
        Some(name) => &root["$defs"][name.trim_start_matches("#/$defs/")],
        None => at,
    };
    for branch in at["anyOf"].as_array().into_iter().flatten() {
        walk(root, branch, path, keys);
    }
    if at["items"].is_object() {
        walk(root, &at["items"], path, keys);
    }
    for (key, below) in at["properties"].as_object().into_iter().flatten() {
        keys.push((path.to_owned(), key.clone()));
        walk(root, below, format!("{path}.{key}").trim_start_matches('.'), keys);
    }
}

fn stands(tree: &toml::Table, path: &str, key: &str) -> bool {
    let mut at = tree;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        at = match at.get(step) {
            Some(toml::Value::Table(table)) => table,
            Some(toml::Value::Array(array)) => match array.first().and_then(|it| it.as_table()) {
                Some(table) => table,
                None => return false,
            },
            _ => return false,
        };
    }
    at.contains_key(key)
}

#[test]
fn the_folder_of_the_first_file_is_where_paths_start() {
    let sources = Sources::with_variables(vec!["/etc/anc/one.toml".into()], HashMap::new());
    assert_eq!(sources.folder(), Path::new("/etc/anc"));
}
