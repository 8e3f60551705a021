use super::*;

fn load(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Config, Error> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("smart-summary.toml"), file).unwrap();
    let mut all = Flags {
        data_dir: Some(directory.path().to_owned()),
        ..Flags::default()
    };
    for (key, text) in flags {
        all.set(key, "--flag", Some(text));
    }
    let environment = environment
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    Config::load_from(&all, &environment)
}

#[track_caller]
fn refused(file: &str, environment: &[(&str, &str)], expect: &[&str]) {
    let lines = load(file, environment, &[]).unwrap_err().lines;
    assert_eq!(lines.len(), 1, "{lines:#?}");
    for part in expect {
        assert!(lines[0].contains(part), "{part:?} is not in {:?}", lines[0]);
    }
}

#[test]
fn every_built_in_value_is_right() {
    let config = load("", &[], &[]).unwrap();
    assert_eq!(config.intake.max_images, api::limits::MAX_IMAGES);
    assert_eq!(config.intake.max_image_bytes, api::limits::MAX_IMAGE_BYTES);
    assert_eq!(config.intake.max_pixels, api::limits::MAX_PIXELS);
    assert_eq!(
        config.intake.max_content_chars,
        api::limits::MAX_CONTENT_CHARS
    );
    assert_eq!(config.intake.max_body_bytes, api::limits::MAX_BODY_BYTES);
    assert!(config.tiers["high"].requests_per_minute > config.tiers["default"].requests_per_minute);
}

#[test]
fn a_later_source_wins() {
    let file = "[server]\nworkers = 1\ndrain_seconds = 1\nrequest_timeout_seconds = 1";
    let variables = [
        ("SMART_SUMMARY__SERVER__DRAIN_SECONDS", "2"),
        ("SMART_SUMMARY__SERVER__REQUEST_TIMEOUT_SECONDS", "2"),
    ];
    let server = load(file, &variables, &[("server.request_timeout_seconds", "3")])
        .unwrap()
        .server;
    assert_eq!(
        (
            server.workers,
            server.drain_seconds,
            server.request_timeout_seconds
        ),
        (1, 2, 3)
    );
}

#[test]
fn a_wrong_value_is_one_line_with_a_right_value() {
    refused(
        "[server]\nbind = \"nonsense\"",
        &[],
        &[
            "server.bind",
            "nonsense",
            "127.0.0.1:8080",
            "smart-summary.toml",
        ],
    );
    refused(
        "[server]\nworkers = \"4\"",
        &[],
        &["server.workers", "whole number"],
    );
    refused("[server]\nworkers = -1", &[], &["server.workers", "-1"]);
    refused(
        "[server]\nworkers = 5000",
        &[],
        &["server.workers", "0 to 1024"],
    );
    refused(
        "[server]\ntrusted_proxies = [\"10.0.0.0/64\"]",
        &[],
        &["server.trusted_proxies", "10.0.0.0/8"],
    );
    refused(
        "[log]\nlevel = \"loud\"",
        &[],
        &["log.level", "loud", "debug", "info"],
    );
    refused("degrade = 1", &[], &["degrade", "true or false"]);
    refused("[engine]\ndefault = 1.5", &[], &["engine.default", "float"]);
    refused(
        "[engine]\ndefault = \"gpt\"",
        &[],
        &["engine.default", "gpt", "extractive"],
    );
    refused(
        "[auth]\nissuer = \"\"",
        &[],
        &["auth.issuer", "smart-summary"],
    );
    refused(
        "[tiers.gold]\nrequest_burst = 0",
        &[],
        &["tiers.gold.request_burst", "1 to"],
    );
    refused(
        "",
        &[("SMART_SUMMARY__CACHE__TTL_SECONDS", "soon")],
        &[
            "cache.ttl_seconds",
            "soon",
            "SMART_SUMMARY__CACHE__TTL_SECONDS",
        ],
    );
    refused("a = ", &[], &["line 1", "TOML"]);
}

#[test]
fn a_misspelt_key_is_told_the_right_one() {
    refused(
        "[server]\nbnd = \"x\"",
        &[],
        &["server.bnd", "did you mean server.bind?"],
    );
    refused(
        "[tiers.gold]\nrequest_brust = 3",
        &[],
        &["did you mean tiers.gold.request_burst?"],
    );
    refused(
        "",
        &[("SMART_SUMMARY__LOG__LEVLE", "info")],
        &["did you mean log.level?", "SMART_SUMMARY__LOG__LEVLE"],
    );
    refused("zzz = true", &[], &["zzz: there is no such setting"]);
}

#[test]
fn a_variable_with_one_underscore_too_few_is_told_and_not_passed_over() {
    for name in [
        "SMART_SUMMARY_BIND",
        "SMART_SUMMARY_SERVER__BIND",
        "SMART_SUMMARY_SERVER_BIND",
    ] {
        refused(
            "",
            &[(name, "zz")],
            &[name, "write SMART_SUMMARY__SERVER__BIND"],
        );
    }
    load(
        "",
        &[
            ("SMART_SUMMARY_KEY", "ss_live_x"),
            ("SMART_SUMMARY_URL", "https://x.example"),
        ],
        &[],
    )
    .unwrap();
}

#[test]
fn settings_that_do_not_go_together_are_refused() {
    refused(
        "[server]\nbind = \"127.0.0.1:9464\"",
        &[],
        &["server.metrics_bind", "off"],
    );
    refused(
        "[intake]\nmax_body_bytes = 2048",
        &[],
        &["intake.max_image_bytes", "2048"],
    );
    let pepper = format!(
        "[auth]\npepper = \"{}\"\npepper_file = \"/x\"",
        "p".repeat(32)
    );
    refused(&pepper, &[], &["auth.pepper", "keep one"]);
}

#[test]
fn a_wrong_secret_is_not_shown() {
    let error = load("[auth]\npepper = \"tooshort\"", &[], &[])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("auth.pepper") && !error.contains("tooshort"),
        "{error}"
    );
}

#[test]
fn every_fault_is_told_at_once() {
    let lines = load("[server]\nbind = 1\nbnd = 2\n[log]\nlevel = 3", &[], &[])
        .unwrap_err()
        .lines;
    assert_eq!(lines.len(), 3, "{lines:#?}");
}

#[test]
fn what_is_printed_reads_back() {
    let file = "[server]\nmetrics_bind = \"off\"\ntrusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n[tiers.gold]\ntokens_per_day = 5";
    let printed = load(file, &[], &[]).unwrap().print();
    let without_place = |text: &str| {
        text.lines()
            .filter(|line| !line.starts_with("data_dir"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let again = load(&printed, &[], &[]).unwrap().print();
    assert_eq!(without_place(&again), without_place(&printed));
}

#[test]
fn a_secret_is_not_printed() {
    let config = load(
        &format!("[auth]\npepper = \"{}\"", "s".repeat(40)),
        &[],
        &[],
    )
    .unwrap();
    assert!(!config.print().contains("ssss") && !format!("{config:?}").contains("ssss"));
    assert_eq!(config.auth.pepper.unwrap().expose(), "s".repeat(40));
}

#[test]
fn a_tier_takes_what_it_leaves_out_from_the_default() {
    let file = "[tiers.default]\nimages_per_minute = 7\n[tiers.gold]\nrequest_burst = 9";
    let config = load(file, &[], &[]).unwrap();
    assert_eq!(
        (
            config.tiers["gold"].images_per_minute,
            config.tiers["gold"].request_burst
        ),
        (7, 9)
    );
    assert_eq!(config.tier("nosuch").unwrap().images_per_minute, 7);
}

#[test]
fn a_named_file_must_exist() {
    let flags = Flags {
        config: Some("/nonexistent/x.toml".into()),
        ..Flags::default()
    };
    let lines = Config::load_from(&flags, &Environment::new())
        .unwrap_err()
        .lines;
    assert!(lines[0].contains("/nonexistent/x.toml"), "{lines:?}");
}

#[test]
fn the_table_names_each_setting_once_with_a_meaning() {
    let table = Config::table();
    let keys: std::collections::HashSet<_> = table.iter().map(|row| &row.key).collect();
    assert_eq!(keys.len(), table.len());
    assert!(table.iter().all(|row| row.meaning.ends_with('.')));
    assert!(
        table
            .iter()
            .any(|row| row.environment == "SMART_SUMMARY__SERVER__BIND")
    );
}
