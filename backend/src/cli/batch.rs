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
use url::Url;

use super::remote::Remote;
use super::{say, summarize};

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

/// The server's batches.
struct Server {
    remote: Remote,
}

impl Server {
    fn new(args: &BatchArgs) -> anyhow::Result<Self> {
        let remote = Remote::new(&args.server, &args.key)?;
        Ok(Self { remote })
    }

    fn create(&self, body: &str) -> anyhow::Result<Batch> {
        self.remote.json(|remote| remote.post("/v1/batches", body))
    }

    fn show(&self, id: &str) -> anyhow::Result<Batch> {
        self.remote
            .json(|remote| remote.get(&format!("/v1/batches/{id}")))
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
            .remote
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
