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
        ("ANC_HEALTHD__CHECKS__DOMAIN_CONTROLLERS__MAX_CONTROLLERS", "4"),
        ("ANC_HEALTHD__CHECKS__SINGLE_SIGN_ON__KEY_AGE", "90d"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sources = Sources::with_variables(vec![one, two], variables.into());
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.server.shutdown_grace, Duration::from_secs(2));
    assert_eq!(config.server.startup_grace, Duration::from_secs(4));
    assert!(config.server.enable_lifecycle);
    assert_eq!(config.endpoints.max_handshakes, 3);
    assert_eq!(config.max_controllers, 4);
    assert_eq!(config.key_age, Duration::from_secs(90 * 24 * 3600));
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

#[test]
fn what_is_built_in_differs_from_check_to_check() {
    let schedules = loaded(SMALLEST).unwrap().schedules;
    for (check, interval, interval_failing) in
        [("ad_domain_join", 15, 5), ("domain_controllers", 1, 1), ("single_sign_on", 5, 1)]
    {
        let schedule = schedules[check].schedule;
        let minutes =
            [schedule.interval(), schedule.interval_failing()].map(|it| it.as_secs() / 60);
        assert_eq!(minutes, [interval, interval_failing], "{check}");
    }
}

#[test]
fn a_directory_has_its_defaults() {
    let directory = directory("").unwrap();
    assert_eq!(directory.domain, "corp.contoso.com");
    assert_eq!((directory.account, directory.organizational_unit), (None, None));
    assert_eq!(directory.transport, Transport::Ldaps);
    assert_eq!(directory.computer_prefix, "ANC-Hth");
    assert_eq!(directory.write_test, WriteTest::CreateAndDelete);
    assert_eq!(directory.write_test_every, Duration::from_secs(3600));
    assert_eq!(directory.bind_retry_after, Duration::from_secs(24 * 3600));
    assert_eq!(directory.ports, Ports::default());
    let config = loaded(SMALLEST).unwrap();
    assert_eq!((config.max_controllers, config.key_age.as_secs()), (8, 180 * 24 * 3600));
    assert_eq!((config.server.state_dir, &*config.connections[0].instance), (None, ""));
}

#[test]
fn a_directory_is_taken_as_it_is_written() {
    let pin = "0a:1B".repeat(16).replace("1B0", "1B:0");
    let directory = directory(&format!(
        "organizational_unit = \"no DN at all\"\ntransport = \"starttls\"\nsite = \"West-Europe\"\n\
         servers = [\"DC1.corp.contoso.com\"]\ncertificate_sha256 = [\"{pin}\"]\n\
         computer_prefix = \"CPC\"\nwrite_test = \"create-and-disable\"\n\
         write_test_every = \"1m\"\nbind_retry_after = \"1h\"\nports.ldaps = 10636\n"
    ))
    .unwrap();
    assert_eq!(directory.organizational_unit.as_deref(), Some("no DN at all"));
    assert_eq!(directory.transport, Transport::StartTls);
    assert_eq!(directory.site.as_deref(), Some("West-Europe"));
    assert_eq!(directory.servers, ["dc1.corp.contoso.com"]);
    assert_eq!(directory.pins.concat(), [0x0a, 0x1b].repeat(16));
    assert_eq!(directory.write_test, WriteTest::CreateAndDisable);
    assert_eq!((directory.ports.ldaps, directory.ports.ldap), (10636, 389));
}

#[test]
fn each_mistake_about_a_directory_is_told_with_its_key() {
    for (said, key, told) in [
        ("username = \"join\"", "password_file", "both or neither"),
        ("username = \"\"\npassword_file = \"password\"", "username", "anonymous"),
        ("password_file = \"password\"", "username", "both or neither"),
        ("username = \"join\"\npassword_file = \"absent\"", "password_file", "cannot be read"),
        ("ca_file = \"absent\"", "ca_file", "cannot be read"),
        ("ca_file = \"password\"", "ca_file", "holds no certificate"),
        ("servers = [\"dc1.a.b\", \"10.8.0.4\"]", "servers[1]", "name it by that"),
        ("servers = [\"[fd00::4]:636\"]", "servers[0]", "no host name"),
        ("servers = [\"dc1.a.b:636\"]", "servers[0]", "goes into [ports]"),
        ("site = \"West Europe\"", "site", "no site name"),
        ("site = \"\"", "site", "no site name"),
        ("site = \"-a\"", "site", "no site name"),
        ("certificate_sha256 = [\"0a1b\"]", "certificate_sha256[0]", "64 hex digits"),
        ("computer_prefix = \"\"", "computer_prefix", "1 to 9"),
        ("computer_prefix = \"ANC-Health\"", "computer_prefix", "1 to 9"),
        ("computer_prefix = \"ANC_Hth\"", "computer_prefix", "1 to 9"),
        ("computer_prefix = \"-ANC\"", "computer_prefix", "not begin with '-'"),
        ("computer_prefix = \"cpc-Hth\"", "computer_prefix", "Microsoft's own"),
        ("write_test = \"delete\"", "write_test", "none of create-and-delete, create-and-disable"),
        ("write_test_every = \"59s\"", "write_test_every", "at least 1m"),
        ("write_test_every = \"31d\"", "write_test_every", "at most 30days"),
        ("bind_retry_after = \"59m\"", "bind_retry_after", "could lock the account"),
        ("bind_retry_after = \"31d\"", "bind_retry_after", "at most 30days"),
        ("ports.smb = 0", "ports.smb", "between 1 and 65535"),
        ("ports.smtp = 25", "ports.smtp", "unknown field"),
    ] {
        let problems = directory(said).unwrap_err().problems;
        let [Problem { key: at, wrong }] = &problems[..] else { panic!("{said}: {problems:?}") };
        assert_eq!(*at, format!("connections[0].active_directory.{key}"), "{said}");
        assert!(wrong.contains(told), "{said}: {wrong}");
    }
}

#[test]
fn mistakes_outside_the_directory_are_told_too() {
    for (said, told) in [
        ("[server]\nstate_dir = \"absent\"\n", "server.state_dir: "),
        ("[server]\nstate_dir = \"test.toml\"\n", "is no directory; create it"),
        ("[checks.domain_controllers]\nmax_controllers = 0\n", "between 1 and 64"),
        ("[checks.domain_controllers]\nmax_controllers = 65\n", "between 1 and 64"),
        ("[checks.single_sign_on]\nkey_age = \"23h\"\n", "23h must be at least 1day"),
        ("[checks.single_sign_on]\nkey_age = \"11y\"\n", "must be at most 10years"),
    ] {
        let error = loaded(&format!("{said}{SMALLEST}")).unwrap_err();
        assert_eq!(error.problems.len(), 1, "{error}");
        assert!(error.to_string().contains(told), "{error}");
    }
    let text = format!("{SMALLEST}instance = \"pod 0\"\n");
    assert_eq!(problem_keys(&text), ["connections[0].instance"]);
    assert!(loaded(&format!("{SMALLEST}instance = \"pod-0\"\n")).is_ok());
}

#[test]
fn a_directory_without_a_domain_is_refused() {
    let text = "[[connections]]\nname = \"a\"\njoin_type = \"hybrid\"\n\
                active_directory.site = \"West-Europe\"\n";
    assert_eq!(problem_keys(text), ["connections[0].active_directory.domain"]);
}

#[test]
fn kerberos_is_for_builds_that_have_it() {
    let loaded = directory("transport = \"kerberos\"");
    if cfg!(feature = "kerberos") {
        assert_eq!(loaded.unwrap().transport, Transport::Kerberos);
    } else {
        let told = loaded.unwrap_err().to_string();
        assert!(told.contains("--features kerberos, or use \"ldaps\" or \"starttls\""), "{told}");
    }
}

#[test]
fn a_state_directory_lies_beside_the_first_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("state")).unwrap();
    let config =
        loaded_in(&folder, &format!("[server]\nstate_dir = \"state\"\n{SMALLEST}")).unwrap();
    assert_eq!(config.server.state_dir, Some(folder.path().join("state")));
}

#[test]
fn a_password_is_read_without_the_line_break_behind_it() {
    for (held, password) in [
        ("pass word", "pass word"),
        ("pass word\n", "pass word"),
        ("pass word\r\n", "pass word"),
        (" pass word \n\n", " pass word \n"),
        ("päßwörd\n", "päßwörd"),
    ] {
        let account = joining_with(held.as_bytes()).unwrap();
        assert_eq!(account.password.expose(), password);
        assert_eq!(account.username, "svc-join");
    }
    assert!(joining_with(&[b'a'; 4096]).is_ok());
}

#[test]
fn a_password_that_is_none_is_told_without_a_word_of_it() {
    for (held, told) in [
        (&b""[..], "is empty"),
        (b"\r\n", "is empty"),
        (b"canary\xff", "is not UTF-8"),
        (&b"canary".repeat(1000), "holds more than 4 KiB"),
    ] {
        let error = joining_with(held).unwrap_err();
        assert_eq!(error.problems[0].key, "connections[0].active_directory.password_file");
        assert!(error.to_string().contains(told), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[test]
fn a_password_is_never_shown_and_its_file_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("password"), "canary\n").unwrap();
    let config = loaded_in(&folder, &format!("{HYBRID}{ACCOUNT}")).unwrap();
    let Joining::Hybrid(directory) = &config.connections[0].join else { unreachable!() };
    assert_eq!(directory.account.as_ref().unwrap().password.expose(), "canary");
    assert!(config.effective().contains("password_file = \"password\""));
    let broken = loaded_in(&folder, &format!("{HYBRID}{ACCOUNT}site = \"-\"\n")).unwrap_err();
    for shown in [
        format!("{config:?} {config:#?}"),
        config.effective(),
        format!("{broken} {broken:?}"),
        Config::schema().to_string(),
    ] {
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn a_new_password_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "one\n").unwrap();
    let load = || loaded_in(&folder, &format!("{HYBRID}{ACCOUNT}")).unwrap();
    let before = load();
    assert!(!before.watched.changed());
    fs::write(&file, "two\n").unwrap();
    assert!(before.watched.changed());
    assert_ne!(load().connections, before.connections);
}

const HYBRID: &str = "[[connections]]\nname = \"a\"\njoin_type = \"hybrid\"\n\
                      [connections.active_directory]\ndomain = \"corp.contoso.com\"\n";

const ACCOUNT: &str = "username = \"svc-join\"\npassword_file = \"password\"\n";

/// The directory of one connection, said so of it, beside a file `password`.
fn directory(said: &str) -> Result<Directory, ConfigError> {
    directory_beside(b"secret", said)
}

fn joining_with(password: &[u8]) -> Result<JoinAccount, ConfigError> {
    Ok(directory_beside(password, ACCOUNT)?.account.unwrap())
}

fn directory_beside(password: &[u8], said: &str) -> Result<Directory, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("password"), password).unwrap();
    let config = loaded_in(&folder, &format!("{HYBRID}{said}"))?;
    match config.connections.into_iter().next().map(|connection| connection.join) {
        Some(Joining::Hybrid(directory)) => Ok(*directory),
        other => panic!("{other:?}"),
    }
}

fn loaded(text: &str) -> Result<Config, ConfigError> {
    loaded_in(&tempfile::tempdir().unwrap(), text)
}

fn loaded_in(folder: &tempfile::TempDir, text: &str) -> Result<Config, ConfigError> {
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
    !name.is_empty() && name.bytes().all(|sign| matches!(sign, b'a'..=b'z' | b'0'..=b'9' | b'_'))
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
