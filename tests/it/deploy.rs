//! What stands around the server names only what there is: settings, metrics, labels, paths, tests and paragraphs. And
//! what operators are told to keep brings everything back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use api::Code;
use serde_json::json;
use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use crate::databases::Postgres;
use crate::project;
use crate::server::{Server, Setup, merged};

fn read(path: &str) -> String {
    let file = project::root().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every YAML file of `deploy`, as its documents.
fn manifests() -> BTreeMap<String, Vec<Yaml>> {
    let folder = project::root().join("deploy");
    let files = ["yaml", "yml"]
        .into_iter()
        .flat_map(|ending| project::files(&folder, ending));
    files
        .map(|file| {
            let path = format!("deploy/{}", file.display());
            let documents = YamlLoader::load_from_str(&read(&path))
                .unwrap_or_else(|error| panic!("{path}: {error}"));
            assert!(!documents.is_empty(), "{path} is empty");
            (path, documents)
        })
        .collect()
}

/// The words of `text` that begin with `start`, as far as names reach.
fn names<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(start)
        .filter(|(at, _)| !text[..*at].ends_with(is_name))
        .map(|(at, _)| text[at..].split(|c| !is_name(c)).next().unwrap())
        .collect()
}

/// All text of `deploy`, with the file that each comes from.
fn texts() -> Vec<(String, String)> {
    let mut open = vec![project::root().join("deploy")];
    let mut found = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            // An operator's own secrets may lie there.
            let is_secret = path
                .extension()
                .is_some_and(|ending| ending == "pem" || ending == "env")
                || path.ends_with(".env");
            if path.is_dir() {
                open.push(path);
            } else if !is_secret {
                let text = std::fs::read_to_string(&path).unwrap();
                found.push((path.display().to_string(), text));
            }
        }
    }
    assert!(found.len() >= 12, "deploy has only {} files", found.len());
    found
}

#[test]
fn every_setting_that_is_named_exists() {
    let known = read("docs/configuration.md");
    let known = names(&known, "SMART_SUMMARY__");
    let mut seen = 0;
    for (file, text) in texts() {
        for name in names(&text, "SMART_SUMMARY__") {
            assert!(
                known.contains(name),
                "{file}: {name} is not in docs/configuration.md"
            );
            seen += 1;
        }
    }
    assert!(seen >= 12, "only {seen} settings were found");
}

/// The names under which a metric is read, from the one table of metrics.
fn metrics() -> BTreeSet<String> {
    let source = read("backend/src/telemetry/metrics.rs");
    let table = source
        .split_once("\nmetrics! {\n")
        .and_then(|(_, rest)| rest.split_once("\n}\n"))
        .unwrap()
        .0;
    let mut found = BTreeSet::new();
    for entry in table.split(';') {
        let Some((kind, rest)) = entry.split_once(", \"") else {
            continue;
        };
        let (name, rest) = rest.split_once('"').unwrap();
        let unit = rest.split("=>").next().unwrap().rsplit_once("\", ");
        let unit = unit.map_or(String::new(), |(_, unit)| {
            format!("_{}", unit.trim().to_lowercase())
        });
        let endings: &[&str] = if kind.contains("Counters") {
            &["_total"]
        } else if kind.contains("Histograms") {
            &["_bucket", "_sum", "_count"]
        } else {
            &[""]
        };
        found.extend(
            endings
                .iter()
                .map(|ending| format!("smart_summary_{name}{unit}{ending}")),
        );
    }
    assert!(found.len() > 30, "{found:?}");
    found
}

#[test]
fn every_metric_that_is_named_exists() {
    let known = metrics();
    let mut seen = BTreeSet::new();
    for (file, text) in texts() {
        for name in names(&text, "smart_summary_") {
            assert!(known.contains(name), "{file}: there is no metric {name}");
            seen.insert(name.to_owned());
        }
    }
    assert!(seen.len() >= 10, "{seen:?}");
    for name in names(&read("docs/operations.md"), "smart_summary_") {
        let is_family = known
            .iter()
            .any(|known| known.strip_suffix("_count") == Some(name));
        assert!(known.contains(name) || is_family, "operations.md: {name}");
    }
    // The running server has them too, under these very names.
    let server = Server::start(Setup::default());
    server.summary(&crate::check::fresh("Bread."));
    let metrics = crate::client::Request::new(server.metrics_address(), "GET", "/metrics").send();
    let metrics = metrics.text();
    for name in [
        "smart_summary_requests_total",
        "smart_summary_request_duration_seconds_bucket",
        "smart_summary_queue_depth",
        "smart_summary_redis_answering",
    ] {
        assert!(metrics.contains(&format!("\n{name}")), "{name}\n{metrics}");
    }
}

#[test]
fn every_label_of_an_alert_exists() {
    let source = read("backend/src/telemetry/metrics.rs");
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let alerts = read("deploy/prometheus/alerts.yml");
    let mut seen = 0;
    for (at, _) in alerts
        .match_indices("=\"")
        .chain(alerts.match_indices("=~\""))
    {
        let before = &alerts[..at];
        let label = before
            .rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next()
            .unwrap();
        if label == "job" || label.is_empty() {
            continue;
        }
        let (_, rest) = alerts[at..].split_once('"').unwrap();
        let values = rest.split('"').next().unwrap();
        assert!(
            source.contains(&format!("(\"{label}\"")),
            "there is no label {label}"
        );
        for value in values.split('|') {
            let exists = match label {
                "code" => codes.contains(value),
                _ => source.contains(&format!("\"{value}\"")),
            };
            assert!(exists, "the label {label} is never {value}");
            seen += 1;
        }
    }
    assert!(seen >= 8, "only {seen} values were found");
}

#[test]
fn every_alert_has_its_paragraph() {
    let manifests = manifests();
    let operations = read("docs/operations.md");
    let rules = manifests["deploy/prometheus/alerts.yml"][0]["groups"][0]["rules"]
        .as_vec()
        .unwrap();
    assert!(rules.len() >= 10);
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        assert!(
            operations.contains(&format!("\n### {name}\n")),
            "docs/operations.md has no paragraph {name}"
        );
        let anchor = format!("docs/operations.md#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook"].as_str(), Some(&*anchor));
        assert!(rule["expr"].as_str().is_some() && rule["labels"]["severity"].as_str().is_some());
    }
}

/// Calls `visit` with every mapping entry below a node.
fn walk<'a>(node: &'a Yaml, visit: &mut impl FnMut(&str, &'a Yaml)) {
    match node {
        Yaml::Hash(entries) => {
            for (name, value) in entries {
                visit(name.as_str().unwrap_or_default(), value);
                walk(value, visit);
            }
        }
        Yaml::Array(entries) => entries.iter().for_each(|entry| walk(entry, visit)),
        _ => {}
    }
}

#[test]
fn every_path_that_is_asked_for_exists() {
    let document: serde_json::Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    let mut known: BTreeSet<&str> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    known.extend(["/metrics", "/docs", "/openapi.json"]);
    let manifests = manifests();
    let mut seen = BTreeSet::new();
    for (file, documents) in &manifests {
        for document in documents {
            walk(document, &mut |name, value| {
                let path = match (name, value) {
                    ("path" | "metrics_path", Yaml::String(path)) => path.as_str(),
                    _ => return,
                };
                if !path.starts_with("/etc/") {
                    assert!(known.contains(path), "{file}: {path}");
                    seen.insert(path);
                }
            });
        }
    }
    assert!(
        ["/healthz", "/readyz", "/metrics", "/v1/summaries"]
            .iter()
            .all(|path| seen.contains(path)),
        "{seen:?}"
    );
    let compose = read("deploy/compose.yaml");
    assert!(compose.contains("GET /readyz HTTP/1.1"));
    for line in read("deploy/nginx/nginx.conf").lines() {
        if let Some(path) = line.trim().strip_prefix("location ") {
            let path = path.trim_start_matches("= ").trim_end_matches(" {");
            let exists = known
                .iter()
                .any(|known| *known == path || known.starts_with(path));
            // The operator's page is for browsers, and not in the OpenAPI document.
            assert!(exists || path == "/admin", "nginx.conf: {path}");
        }
    }
}

#[test]
fn the_administration_is_closed_to_the_world() {
    let nginx = read("deploy/nginx/nginx.conf");
    for path in ["/v1/admin/", "/admin"] {
        let (_, place) = nginx.split_once(&format!("location {path} {{")).unwrap();
        let (inside, _) = place.split_once('}').unwrap();
        assert!(inside.contains("deny all;"), "{path}: {inside}");
    }
    let ingress = &manifests()["deploy/kubernetes/ingress.yaml"];
    let mut paths = 0;
    for document in ingress {
        walk(document, &mut |name, value| {
            if let ("path", Yaml::String(path)) = (name, value) {
                paths += 1;
                let leads_there = ["/v1/admin", "/admin"]
                    .iter()
                    .any(|closed| path.starts_with(closed) || closed.starts_with(path));
                assert!(!leads_there, "{path}");
            }
        });
    }
    assert!(paths > 0, "the Ingress has no path");
}

fn kind<'a>(documents: &'a [Yaml], kind: &str) -> &'a Yaml {
    documents
        .iter()
        .find(|document| document["kind"].as_str() == Some(kind))
        .unwrap_or_else(|| panic!("there is no {kind}"))
}

#[test]
fn pods_have_probes_limits_and_time_to_drain() {
    let manifests = manifests();
    let documents = &manifests["deploy/kubernetes/server.yaml"];
    let pod = &kind(documents, "Deployment")["spec"]["template"]["spec"];
    let server = &pod["containers"][0];
    for (probe, path) in [
        ("startupProbe", "/healthz"),
        ("livenessProbe", "/healthz"),
        ("readinessProbe", "/readyz"),
    ] {
        assert_eq!(server[probe]["httpGet"]["path"].as_str(), Some(path));
    }
    for what in ["cpu", "memory"] {
        for bound in ["requests", "limits"] {
            assert!(server["resources"][bound][what].as_str().is_some());
        }
    }
    let settings = &kind(documents, "ConfigMap")["data"];
    let drain: i64 = settings["SMART_SUMMARY__SERVER__DRAIN_SECONDS"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let pause = server["lifecycle"]["preStop"]["sleep"]["seconds"]
        .as_i64()
        .unwrap();
    let grace = pod["terminationGracePeriodSeconds"].as_i64().unwrap();
    assert!(grace > drain + pause, "{grace} s for {drain} + {pause} s");
    // A Service of this name would set SMART_SUMMARY_PORT and others, which look like misspelt settings.
    assert_eq!(pod["enableServiceLinks"].as_bool(), Some(false));
    assert_eq!(pod["securityContext"]["runAsNonRoot"].as_bool(), Some(true));
    let app = |selector: &Yaml| selector["matchLabels"]["app"].as_str().map(str::to_owned);
    let labels = &kind(documents, "Deployment")["spec"]["template"]["metadata"]["labels"];
    let budget = &kind(documents, "PodDisruptionBudget")["spec"];
    assert_eq!(app(&budget["selector"]).as_deref(), labels["app"].as_str());
    let scaler = &manifests["deploy/kubernetes/scale.yaml"];
    let metric = &kind(scaler, "HorizontalPodAutoscaler")["spec"]["metrics"][0]["pods"];
    assert_eq!(
        metric["metric"]["name"].as_str(),
        Some("smart_summary_queue_depth")
    );
}

#[test]
fn servers_believe_the_proxy_and_nobody_else() {
    let manifests = manifests();
    let compose = &manifests["deploy/compose.yaml"][0];
    let proxy = compose["services"]["nginx"]["networks"]["inside"]["ipv4_address"]
        .as_str()
        .unwrap();
    let settings = &compose["x-server"]["environment"];
    assert_eq!(
        settings["SMART_SUMMARY__SERVER__TRUSTED_PROXIES"].as_str(),
        Some(&*format!("{proxy}/32"))
    );
    assert_eq!(
        compose["networks"]["inside"]["internal"].as_bool(),
        Some(true)
    );
    let nginx = read("deploy/nginx/nginx.conf");
    for line in [
        "proxy_set_header X-Forwarded-For $remote_addr;",
        "proxy_set_header X-Forwarded-Proto $scheme;",
        "proxy_buffering off;",
        "proxy_request_buffering off;",
    ] {
        assert!(nginx.contains(line), "nginx.conf lacks `{line}`");
    }
    // No number and no database is for the world; what is open is open on this machine or by TLS.
    for (name, service) in compose["services"].as_hash().unwrap() {
        let name = name.as_str().unwrap();
        for port in service["ports"].as_vec().into_iter().flatten() {
            let port = port.as_str().unwrap();
            assert!(
                name == "nginx" || port.starts_with("127.0.0.1:"),
                "{name}: {port}"
            );
        }
    }
}

#[test]
fn every_test_that_the_security_page_names_exists() {
    let mut seen = 0;
    for page in ["docs/security.md", "docs/operations.md"] {
        for name in read(page).split('`').skip(1).step_by(2) {
            let Some((place, test)) = name.rsplit_once("::") else {
                continue;
            };
            let file = if Path::new(place).extension().is_some() {
                place.to_owned()
            } else {
                format!("tests/it/{place}.rs")
            };
            let source = read(&file);
            assert!(
                source.contains(&format!("fn {test}()")),
                "{page}: {file} has no test {test}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 60, "only {seen} tests are named");
}

fn budget_setup() -> Setup {
    Setup::default()
        .set("tiers.budget.tokens_per_day", 1_000_000)
        .set(
            "auth.pepper",
            "\"a pepper that is kept apart from backups\"",
        )
}

fn used(server: &Server, key: &str) -> u64 {
    let answer = server.get("/v1/usage").bearer(key).send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["budget"]["used"].as_u64().unwrap()
}

#[test]
fn a_copy_of_the_data_directory_brings_back_keys_and_use() {
    let server = Server::start(budget_setup());
    let key = server.key_with(json!({ "tier": "budget" }));
    let request = server.post("/v1/summaries").bearer(&key);
    let answer = request
        .json(&merged(crate::check::fresh("Bread."), json!({})))
        .send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let before = used(&server, &key);
    assert!(before > 0, "the scripted engine uses tokens");
    server.terminate();
    server.wait();
    let kept = TempDir::new().unwrap();
    for entry in std::fs::read_dir(server.data_dir()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), kept.path().join(entry.file_name())).unwrap();
    }
    drop(server);
    let restored = Server::start_in(Arc::new(kept));
    assert_eq!(used(&restored, &key), before);
}

#[test]
fn a_dump_of_the_database_brings_back_keys_and_batches() {
    let postgres = Postgres::start();
    let setup = |database: &str| budget_setup().set("store.postgres", database);
    let server = Server::start(setup(&postgres.database("before")));
    let key = server.key_with(json!({ "tier": "budget", "scopes": ["batches:write"] }));
    let items = json!({ "items": [{ "id": "a", "request": crate::check::fresh("Bread.") }] });
    let answer = server.post("/v1/batches").bearer(&key).json(&items).send();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let path = format!(
        "/v1/batches/{}/results",
        answer.json()["id"].as_str().unwrap()
    );
    let results = |server: &Server| server.get(&path).bearer(&key).send();
    let before = crate::server::eventually("the batch is done", || {
        Some(results(&server)).filter(|answer| answer.status == 200)
    });
    let restored = Server::start(setup(&postgres.restored("before", "after")));
    assert_eq!(results(&restored).text(), before.text());
    assert_eq!(used(&restored, &key), used(&server, &key));
}

#[test]
fn the_dashboard_shows_what_an_operator_asks() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("deploy/grafana/smart-summary.json")).unwrap();
    let sources = read("deploy/grafana/provisioning/datasources/prometheus.yml");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut queries = String::new();
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let source = panel["datasource"]["uid"].as_str().unwrap();
        assert!(sources.contains(&format!("uid: {source}")), "{panel}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            let query = target["expr"].as_str().unwrap();
            assert_eq!(
                query.matches('(').count(),
                query.matches(')').count(),
                "{query}"
            );
            queries.push_str(query);
        }
    }
    for about in [
        "queue_depth",
        "engine_step_rows",
        "engine_tokens",
        "engine_reuse",
        "cache_lookups",
        "cancellations",
        "engine_stage",
        "gpu_memory",
        "gpu_busy",
        "refusals",
        "moderated_total",
        "cache_size_bytes",
        "admission_seconds",
        "redis_answering",
    ] {
        assert!(queries.contains(about), "nothing of {about}");
    }
}
