//! Times identity and limits together, for requests of many keys in turn: what every request passes before its body is read.
//!
//! `identity KEYS REQUESTS` makes the keys in a folder of its own and prints percentiles as JSON, in nanoseconds: `cold` for
//! the first request of each key, which reads the store, `warm` for those that follow, and of these by stage `address`
//! (may it try a key), `identity` (whose key is it) and `quota` (has it room). `within_10_us` is a share of one.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use backend::auth::{Actor, Auth};
use backend::config::Config;
use backend::limits::Limits;
use backend::store;
use backend::telemetry::{Metrics, SystemClock};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = || -> anyhow::Result<usize> {
        let text = arguments.next().context("usage: identity KEYS REQUESTS")?;
        Ok(text.parse()?)
    };
    let (keys, requests) = (number()?, number()?);
    let folder = tempfile::tempdir()?;
    let config = Config::for_tests(folder.path())?;
    let (clock, metrics) = (
        Arc::new(SystemClock::default()),
        Arc::new(Metrics::default()),
    );
    let (auth, _) = Auth::open(&config, clock.clone(), metrics.clone())?;
    let limits = Limits::open(&config, store::open(&config)?, None, clock, metrics)?;
    let mut callers = Vec::with_capacity(keys);
    for place in 0..keys {
        let draft =
            serde_json::json!({ "name": format!("site {place}"), "scopes": ["summaries:write"] });
        let made = auth
            .keys()
            .create(&Actor::Server, &serde_json::from_value(draft)?)?;
        callers.push(format!("Bearer {}", made.key));
    }
    // Changes are looked for four times a second, and what is kept before such a look is read again.
    std::thread::sleep(Duration::from_secs(1));
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let admit = |credentials: &str| -> anyhow::Result<Took> {
        let began = Instant::now();
        limits.may_authenticate(address)?;
        let asked = Instant::now();
        let caller = auth.authenticate(Some(credentials), None)?;
        let known = Instant::now();
        let allowance = limits.admit(&caller)?;
        let admitted = Instant::now();
        drop(allowance);
        Ok(Took {
            address: asked - began,
            identity: known - asked,
            quota: admitted - known,
        })
    };
    let cold: Vec<Took> = callers
        .iter()
        .map(|caller| admit(caller))
        .collect::<Result<_, _>>()?;
    // A stride without a common divisor visits the keys in an order that no cache of the processor guesses.
    let strides = (0..requests).map(|turn| turn.wrapping_mul(7919) % callers.len());
    let warm: Vec<Took> = strides
        .filter_map(|place| callers.get(place))
        .map(|caller| admit(caller))
        .collect::<Result<_, _>>()?;
    let told = serde_json::json!({
        "keys": keys,
        "cold": told(&cold, Took::whole),
        "warm": told(&warm, Took::whole),
        "address": told(&warm, |took| took.address),
        "identity": told(&warm, |took| took.identity),
        "quota": told(&warm, |took| took.quota),
    });
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}

/// One request by stage.
struct Took {
    address: Duration,
    identity: Duration,
    quota: Duration,
}

impl Took {
    fn whole(&self) -> Duration {
        self.address + self.identity + self.quota
    }
}

fn told(requests: &[Took], stage: impl Fn(&Took) -> Duration) -> serde_json::Value {
    let mut took: Vec<Duration> = requests.iter().map(stage).collect();
    took.sort_unstable();
    let at = |per_mille: usize| {
        let place = (took.len() * per_mille / 1000).min(took.len().saturating_sub(1));
        took.get(place)
            .map(|took| u64::try_from(took.as_nanos()).unwrap_or(u64::MAX))
    };
    let within = took.partition_point(|took| *took <= Duration::from_micros(10));
    #[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52")]
    let share = within as f64 / took.len().max(1) as f64;
    serde_json::json!({
        "p50": at(500), "p90": at(900), "p98": at(980), "p99": at(990), "p999": at(999), "most": at(1000),
        "within_10_us": share,
    })
}
