//! `smart-summary evaluate`: a corpus in, predictions out, to be scored by the corpus' own script.
//!
//! A line of the corpus has `id`, `title`, `body_markdown` and `images` with `file`; the pictures lie beside it under
//! `images/<file>` or `images/<id>/<file>`. Descriptions and alt texts of the corpus are never read.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use api::{Article, ContentFormat, Field, ImageRef, SummaryRequest};
use bytes::Bytes;
use clap::Args;
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::local::Local;
use super::say;
use crate::config::{Config, Flags};

/// Which corpus, and where the predictions go.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  smart-summary evaluate --input corpus/dev.jsonl.gz --output predictions.jsonl --limit 50"
)]
pub(super) struct EvaluateArgs {
    /// One JSON object a line; may be gzipped
    #[arg(long, value_name = "CORPUS.jsonl[.gz]")]
    input: PathBuf,
    /// One prediction a line
    #[arg(long, value_name = "PREDICTIONS.jsonl")]
    output: PathBuf,
    /// Stop after so many articles
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// The engine that writes: extractive, glm4v or upstream
    #[arg(long, value_name = "ENGINE")]
    engine: Option<String>,
    #[command(flatten)]
    model: super::ModelArgs,
}

impl EvaluateArgs {
    /// Lays the flags over the configuration.
    pub(super) fn add_to(&self, flags: &mut Flags) {
        flags.set("engine.default", "--engine", self.engine.as_ref());
        self.model.add_to(flags);
    }
}

#[derive(Debug, Deserialize)]
struct Item {
    id: String,
    #[serde(default)]
    title: String,
    body_markdown: String,
    #[serde(default)]
    images: Vec<Picture>,
}

#[derive(Debug, Deserialize)]
struct Picture {
    file: String,
}

#[derive(Debug, Serialize)]
struct Prediction {
    id: String,
    title: String,
    description: String,
    keywords: Vec<String>,
    slug: String,
    alt_texts: BTreeMap<String, String>,
    latency_ms: f64,
}

pub(super) fn run(args: &EvaluateArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let local = Local::start(config)?;
    let items = read(&args.input, args.limit.unwrap_or(usize::MAX))?;
    let folder = args.input.parent().unwrap_or(Path::new(".")).join("images");
    let output = File::create(&args.output)
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    let mut output = BufWriter::new(output);
    let progress = progress(items.len());
    let mut latencies = Vec::with_capacity(items.len());
    for item in items {
        let prediction = predict(&local, item, &folder)?;
        latencies.push(prediction.latency_ms);
        serde_json::to_writer(&mut output, &prediction)?;
        output.write_all(b"\n")?;
        progress.inc(1);
    }
    output.flush()?;
    progress.finish_and_clear();
    latencies.sort_by(f64::total_cmp);
    let at = |share: usize| {
        latencies
            .get(latencies.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    say(&format!(
        "{} articles, latency median {:.1} ms, 95th percentile {:.1} ms",
        latencies.len(),
        at(50),
        at(95)
    ));
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path, limit: usize) -> anyhow::Result<Vec<Item>> {
    let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut reader = BufReader::new(opened);
    let gzipped = reader.fill_buf()?.starts_with(&[0x1F, 0x8B]);
    let plain: Box<dyn Read> = if gzipped {
        Box::new(MultiGzDecoder::new(reader))
    } else {
        Box::new(reader)
    };
    let lines = BufReader::new(plain).lines().enumerate().take(limit);
    let items = lines.map(|(index, line)| {
        let item = serde_json::from_str(&line?);
        item.with_context(|| format!("{}, line {}", file.display(), index + 1))
    });
    items.collect()
}

fn predict(local: &Local, item: Item, folder: &Path) -> anyhow::Result<Prediction> {
    let mut images = Vec::new();
    let mut pictures = Vec::new();
    let mut files = Vec::new();
    for picture in item.images {
        let path = folder.join(&picture.file);
        match std::fs::read(&path)
            .or_else(|_| std::fs::read(folder.join(&item.id).join(&picture.file)))
        {
            Ok(bytes) => {
                let filename = Path::new(&picture.file)
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned());
                images.push(ImageRef {
                    id: format!("p{}", images.len()),
                    filename,
                    ..ImageRef::default()
                });
                pictures.push(Bytes::from(bytes));
                files.push(picture.file);
            }
            Err(error) => say(&format!("{}: {error}; left out", path.display())),
        }
    }
    let article = Article {
        title: Some(item.title).filter(|title| !title.is_empty()),
        content: item.body_markdown,
        format: ContentFormat::Markdown,
        ..Article::default()
    };
    let fields = [
        Field::Title,
        Field::MetaDescription,
        Field::Keywords,
        Field::Slug,
        Field::AltTexts,
    ];
    let request = SummaryRequest {
        article: Some(article),
        images,
        fields: Some(fields.to_vec()),
        ..SummaryRequest::default()
    };
    let began = Instant::now();
    let summary = local
        .summarize(&request, &pictures)
        .with_context(|| item.id.clone())?;
    let latency_ms = (began.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
    let alt_texts = files
        .into_iter()
        .zip(summary.alt_texts.into_iter().flatten().map(|alt| alt.text))
        .collect();
    Ok(Prediction {
        id: item.id,
        title: summary.title.unwrap_or_default(),
        description: summary.meta_description.unwrap_or_default(),
        keywords: summary.keywords.unwrap_or_default(),
        slug: summary.slug.unwrap_or_default(),
        alt_texts,
        latency_ms,
    })
}

/// A bar on a terminal, nothing elsewhere and nothing for a count of 0.
pub(super) fn progress(count: usize) -> ProgressBar {
    if count == 0 {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(count as u64), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} articles, {eta} left") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
