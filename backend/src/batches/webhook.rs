//! Telling a site that its batch is done: signed, to public addresses only, and again until it is heard.
//!
//! The signature is that of standardwebhooks.com: `webhook-id`, `webhook-timestamp` and `webhook-signature`, HMAC-SHA-256
//! over `id.timestamp.body`. A try has the time of its own; the id stays, so that a receiver knows a repetition.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use api::limits::MAX_URL_CHARS;
use api::{Code, WebhookEvent};
use ipnet::IpNet;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use url::{Host, Url};

use super::House;
use crate::refusal::Refusal;
use crate::store::{BatchRow, HookState};
use crate::telemetry::WebhookOutcome;

/// How long a receiver may take, from the look-up of its name to its answer's head.
const PATIENCE: Duration = Duration::from_secs(10);
/// Until a try that nobody reported on counts as failed: the server died.
const LOST_AFTER_MS: u64 = 60_000;
/// The pauses between tries, in seconds; after the last one the webhook is given up. Together about a day.
const PAUSES: [u64; 9] = [5, 30, 120, 600, 1800, 3600, 10_800, 21_600, 43_200];

/// Whether an address may be told at all, as far as its text says; where its name leads is looked at when it is told.
///
/// # Errors
/// 422.
pub(super) fn check(url: &str, allowed: &[IpNet]) -> Result<(), Refusal> {
    let fault = |detail: &str| {
        Err(
            Refusal::new(Code::InvalidField, format!("`/webhook/url` {detail}"))
                .field("/webhook/url"),
        )
    };
    let Some(parsed) = Url::parse(url).ok().filter(|_| url.len() <= MAX_URL_CHARS) else {
        return fault("must be an address such as `https://blog.example/batch-is-done`");
    };
    if !parsed.username().is_empty() || parsed.password().is_some() {
        return fault("must not carry a name or a password; deliveries are signed instead");
    }
    let address = match parsed.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(Host::Domain(_)) => None,
        None => return fault("names no host"),
    };
    let listed = |address: &IpAddr| allowed.iter().any(|network| network.contains(address));
    match (parsed.scheme(), address) {
        ("https", None) => Ok(()),
        ("https", Some(address)) if is_public(address) || listed(&address) => Ok(()),
        // A name may lead into an allowed network; where there is none it cannot.
        ("http", None) if !allowed.is_empty() => Ok(()),
        ("http", Some(address)) if listed(&address) => Ok(()),
        ("http", _) => fault("must be https; http is for networks that the operator allows"),
        ("https", _) => fault("is not a public address"),
        _ => fault("must be https"),
    }
}

/// Whether the address is one of the Internet's: not this machine, not a private or special network, and none of those
/// hidden in an IPv6 address (IANA special-purpose registries; RFC 4291, 6052, 3056, 4380).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => {
            let [first, second, third, .., seventh, eighth] = address.segments();
            let last = Ipv4Addr::from((u32::from(seventh) << 16) | u32::from(eighth));
            if let Some(mapped) = address.to_ipv4_mapped() {
                return is_public_v4(mapped);
            }
            match (first, second) {
                // NAT64 and 6to4 carry an IPv4 address.
                (0x64, 0xff9b) => third == 0 && is_public_v4(last),
                (0x2002, _) => {
                    is_public_v4(Ipv4Addr::from((u32::from(second) << 16) | u32::from(third)))
                }
                // Teredo, benchmarking, ORCHID, documentation.
                (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => false,
                // Only 2000::/3 is given out as global unicast.
                _ => first & 0xe000 == 0x2000,
            }
        }
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127 | 224..=255, _, _)
            | (100, 64..=127, _)
            | (169, 254, _)
            | (172, 16..=31, _)
            | (192, 0, 0 | 2)
            | (192, 88, 99)
            | (192, 168, _)
            | (198, 18 | 19, _)
            | (198, 51, 100)
            | (203, 0, 113)
    )
}

/// Looks names up, and gives only addresses that may be told. The connection goes to just these: a name that leads
/// elsewhere a moment later changes nothing.
struct Guard {
    inner: DefaultResolver,
    allowed: Vec<IpNet>,
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Guard")
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &ureq::http::Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.inner.resolve(uri, config, timeout)?;
        let secure = uri.scheme_str() == Some("https");
        let mut kept = self.empty();
        for address in found.iter() {
            let listed = self
                .allowed
                .iter()
                .any(|network| network.contains(&address.ip()));
            if listed || (secure && is_public(address.ip())) {
                kept.push(*address);
            }
        }
        if kept.is_empty() {
            Err(ureq::Error::HostNotFound)
        } else {
            Ok(kept)
        }
    }
}

/// How a try ended.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Heard,
    /// The receiver does not want it, now or ever.
    Gone,
    NotHeard(String),
}

/// Tells every webhook that is due.
pub(super) async fn tell_all(house: &House) {
    loop {
        let due = house
            .timed(|store, now| store.claim_hook(now, now + LOST_AFTER_MS))
            .await;
        let Ok(Some(row)) = due else { return };
        if house.stopping.is_cancelled() {
            return;
        }
        tell(house, row).await;
    }
}

async fn tell(house: &House, row: BatchRow) {
    let Some((url, _, attempts)) = row.webhook.clone() else {
        return;
    };
    let now = house.rooms.clock.now_ms();
    let event = WebhookEvent {
        r#type: if row.cancelled {
            "batch.cancelled"
        } else {
            "batch.finished"
        }
        .to_owned(),
        timestamp: now,
        data: house.to_api(&row),
    };
    let body = serde_json::to_string(&event).unwrap_or_default();
    let signature = house
        .rooms
        .auth
        .sign_webhook(&row.key, &row.id, now / 1000, &body);
    let (id, allowed) = (row.id.clone(), house.bounds.webhook_networks.clone());
    let sent = tokio::task::spawn_blocking(move || {
        send(&url, &id, now / 1000, &signature, &body, allowed)
    });
    let told = sent
        .await
        .unwrap_or_else(|_| Told::NotHeard("a panic".to_owned()));
    let pause = usize::try_from(attempts.saturating_sub(1))
        .ok()
        .and_then(|tried| PAUSES.get(tried));
    let (state, wait_ms, outcome) = match (&told, pause) {
        (Told::Heard, _) => (HookState::Delivered, 0, WebhookOutcome::Delivered),
        (Told::NotHeard(_), Some(pause)) => {
            (HookState::Pending, pause * 1000, WebhookOutcome::Retried)
        }
        (Told::NotHeard(_), None) | (Told::Gone, _) => {
            (HookState::Failed, 0, WebhookOutcome::GivenUp)
        }
    };
    house.rooms.metrics.webhook(outcome);
    // Not the address: it may hold what its owner thinks a secret.
    match &told {
        Told::Heard => tracing::info!(batch = %row.id, attempts, "a webhook was delivered"),
        told => tracing::warn!(batch = %row.id, attempts, ?told, "a webhook was not delivered"),
    }
    let noted = house
        .stored(move |store| store.note_hook(&row.id, state, store.time(now)? + wait_ms))
        .await;
    if let Err(refusal) = noted {
        tracing::error!(%refusal, "a webhook's end could not be noted; it may be told again");
    }
}

fn send(
    url: &str,
    id: &str,
    seconds: u64,
    signature: &str,
    body: &str,
    allowed: Vec<IpNet>,
) -> Told {
    let config = ureq::Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(PATIENCE))
        .max_response_header_size(16 * 1024)
        .user_agent(concat!("smart-summary/", env!("CARGO_PKG_VERSION")))
        .build();
    let guard = Guard {
        inner: DefaultResolver::default(),
        allowed,
    };
    let agent = ureq::Agent::with_parts(config, DefaultConnector::default(), guard);
    let request = agent
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", signature);
    match request.send(body) {
        Ok(answer) => match answer.status().as_u16() {
            200..=299 => Told::Heard,
            410 => Told::Gone,
            status => Told::NotHeard(format!("status {status}")),
        },
        Err(error) => Told::NotHeard(reason(&error)),
    }
}

/// What went wrong, without the address.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "the name leads to no address that may be told".to_owned(),
        ureq::Error::Timeout(_) => "no answer in time".to_owned(),
        ureq::Error::Io(error) => format!("the connection failed: {}", error.kind()),
        _ => "the answer could not be read".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn allowed(url: &str, networks: &[&str]) -> bool {
        let networks: Vec<IpNet> = networks.iter().map(|text| text.parse().unwrap()).collect();
        check(url, &networks).is_ok()
    }

    #[test]
    fn only_public_addresses_are_told() {
        for url in [
            "https://127.0.0.1/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest/meta-data",
            "https://0.0.0.0/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://100.64.0.1/",
            "https://192.168.1.1/",
            "https://172.31.255.255/",
            "https://198.18.0.1/",
            "https://224.0.0.1/",
            "https://255.255.255.255/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[64:ff9b:1::1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001::1]/",
            "https://[2001:db8::1]/",
            "https://[fe80::1]/",
            "https://[fc00::1]/",
            "https://[ff02::1]/",
        ] {
            assert!(!allowed(url, &[]), "{url}");
        }
        for url in [
            "https://1.1.1.1/",
            "https://[2606:4700::1111]/",
            "https://blog.example/x?y=z",
        ] {
            assert!(allowed(url, &[]), "{url}");
        }
    }

    #[test]
    fn an_allowed_network_may_be_told_also_without_tls() {
        assert!(allowed("http://127.0.0.1:9/x", &["127.0.0.0/8"]));
        assert!(!allowed("http://10.0.0.1/x", &["127.0.0.0/8"]));
        assert!(!allowed("http://blog.example/", &[]));
        assert!(allowed("http://blog.internal/", &["10.0.0.0/8"]));
    }

    #[test]
    fn an_address_without_secrets_and_with_a_host() {
        for url in [
            "https://a:b@blog.example/",
            "ftp://blog.example/",
            "file:///etc/passwd",
            "x",
            "",
        ] {
            assert!(!allowed(url, &["0.0.0.0/0"]), "{url}");
        }
    }

    #[test]
    fn a_name_that_leads_to_this_machine_is_not_told() {
        // `localhost` is looked up as any name is.
        let told = send("https://localhost:1/", "id", 1, "s", "{}", vec![]);
        assert_eq!(
            told,
            Told::NotHeard("the name leads to no address that may be told".to_owned())
        );
        let plain = send("http://localhost:1/", "id", 1, "s", "{}", vec![]);
        assert_eq!(
            plain,
            Told::NotHeard("the name leads to no address that may be told".to_owned())
        );
    }
}
