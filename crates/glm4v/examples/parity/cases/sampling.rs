//! Which tokens survive the sampling steps.

use anyhow::{Context, Result};
use glm4v::sample::{Sampler, Sampling};
use serde_json::Value;

use super::fixture::{Checkpoint, Rows, Tensors, count, ids, json_if_there, number, string};
use super::report::{At, Report};

/// `expected/NAME/sampling.json`, over the last logits of the named cases.
pub fn distributions(checkpoint: &Checkpoint, report: &mut Report<'_>) {
    let rows = match json_if_there::<Rows>(&checkpoint.expected.join("sampling.json")) {
        Ok(rows) => rows.unwrap_or_default(),
        Err(error) => {
            return report
                .at(&checkpoint.name, "sampling")
                .failed("sampling.json", &error);
        }
    };
    for row in &rows {
        let case = string(row, "case").unwrap_or("?").to_owned();
        report
            .at(&checkpoint.name, &case)
            .attempt("sampling", |at| distribution(checkpoint, row, &case, at));
    }
}

fn distribution(
    checkpoint: &Checkpoint,
    row: &Value,
    case: &str,
    at: &mut At<'_, '_>,
) -> Result<()> {
    let sampling = Sampling {
        repetition_penalty: number(row, "repetition_penalty")? as f32,
        temperature: number(row, "temperature")? as f32,
        top_k: count(row, "top_k")?,
        top_p: number(row, "top_p")? as f32,
        ..Sampling::default()
    };
    let tensors = Tensors::read(&checkpoint.expected.join(case).with_extension("safetensors"))?;
    let logits = tensors.f32("logits_last8")?;
    let vocabulary = logits
        .shape
        .last()
        .copied()
        .context("the logits have no shape")?;
    let last = logits
        .values
        .rchunks_exact(vocabulary)
        .next()
        .context("there are no logits")?;
    let prompt: Vec<u32> = tensors
        .i64("input_ids")?
        .values
        .into_iter()
        .map(u32::try_from)
        .collect::<Result<_, _>>()?;

    let check = format!(
        "sampling r{} t{} k{} p{}",
        sampling.repetition_penalty, sampling.temperature, sampling.top_k, sampling.top_p
    );
    let mut sampler = Sampler::new(sampling)?;
    sampler.see(&prompt);
    let found = sampler.distribution(last, None)?;
    at.same(
        &format!("{check}, kept"),
        &found.iter().map(|x| x.id).collect(),
        &ids(row, "kept_ids")?,
    );
    let expected: Vec<f32> = serde_json::from_value(
        row.get("kept_probabilities")
            .context("no probabilities")?
            .clone(),
    )?;
    let found: Vec<f32> = found.iter().map(|x| x.probability).collect();
    at.close(&check, &found, &expected, 1e-3);
    Ok(())
}
