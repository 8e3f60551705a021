//! `smart-summary batch`: files to a server's `POST /v1/batches`, and the results when it is done.
//!
//! The same files sent again meet the same batch (`Idempotency-Key` is made of them): a command that was interrupted goes
//! on where it was.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use api::{
    Batch, BatchItem, BatchRequest, BatchResult, BatchStatus, EnginePreference, Problem,
    SummaryRequest,
};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{WrongUse, say, summarize};

/// Which files, and whose server.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  SMART_SUMMARY_KEY=ss_live_… smart-summary batch posts/*.md --server https://summary.example > results.jsonl"
)]
pub(super) struct BatchArgs {
    /// Markdown (.md), HTML (.html) or plain text; the name is the item's id
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The server's address
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    server: Url,
    /// An API key with the scope `batches:write`
    #[arg(
        long,
        value_name = "KEY",
        env = "SMART_SUMMARY_KEY",
        hide_env_values = true
    )]
    key: String,
    /// Write the results here instead of to standard output
    #[arg(long, value_name = "RESULTS.jsonl")]
    output: Option<PathBuf>,
    /// auto, extractive, glm4v or upstream
    #[arg(long, value_name = "ENGINE", default_value = "auto", value_parser = summarize::parse_engine)]
    engine: EnginePreference,
    /// Seconds between two looks
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
}

/// Sends the files, waits, and writes a line of JSON per file. Exit code 1 when any of them has no summary.
pub(super) fn run(args: &BatchArgs) -> anyhow::Result<ExitCode> {
    let body = serde_json::to_string(&request(args)?)?;
    let server = Server::new(args)?;
    let batch = server.create(&body)?;
    say(&format!("{} items in {}", batch.items.total, batch.id));
    let batch = server.wait(batch, Duration::from_secs(args.every))?;
    let failed = server.results(&batch.id, args.output.as_ref())?;
    if batch.status == BatchStatus::Cancelled {
        bail!("{} was cancelled", batch.id);
    }
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!(
        "{failed} of {} files have no summary; their lines say why",
        batch.items.total
    ));
    Ok(ExitCode::FAILURE)
}

fn request(args: &BatchArgs) -> anyhow::Result<BatchRequest> {
    let mut items = Vec::with_capacity(args.files.len());
    for file in &args.files {
        items.push(BatchItem {
            id: file.display().to_string(),
            request: SummaryRequest {
                article: Some(summarize::article(file)?),
                engine: args.engine,
                ..SummaryRequest::default()
            },
        });
    }
    Ok(BatchRequest {
        items,
        webhook: None,
    })
}

/// The other end.
struct Server<'a> {
    agent: ureq::Agent,
    base: String,
    key: &'a str,
}

impl<'a> Server<'a> {
    fn new(args: &'a BatchArgs) -> anyhow::Result<Self> {
        let local = match args.server.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(name)) => name == "localhost",
            None => false,
        };
        if args.server.scheme() != "https" && !local {
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
            base: args.server.as_str().trim_end_matches('/').to_owned(),
            key: &args.key,
        })
    }

    fn create(&self, body: &str) -> anyhow::Result<Batch> {
        let digest = Sha256::digest(body.as_bytes());
        let name: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let request = || {
            self.agent
                .post(format!("{}/v1/batches", self.base))
                .header("authorization", format!("Bearer {}", self.key))
                .header("content-type", "application/json")
                .header("idempotency-key", &name)
                .send(body)
        };
        self.json(request)
    }

    fn show(&self, id: &str) -> anyhow::Result<Batch> {
        self.json(|| self.get(&format!("/v1/batches/{id}")))
    }

    fn get(&self, path: &str) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        self.agent
            .get(format!("{}{path}", self.base))
            .header("authorization", format!("Bearer {}", self.key))
            .call()
    }

    /// Sends until it is answered: a server that restarts or is busy is waited for.
    fn json<T: serde::de::DeserializeOwned>(
        &self,
        send: impl Fn() -> Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<T> {
        let mut pauses = [1, 2, 5, 10, 20, 30].into_iter();
        loop {
            let (error, wait) = match send() {
                Ok(mut answer) => {
                    let status = answer.status().as_u16();
                    let text = answer
                        .body_mut()
                        .with_config()
                        .limit(16 << 20)
                        .read_to_string()
                        .context("the answer cannot be read")?;
                    if status < 300 {
                        return serde_json::from_str(&text).context("the answer is not a batch");
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

    fn wait(&self, mut batch: Batch, every: Duration) -> anyhow::Result<Batch> {
        let bar = ProgressBar::with_draw_target(
            Some(batch.items.total.into()),
            ProgressDrawTarget::stderr(),
        );
        if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} done, {eta} left") {
            bar.set_style(style);
        }
        while batch.status == BatchStatus::Running {
            bar.set_position((batch.items.completed + batch.items.failed).into());
            std::thread::sleep(every);
            batch = self.show(&batch.id)?;
        }
        bar.finish_and_clear();
        Ok(batch)
    }

    /// Writes the results and counts those without a summary.
    fn results(&self, id: &str, output: Option<&PathBuf>) -> anyhow::Result<u32> {
        let mut answer = self
            .get(&format!("/v1/batches/{id}/results"))
            .context("the results cannot be had; run the same command again")?;
        if answer.status().as_u16() != 200 {
            let text = answer.body_mut().read_to_string().unwrap_or_default();
            let problem: Problem = serde_json::from_str(&text).context("no results")?;
            bail!("{}: {}", problem.code, problem.detail);
        }
        let mut out: Box<dyn std::io::Write> = match output {
            Some(file) => Box::new(std::io::BufWriter::new(
                std::fs::File::create(file)
                    .with_context(|| format!("cannot write {}", file.display()))?,
            )),
            None => Box::new(std::io::stdout().lock()),
        };
        let mut failed = 0;
        for line in BufReader::new(answer.body_mut().as_reader()).lines() {
            let line = line.context("the results end too early; run the same command again")?;
            let result: BatchResult =
                serde_json::from_str(&line).context("a line of the results is damaged")?;
            failed += u32::from(result.summary.is_none());
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        Ok(failed)
    }
}
