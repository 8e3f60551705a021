//! Somebody's server, asked with a key: what `batch` and `site` run on when they do not run here.

use std::time::Duration;

use anyhow::{Context as _, bail};
use api::Problem;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::WrongUse;
use crate::auth::hex;

/// The other end.
pub(super) struct Remote {
    agent: ureq::Agent,
    base: String,
    key: String,
}

/// What a call gives.
pub(super) type Called = Result<ureq::http::Response<ureq::Body>, ureq::Error>;

impl Remote {
    /// # Errors
    /// [`WrongUse`] when the key would travel in clear.
    pub(super) fn new(server: &Url, key: &str) -> anyhow::Result<Self> {
        let local = match server.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if server.scheme() != "https" && !local {
            let line = "--server: a key is sent over https only, or to this machine".to_owned();
            return Err(WrongUse(line).into());
        }
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_recv_response(Some(Duration::from_secs(120)))
            .user_agent(concat!("smart-summary/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self {
            agent: config.into(),
            base: server.as_str().trim_end_matches('/').to_owned(),
            key: key.to_owned(),
        })
    }

    pub(super) fn get(&self, path: &str) -> Called {
        self.agent
            .get(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.key))
            .call()
    }

    /// Posts JSON; the same posted again meets the same answer, since its name is made of it.
    pub(super) fn post(&self, path: &str, body: &str) -> Called {
        let name = hex(&Sha256::digest(body.as_bytes()));
        self.agent
            .post(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.key))
            .header("content-type", "application/json")
            .header("idempotency-key", name)
            .send(body)
    }

    /// Sends until it is answered: a server that restarts or is busy is waited for.
    pub(super) fn json<T: serde::de::DeserializeOwned>(
        &self,
        send: impl Fn(&Self) -> Called,
    ) -> anyhow::Result<T> {
        let mut pauses = [1, 2, 5, 10, 20, 30].into_iter();
        loop {
            let (error, wait) = match send(self) {
                Ok(mut answer) => {
                    let status = answer.status().as_u16();
                    let text = answer
                        .body_mut()
                        .with_config()
                        .limit(16 << 20)
                        .read_to_string()
                        .context("the answer cannot be read")?;
                    if status < 300 {
                        return serde_json::from_str(&text)
                            .context("the answer is not what this version knows");
                    }
                    let Ok(problem) = serde_json::from_str::<Problem>(&text) else {
                        bail!("{} answered with status {status}", self.base);
                    };
                    let error = anyhow::anyhow!("{}: {}", problem.code, problem.detail);
                    (error, problem.retry_after_ms)
                }
                Err(error) => {
                    let error =
                        anyhow::Error::new(error).context(format!("{} does not answer", self.base));
                    (error, Some(0))
                }
            };
            let (Some(wait), Some(pause)) = (wait, pauses.next()) else {
                return Err(error);
            };
            std::thread::sleep(
                Duration::from_millis(wait.min(60_000)).max(Duration::from_secs(pause)),
            );
        }
    }
}
