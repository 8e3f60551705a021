//! `/admin`: the operator's page, its session, and what it may not be made to do.

use std::collections::BTreeSet;

use api::{Code, KeyCreated};
use serde_json::{Value, json};

use crate::auth::now_ms;
use crate::check::{fresh, refused, secured};
use crate::client::{Answer, Request};
use crate::server::{Server, Setup, eventually, script, shared};

/// A page that is signed in.
struct Page<'a> {
    server: &'a Server,
    cookie: String,
    token: String,
}

/// A request as the server's own page makes it in a browser.
pub(crate) fn own(server: &Server, method: &str, path: &str) -> Request {
    let request = server.request(method, &format!("/admin/api/{path}"));
    request
        .header("Sec-Fetch-Site", "same-origin")
        .header("Origin", &format!("http://{}", server.address()))
}

pub(crate) fn sign_in(server: &Server, key: &str) -> Answer {
    own(server, "POST", "session")
        .json(&json!({ "key": key }))
        .send()
}

/// The cookie of an answer, as a browser sends it back.
#[track_caller]
pub(crate) fn cookie(answer: &Answer) -> String {
    let cookie = answer.header("Set-Cookie").expect("Set-Cookie");
    cookie.split(';').next().unwrap().to_owned()
}

impl<'a> Page<'a> {
    #[track_caller]
    fn open(server: &'a Server, key: &str) -> Self {
        let answer = sign_in(server, key);
        assert_eq!(answer.status, 200, "{}", answer.text());
        Self {
            server,
            cookie: cookie(&answer),
            token: answer.json()["token"].as_str().unwrap().to_owned(),
        }
    }

    fn request(&self, method: &str, path: &str) -> Request {
        let request = own(self.server, method, path).header("Cookie", &self.cookie);
        match method {
            "GET" => request,
            _ => request.header("X-CSRF-Token", &self.token),
        }
    }

    #[track_caller]
    fn told(&self, path: &str) -> Value {
        let answer = self.request("GET", path).send();
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    #[track_caller]
    fn make(&self, name: &str, scopes: &[&str]) -> KeyCreated {
        let draft = json!({ "name": name, "scopes": scopes });
        let answer = self.request("POST", "keys").json(&draft).send();
        assert_eq!(answer.status, 201, "{}", answer.text());
        serde_json::from_slice(&answer.body).unwrap()
    }
}

#[test]
fn the_page_is_small_needs_nobody_else_and_runs_nothing_but_its_own_files() {
    let mut sum = 0;
    for path in [
        "/admin",
        "/admin/page.css",
        "/admin/page.js",
        "/admin/words.js",
        "/admin/charts.js",
    ] {
        let answer = shared().get(path).send();
        assert_eq!(answer.status, 200, "{path}");
        secured(&answer);
        assert_eq!(answer.header("X-Frame-Options"), Some("DENY"));
        let policy = answer.header("Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(policy.contains("require-trusted-types-for 'script'"));
        assert!(policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = answer.text();
        for foreign in [
            "https://",
            "//cdn",
            "innerHTML",
            "eval(",
            "style=\"",
            "onclick=\"",
        ] {
            // An address to show is no address that is fetched.
            let found = text.replace("https://blog.example", "").contains(foreign);
            assert!(!found, "{path} has {foreign}");
        }
        sum += answer.body.len();
    }
    assert!(sum < 64 * 1024, "the page has {sum} bytes");
    let page = shared().get("/admin").send().text();
    assert_eq!(page.matches("<script").count(), 1, "one, with an address");
}

#[test]
fn the_page_can_be_turned_off() {
    let server = Server::start(Setup::default().set("admin.page", false));
    refused(&server.get("/admin").send(), Code::NotFound);
    refused(&sign_in(&server, &server.admin), Code::NotFound);
}

#[test]
fn an_admin_key_opens_a_session_that_only_its_cookie_knows() {
    let answer = sign_in(shared(), &format!(" {}\n", shared().admin));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let attributes: Vec<_> = answer
        .header("Set-Cookie")
        .unwrap()
        .split("; ")
        .skip(1)
        .collect();
    assert_eq!(
        attributes,
        [
            "Path=/admin",
            "Max-Age=28800",
            "HttpOnly",
            "SameSite=Strict"
        ]
    );
    let secret = cookie(&answer);
    let secret = secret.split('=').nth(1).unwrap();
    assert!(secret.len() >= 43 && !answer.text().contains(secret));
    let page = Page::open(shared(), &shared().admin);
    let seen = page.told("session");
    assert_eq!(seen["token"], page.token);
    let key = shared().admin.split('_').nth(2).unwrap();
    assert_eq!(seen["key"]["id"], key);
    assert!(!seen.to_string().contains(&shared().admin));
    assert!(!shared().log().contains(secret), "the log has a cookie");
}

#[test]
fn behind_a_trusted_proxy_with_tls_the_cookie_is_secure() {
    let server =
        Server::start(Setup::default().set("server.trusted_proxies", "[\"127.0.0.1/32\"]"));
    let request = server
        .post("/admin/api/session")
        .host("ops.example")
        .header("Origin", "https://ops.example")
        .header("X-Forwarded-Proto", "https")
        .json(&json!({ "key": server.admin }));
    let answer = request.send();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("Set-Cookie").unwrap().ends_with("; Secure"));
}

#[test]
fn what_is_no_admin_key_opens_nothing() {
    let server = Server::start(Setup::default());
    let (id, revoked) = server.new_key(&json!({ "name": "gone", "scopes": ["admin"] }));
    let delete = server.request("DELETE", &format!("/v1/admin/keys/{id}"));
    assert_eq!(delete.bearer(&server.admin).send().status, 200);
    let mut unknown = server.admin.clone();
    unknown.replace_range(..8, "ss_test_");
    let site = server.key_with(json!({ "origins": ["https://blog.example"] }));
    let token = server.token(&site, json!({}));
    for (key, code) in [
        (server.key.as_str(), Code::ScopeMissing),
        (revoked.as_str(), Code::KeyRevoked),
        (unknown.as_str(), Code::KeyMistyped),
        (token.as_str(), Code::KeyMistyped),
        ("", Code::KeyMistyped),
    ] {
        let answer = sign_in(&server, key);
        refused(&answer, code);
        assert_eq!(answer.header("Set-Cookie"), None);
    }
}

#[test]
fn guessing_keys_is_slowed_down_by_address() {
    let server = Server::start(Setup::default().set("anonymous.failed_auth_per_minute", 3));
    let codes: Vec<_> = (0..4)
        .map(|_| sign_in(&server, "ss_live_guess").problem().code)
        .collect();
    assert_eq!(codes[..3], [Code::KeyMistyped; 3]);
    assert_eq!(codes[3], Code::TooManyFailures);
    // Not even with the right key.
    refused(&sign_in(&server, &server.admin), Code::TooManyFailures);
}

#[test]
fn another_page_s_requests_are_refused_whatever_they_carry() {
    let page = Page::open(shared(), &shared().admin);
    let victim = page.make("victim", &["summaries:write"]);
    let forged: [&[(&str, &str)]; 8] = [
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "none")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[
            ("Sec-Fetch-Site", "same-origin"),
            ("Origin", "https://evil.example"),
        ],
        &[("Referer", "https://evil.example/")],
        &[],
    ];
    let path = format!("/admin/api/keys/{}", victim.id);
    for headers in forged {
        for (method, path) in [
            ("DELETE", path.as_str()),
            ("POST", "/admin/api/keys"),
            ("POST", "/admin/api/session"),
            ("DELETE", "/admin/api/session"),
            ("POST", "/admin/api/audit/verify"),
        ] {
            let mut request = shared()
                .request(method, path)
                .header("Cookie", &page.cookie)
                .header("X-CSRF-Token", &page.token)
                .json(&json!({ "key": shared().admin }));
            for (name, value) in headers {
                request = request.header(name, value);
            }
            let answer = request.send();
            refused(&answer, Code::OriginRefused);
            assert_eq!(answer.header("Set-Cookie"), None);
        }
    }
    let key = page.told("keys")["keys"].as_array().unwrap().clone();
    let victim = key.iter().find(|key| key["id"] == victim.id).unwrap();
    assert_eq!(victim.get("revoked_at"), None);
}

#[test]
fn nothing_is_changed_without_the_session_s_own_word() {
    let page = Page::open(shared(), &shared().admin);
    let other = Page::open(shared(), &shared().admin);
    let made = page.make("kept", &["summaries:write"]);
    let path = format!("keys/{}", made.id);
    for word in [None, Some(""), Some("x"), Some(other.token.as_str())] {
        let request = own(shared(), "DELETE", &path).header("Cookie", &page.cookie);
        let request = match word {
            Some(word) => request.header("X-CSRF-Token", word),
            None => request,
        };
        refused(&request.send(), Code::OriginRefused);
    }
    // A word that came twice is nobody's.
    let twice = page.request("DELETE", &path);
    let twice = twice.header("X-CSRF-Token", &page.token);
    refused(&twice.send(), Code::OriginRefused);
    assert_eq!(page.request("DELETE", &path).send().status, 200);
}

#[test]
fn no_other_origin_may_read_what_the_page_is_told() {
    let origin = "https://blog.example";
    shared().key_with(json!({ "origins": [origin] }));
    let page = Page::open(shared(), &shared().admin);
    let request = shared().get("/admin/api/session").header("Origin", origin);
    let answer = request.header("Cookie", &page.cookie).send();
    refused(&answer, Code::OriginRefused);
    let allowed = answer.header("Access-Control-Allow-Credentials");
    assert_eq!(allowed, None, "{:?}", answer.headers);
}

#[test]
fn without_a_session_nothing_is_told_or_done() {
    let page = Page::open(shared(), &shared().admin);
    let calls = [
        ("GET", "session"),
        ("DELETE", "session"),
        ("GET", "keys"),
        ("POST", "keys"),
        ("PATCH", "keys/x"),
        ("DELETE", "keys/x"),
        ("POST", "keys/x/rotate"),
        ("GET", "audit"),
        ("POST", "audit/verify"),
        ("GET", "use"),
        ("GET", "now"),
    ];
    let (name, _) = page.cookie.split_once('=').unwrap();
    let twice = format!("{}; {name}=planted", page.cookie);
    for cookie in [None, Some(format!("{name}=guess")), Some(twice)] {
        for (method, path) in calls {
            if cookie.is_none() && (method, path) == ("GET", "session") {
                continue; // `a_first_visit_is_no_refusal`
            }
            let request = own(shared(), method, path)
                .header("X-CSRF-Token", &page.token)
                // A key does not stand in for a session.
                .bearer(&shared().admin);
            let request = match &cookie {
                Some(cookie) => request.header("Cookie", cookie),
                None => request,
            };
            refused(&request.send(), Code::SessionOver);
        }
    }
    // And a session does not stand in for a key.
    let answer = shared()
        .get("/v1/admin/keys")
        .header("Cookie", &page.cookie);
    refused(&answer.send(), Code::CredentialsMissing);
}

#[test]
fn a_session_ends_by_leaving_by_revoking_and_by_rotating_its_key() {
    let server = Server::start(Setup::default());
    let page = Page::open(&server, &server.admin);
    let over = |page: &Page<'_>| refused(&page.request("GET", "keys").send(), Code::SessionOver);
    let left = Page::open(&server, &server.admin);
    let answer = left.request("DELETE", "session").send();
    assert_eq!(answer.status, 204);
    assert!(
        answer
            .header("Set-Cookie")
            .unwrap()
            .contains("=; Path=/admin; Max-Age=0;")
    );
    over(&left);
    page.told("keys");

    let other = page.make("other admin", &["admin"]);
    let theirs = Page::open(&server, &other.key);
    // By another process: a session counts it within a second.
    let done = server.cli(&["keys", "revoke", &other.id]);
    assert!(done.status.success(), "{done:?}");
    eventually("the session is over", || {
        Some(theirs.request("GET", "keys").send()).filter(|answer| answer.status == 401)
    });
    over(&theirs);

    // A rotation without an overlap ends what the old secret opened.
    let rotated = page.make("rotated admin", &["admin"]);
    let theirs = Page::open(&server, &rotated.key);
    let done = server.cli(&["keys", "rotate", &rotated.id, "--overlap", "0s"]);
    assert!(done.status.success(), "{done:?}");
    eventually("the session is over", || {
        Some(theirs.request("GET", "keys").send()).filter(|answer| answer.status == 401)
    });

    let third = page.make("third admin", &["admin"]);
    let theirs = Page::open(&server, &third.key);
    let change = json!({ "scopes": ["summaries:write"] });
    let answer = page
        .request("PATCH", &format!("keys/{}", third.id))
        .json(&change);
    assert_eq!(answer.send().status, 200);
    over(&theirs);

    // Revoking the key one is signed in with is allowed, and the last thing that the session does.
    let own = server.admin.split('_').nth(2).unwrap();
    assert_eq!(
        page.request("DELETE", &format!("keys/{own}")).send().status,
        200
    );
    over(&page);
}

#[test]
fn a_session_that_nobody_uses_is_over() {
    let server = Server::start(Setup::default().set("admin.session_idle_seconds", 1));
    let page = Page::open(&server, &server.admin);
    // What the page asks by itself does not count as use, or this would go on for ever.
    eventually("the session is over", || {
        Some(page.request("GET", "now").send()).filter(|answer| answer.status == 401)
    });
    refused(&page.request("GET", "keys").send(), Code::SessionOver);
}

#[test]
fn a_session_is_over_with_its_longest_time_and_with_the_process() {
    let server = Server::start(Setup::default().set("admin.session_seconds", 1));
    let page = Page::open(&server, &server.admin);
    eventually("the session is over", || {
        Some(page.request("GET", "keys").send()).filter(|answer| answer.status == 401)
    });
    let server = Server::start(Setup::default());
    let (cookie, admin) = (
        Page::open(&server, &server.admin).cookie,
        server.admin.clone(),
    );
    let server = Server::start_in(server.stop());
    let answer = own(&server, "GET", "keys").header("Cookie", &cookie).send();
    refused(&answer, Code::SessionOver);
    Page::open(&server, &admin);
}

#[test]
fn every_act_of_the_page_is_on_record_with_its_key() {
    let server = Server::start(Setup::default());
    let page = Page::open(&server, &server.admin);
    let made = page.make("site", &["summaries:write"]);
    let path = format!("keys/{}", made.id);
    let change = page
        .request("PATCH", &path)
        .json(&json!({ "tier": "high" }));
    assert_eq!(change.send().status, 200);
    let rotated = page.request("POST", &format!("{path}/rotate")).send();
    assert_eq!(rotated.status, 201);
    let rotated: KeyCreated = serde_json::from_slice(&rotated.body).unwrap();
    for key in [&made.key, &rotated.key] {
        assert_eq!(server.get("/v1/usage").bearer(key).send().status, 200);
    }
    assert_eq!(page.request("DELETE", &path).send().status, 200);

    let own_key = server.admin.split('_').nth(2).unwrap();
    let trail = page.told("audit");
    let line = |entry: &Value| {
        ["act", "actor", "subject"].map(|name| entry[name].as_str().unwrap().to_owned())
    };
    let newest: Vec<_> = trail["entries"]
        .as_array()
        .unwrap()
        .iter()
        .take(5)
        .map(line)
        .collect();
    let actor = format!("key {own_key}");
    let expected = [
        ("key_revoked", &made.id),
        ("key_rotated", &made.id),
        ("key_changed", &made.id),
        ("key_created", &made.id),
        ("session_begun", &own_key.to_owned()),
    ]
    .map(|(act, subject)| [act.to_owned(), actor.clone(), subject.clone()]);
    assert_eq!(newest, expected);
    for secret in [&made.key, &rotated.key, &server.admin, &page.token] {
        let secret = secret.split('_').nth(3).unwrap_or(secret);
        assert!(!trail.to_string().contains(secret));
        assert!(!page.told("keys").to_string().contains(secret));
        assert!(!server.log().contains(secret));
    }

    let verified = page.request("POST", "audit/verify").send().json();
    assert_eq!(verified["number"], trail["entries"][0]["number"]);
    let head = format!(
        "{}:{}",
        verified["number"],
        verified["head"].as_str().unwrap()
    );
    assert_eq!(page.request("DELETE", "session").send().status, 204);
    let said = server.cli(&["audit", "verify", "--head", &head]);
    assert!(said.status.success(), "{said:?}");
    let said = String::from_utf8(server.cli(&["audit", "list"]).stdout).unwrap();
    assert!(said.contains("session_ended"), "{said}");
}

#[test]
fn the_trail_is_read_from_its_end_a_page_at_a_time() {
    let server = Server::start(Setup::default());
    let page = Page::open(&server, &server.admin);
    let id = page.make("many", &["summaries:write"]).id;
    for place in 0..60 {
        let change = page.request("PATCH", &format!("keys/{id}"));
        let answer = change
            .json(&json!({ "name": format!("name {place}") }))
            .send();
        assert_eq!(answer.status, 200);
    }
    let mut numbers = Vec::new();
    let mut trail = page.told("audit");
    loop {
        let entries = trail["entries"].as_array().unwrap();
        assert!(entries.len() <= 50);
        numbers.extend(
            entries
                .iter()
                .map(|entry| entry["number"].as_u64().unwrap()),
        );
        if trail["more"] != true {
            break;
        }
        trail = page.told(&format!("audit?before={}", numbers.last().unwrap()));
    }
    let all: Vec<u64> = (1..=numbers[0]).rev().collect();
    assert!(all.len() > 60);
    assert_eq!(numbers, all);
}

#[test]
fn a_wrong_value_is_refused_as_over_the_api() {
    let page = Page::open(shared(), &shared().admin);
    let draft = json!({ "name": "", "scopes": ["summaries:write"] });
    let answer = page.request("POST", "keys").json(&draft).send();
    crate::check::refused_at(&answer, Code::InvalidField, "/name");
    refused(
        &page.request("DELETE", "keys/nobody").send(),
        Code::NotFound,
    );
    refused(&page.request("PUT", "keys").send(), Code::MethodNotAllowed);
    let guess = own(shared(), "POST", "session").json(&json!({ "password": "x" }));
    refused(&guess.send(), Code::InvalidField);
}

#[test]
fn use_is_told_by_tier_and_by_key_out_of_the_ledger() {
    let server = Server::start(Setup::default());
    let admin = server.admin.clone();
    let made = |tier: &str| {
        let draft = json!({ "name": tier, "scopes": ["summaries:write"], "tier": tier });
        server.new_key(&draft)
    };
    let [(low, low_key), (high, high_key)] = [made("default"), made("high")];
    for (key, times) in [(&low_key, 1), (&high_key, 2)] {
        for _ in 0..times {
            let request = server.post("/v1/summaries").bearer(key);
            let request = request.json(&fresh("Bread is made of flour."));
            request.send().summary();
        }
    }
    // Out of the store, not out of this process: the next one tells the same.
    let server = Server::start_in(server.stop());
    let page = Page::open(&server, &admin);
    for days in [1, 7, 400] {
        let used = page.told(&format!("use?days={days}"));
        let told = |series: &str| -> Vec<_> {
            let series = used[series].as_array().unwrap().iter();
            series
                .map(|one| {
                    let each: Vec<u64> = serde_json::from_value(one["days"].clone()).unwrap();
                    assert_eq!(each.len(), days);
                    let total = one["total"].as_u64().unwrap();
                    assert_eq!(each.iter().sum::<u64>(), total);
                    (one["name"].as_str().unwrap().to_owned(), total)
                })
                .collect()
        };
        assert_eq!(
            told("tiers"),
            [("default".into(), 140), ("high".into(), 280)]
        );
        assert_eq!(told("keys"), [(high.clone(), 280), (low.clone(), 140)]);
        let first = used["first_day"].as_u64().unwrap();
        let days = u64::try_from(days).unwrap();
        let end = first + days * 86_400_000;
        assert!(
            end.abs_diff(now_ms()) <= 86_400_000,
            "the last day is today"
        );
    }
    assert_eq!(
        page.told("use")["tiers"][0]["days"]
            .as_array()
            .unwrap()
            .len(),
        30
    );
}

/// The page asks for its session before anybody has signed in; that must not look like somebody who was turned away.
#[test]
fn a_first_visit_is_no_refusal() {
    let server = Server::start(Setup::default());
    for cookies in [None, Some("theme=dark; smart_summary_admin2=x")] {
        let ask = own(&server, "GET", "session");
        let ask = match cookies {
            Some(cookies) => ask.header("Cookie", cookies),
            None => ask,
        };
        let answer = ask.send();
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
        assert_eq!(answer.header("Set-Cookie"), None);
    }
    let refused_codes = || {
        let page = Page::open(&server, &server.admin);
        let told = page.told("now")["refusals"]["codes"].clone();
        let rows = told.as_array().unwrap().iter();
        let codes = rows.map(|row| row["code"].as_str().unwrap().to_owned());
        codes.collect::<BTreeSet<_>>()
    };
    assert_eq!(refused_codes(), BTreeSet::new());
    // Another page's question is refused as ever, and so is a session that is over.
    let foreign = server
        .get("/admin/api/session")
        .header("Sec-Fetch-Site", "cross-site");
    refused(&foreign.send(), Code::OriginRefused);
    let over = own(&server, "GET", "session").header("Cookie", "smart_summary_admin=gone");
    refused(&over.send(), Code::SessionOver);
    let expected = ["origin_refused", "session_over"].map(str::to_owned);
    assert_eq!(refused_codes(), BTreeSet::from(expected));
}

#[test]
fn visits_without_a_session_are_counted_by_address() {
    let server = Server::start(Setup::default().set("anonymous.requests_per_minute", 2));
    let visit = || own(&server, "GET", "session").send();
    assert_eq!([visit().status, visit().status], [204, 204]);
    refused(&visit(), Code::RateLimited);
}

#[test]
fn what_goes_on_now_is_told() {
    let server = Server::start(script(Setup::default()));
    let page = Page::open(&server, &server.admin);
    let idle = page.told("now");
    assert_eq!(idle["batches"], json!([]));
    assert_eq!(idle["refusals"]["codes"], json!([]));
    assert_eq!(idle["engines"][0]["engine"], "glm4v");
    assert_eq!(idle["levels"]["gpu_memory"], Value::Null);
    for _ in 0..2 {
        let wrong = server.get("/v1/usage").bearer("ss_live_wrong").send();
        refused(&wrong, Code::KeyMistyped);
    }
    refused(&server.get("/v1/usage").send(), Code::CredentialsMissing);
    let (id, key) = server.new_key(&json!({ "name": "jobs", "scopes": ["batches:write"] }));
    let items: Vec<_> = (0..3)
        .map(|place| json!({ "id": format!("{place}"), "request": fresh("[stall]") }))
        .collect();
    let made = server
        .post("/v1/batches")
        .bearer(&key)
        .json(&json!({ "items": items }));
    let made = made.send();
    assert_eq!(made.status, 201, "{}", made.text());

    let now = page.told("now");
    let batch = &now["batches"][0];
    assert_eq!(batch["key"], id);
    assert_eq!(batch["id"], made.json()["id"]);
    assert_eq!(batch["items"]["total"], 3);
    let running = now["levels"]["in_flight"].as_u64();
    assert!(running >= Some(1), "this request: {now}");
    let codes: Vec<_> = now["refusals"]["codes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let counts: Vec<u64> = serde_json::from_value(row["counts"].clone()).unwrap();
            assert_eq!(counts.len(), 24);
            (row["code"].as_str().unwrap(), counts.iter().sum::<u64>())
        })
        .collect();
    assert_eq!(codes, [("key_mistyped", 2), ("credentials_missing", 1)]);
    assert!(!now.to_string().contains("[stall]"));
}
