//! Times identity and limits together, for requests of many keys in turn: what every request passes before its body is read.
//!
//! `identity KEYS REQUESTS` makes the keys in a folder of its own and prints percentiles as JSON, in nanoseconds: `cold` for
//! the first request of each key, which reads the store, and `warm` for those that follow.

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
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let admit = |credentials: &str| -> anyhow::Result<Duration> {
        let began = Instant::now();
        limits.may_authenticate(address)?;
        let caller = auth.authenticate(Some(credentials), None)?;
        let allowance = limits.admit(&caller)?;
        let took = began.elapsed();
        drop(allowance);
        Ok(took)
    };
    let cold: Vec<Duration> = callers
        .iter()
        .map(|caller| admit(caller))
        .collect::<Result<_, _>>()?;
    // A stride without a common divisor visits the keys in an order that no cache of the processor guesses.
    let strides = (0..requests).map(|turn| turn.wrapping_mul(7919) % callers.len());
    let warm: Vec<Duration> = strides
        .filter_map(|place| callers.get(place))
        .map(|caller| admit(caller))
        .collect::<Result<_, _>>()?;
    let told = serde_json::json!({ "keys": keys, "cold": told(cold), "warm": told(warm) });
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}

fn told(mut took: Vec<Duration>) -> serde_json::Value {
    took.sort_unstable();
    let at = |percent: usize| {
        let place = (took.len() * percent / 100).min(took.len().saturating_sub(1));
        took.get(place)
            .map(|took| u64::try_from(took.as_nanos()).unwrap_or(u64::MAX))
    };
    serde_json::json!({ "p50": at(50), "p99": at(99), "most": at(100) })
}
