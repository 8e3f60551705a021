//! Writes a prediction for each article of a corpus: `predict CORPUS.jsonl PREDICTIONS.jsonl [--features FEATURES.jsonl]`.
//!
//! One corpus line: `{"id", "lang", "title", "body_markdown", "images": [{"file"}]}`; one prediction line: `{"id", "title",
//! "description", "keywords", "slug", "alt_texts", "cpu_ms"}`. With `--features` it also writes everything that could have
//! been chosen, with its features, for `examples/fit_weights.py`.

use cpu_time::ThreadTime;
use extractive::{Article, ContentFormat, Guidance, ImageContext, Limits, summarize, training};
use serde_json::{Map, Value, json};
use std::error::Error;
use std::io::{BufRead, BufReader, BufWriter, Write};

/// How often each article is summarised; the least time counts.
const RUNS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [corpus, predictions, rest @ ..] = arguments.as_slice() else {
        return Err(
            "use: predict CORPUS.jsonl PREDICTIONS.jsonl [--features FEATURES.jsonl]".into(),
        );
    };
    let mut output = BufWriter::new(std::fs::File::create(predictions)?);
    let mut features = match rest {
        [_, path, ..] => Some(BufWriter::new(std::fs::File::create(path)?)),
        _ => None,
    };
    for line in BufReader::new(std::fs::File::open(corpus)?).lines() {
        let row: Value = serde_json::from_str(&line?)?;
        writeln!(output, "{}", predict(&row))?;
        if let Some(features) = &mut features {
            writeln!(features, "{}", explain(&row))?;
        }
    }
    Ok(())
}

fn text<'a>(row: &'a Value, name: &str) -> &'a str {
    row.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn article(row: &Value) -> Article<'_> {
    Article {
        title: Some(text(row, "title")),
        content: text(row, "body_markdown"),
        format: ContentFormat::Markdown,
        language: None,
    }
}

fn images(row: &Value) -> Vec<ImageContext<'_>> {
    let files = row
        .get("images")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .map(|image| text(image, "file"));
    files
        .map(|file| ImageContext {
            id: file,
            filename: Some(file),
            src: Some(file),
            ..ImageContext::default()
        })
        .collect()
}

fn predict(row: &Value) -> Value {
    let (article, images) = (article(row), images(row));
    let (summary, cpu_ms) =
        timed(|| summarize(&article, &images, &Limits::default(), &Guidance::default()));
    let alt_texts: Map<String, Value> = summary
        .alt_texts
        .into_iter()
        .map(|alt| (alt.id, alt.text.into()))
        .collect();
    json!({
        "id": row.get("id"), "title": summary.title, "description": summary.meta_description, "keywords": summary.keywords,
        "slug": summary.slug, "alt_texts": alt_texts, "cpu_ms": cpu_ms, "summary": summary.summary,
        "language": summary.language,
    })
}

/// What the work gives, and the least of its CPU times in milliseconds: other programs can only lengthen a run, by the
/// caches that they share.
fn timed<T>(work: impl Fn() -> T) -> (T, f64) {
    let run = || {
        let start = ThreadTime::now();
        let result = work();
        (result, start.elapsed().as_secs_f64() * 1_000.0)
    };
    let (result, first) = run();
    let least = (1..RUNS).map(|_| run().1).fold(first, f64::min);
    (result, least)
}

fn explain(row: &Value) -> Value {
    let article = article(row);
    let plain = |choices: Vec<training::Choice>| -> Vec<Value> {
        choices
            .into_iter()
            .map(|choice| json!({ "text": choice.text, "features": choice.features }))
            .collect()
    };
    let alt_texts: Map<String, Value> = images(row)
        .iter()
        .map(|image| {
            (
                image.id.to_owned(),
                plain(training::alt_texts(&article, image)).into(),
            )
        })
        .collect();
    json!({
        "id": row.get("id"), "names": training::feature_names(), "descriptions": plain(training::descriptions(&article)),
        "keywords": plain(training::keywords(&article, 150)), "alt_texts": alt_texts,
    })
}
