//! The vision tower and the decoder: every value of every case, alone, in batches, with adapters, in bfloat16.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use candle_core::{DType, Device, Tensor};
use glm4v::processor::{Pixels, Processor, Rgb};
use glm4v::{Adapter, ImageEmbeds, Input, LoadOptions, Model, Row, Work};
use serde_json::Value;

use super::fixture::{Checkpoint, Rows, Tensors, ids, json_if_there, string};
use super::processor::rgb;
use super::report::{At, Report};

const EMBEDS: f64 = 1e-4;
const HIDDEN: f64 = 1e-3;
const LOGITS: f64 = 2e-3;
/// From the picture's file, resized by us: one level here and there.
const LOGITS_OWN_RESIZE: f64 = 0.6;

/// A checkpoint that is loaded, with its pictures as the reference resized them.
struct Bench<'a> {
    checkpoint: &'a Checkpoint,
    model: Model,
    processor: Processor,
    cases: Rows,
    grids: HashMap<String, Pixels>,
}

/// What a batch gave for each of its rows.
struct Answers {
    tokens: Vec<Vec<u32>>,
    /// The logits that the first token was chosen from.
    first: Vec<Vec<f32>>,
}

/// All checks that need weights, on `device`.
pub fn values(checkpoint: &Checkpoint, device: &Device, report: &mut Report<'_>) {
    let bench = match Bench::load(checkpoint, &options(device, DType::F32)) {
        Ok(bench) => bench,
        Err(error) => return report.at(&checkpoint.name, "model").failed("load", &error),
    };
    for case in &bench.cases {
        let name = string(case, "id").unwrap_or("?");
        let mut at = report.at(&checkpoint.name, name);
        at.attempt("values", |at| bench.case(case, name, at));
        at.attempt("own resize", |at| bench.own_resize(case, name, at));
    }
    let mut at = report.at(&checkpoint.name, "one ragged batch");
    at.attempt("all cases", |at| bench.all_at_once(at));
    let mut at = report.at(&checkpoint.name, "batch");
    at.attempt("padded batch", |at| bench.batch(at));
    let mut at = report.at(&checkpoint.name, "stop");
    at.attempt("stop", |at| bench.stop(at));
    bench.adapters(report);
    bfloat16(checkpoint, device, report, "bfloat16", Model::load);
    if device.is_cpu() {
        general(checkpoint, report);
        let how = "bfloat16, as on a GPU";
        bfloat16(checkpoint, device, report, how, Model::load_general);
    }
}

fn options(device: &Device, dtype: DType) -> LoadOptions {
    LoadOptions {
        device: device.clone(),
        dtype: Some(dtype),
        ..LoadOptions::default()
    }
}

/// The code that a GPU runs, in float32: every case alone, and all in one ragged batch.
fn general(checkpoint: &Checkpoint, report: &mut Report<'_>) {
    let options = options(&Device::Cpu, DType::F32);
    let mut at = report.at(&checkpoint.name, "as on a GPU");
    at.attempt("values", |at| {
        let bench = Bench::load_by(Model::load_general, checkpoint, &options)?;
        for case in &bench.cases {
            let name = string(case, "id")?;
            let tensors = checkpoint.tensors(name)?;
            let input = bench.input(case, name, None)?;
            let logits = values_of(&bench.model.inspect(&input, None, &mut |_, _| {})?.logits)?;
            let expected = tensors.f32("logits_last8")?.values;
            let found = last(&logits, expected.len());
            at.close(&format!("{name}, logits"), found, &expected, LOGITS);
        }
        bench.all_at_once(at)
    });
}

/// How a checkpoint becomes a model.
type Load = fn(&Path, &LoadOptions) -> glm4v::Result<Model>;

/// The cases that transformers computed in bfloat16, in bfloat16.
fn bfloat16(
    checkpoint: &Checkpoint,
    device: &Device,
    report: &mut Report<'_>,
    how: &str,
    load: Load,
) {
    let options = options(device, DType::BF16);
    let mut bench = None;
    let cases = json_if_there::<Rows>(&checkpoint.expected.join("cases.json"));
    for case in cases.ok().flatten().unwrap_or_default() {
        let name = string(&case, "id").unwrap_or("?");
        let mut at = report.at(&checkpoint.name, name);
        at.attempt(how, |at| {
            let tensors = checkpoint.tensors(name)?;
            if !tensors.has("logits_last8_bfloat16_run") {
                return Ok(());
            }
            if bench.is_none() {
                bench = Some(Bench::load_by(load, checkpoint, &options)?);
            }
            let bench = bench.as_ref().context("not loaded")?;
            let exact = tensors.f32("logits_last8")?.values;
            let theirs = tensors.f32("logits_last8_bfloat16_run")?.values;
            let theirs = last(&theirs, exact.len());
            let input = bench.input(&case, name, None)?;
            let ours = bench.model.inspect(&input, None, &mut |_, _| {})?.logits;
            let ours = values_of(&ours)?;
            let ours = last(&ours, exact.len());
            let allowed = 2.0 * worst(theirs, &exact);
            let check = format!("logits in {how}, error");
            at.within(&check, worst(ours, &exact), allowed);
            Ok(())
        });
    }
}

impl Checkpoint {
    fn tensors(&self, name: &str) -> Result<Tensors> {
        Tensors::read(&self.expected.join(name).with_extension("safetensors"))
    }
}

impl<'a> Bench<'a> {
    fn load(checkpoint: &'a Checkpoint, options: &LoadOptions) -> Result<Self> {
        Self::load_by(Model::load, checkpoint, options)
    }

    fn load_by(load: Load, checkpoint: &'a Checkpoint, options: &LoadOptions) -> Result<Self> {
        let model = load(&checkpoint.dir, options)?;
        let processor = Processor::from_dir(&checkpoint.dir)?;
        let path = checkpoint.expected.join("cases.json");
        let cases = json_if_there::<Rows>(&path)?;
        let cases = cases.with_context(|| format!("{} is missing", path.display()))?;
        ensure!(!cases.is_empty(), "{} has no case", path.display());
        let mut grids = HashMap::new();
        for name in cases.iter().flat_map(images) {
            if !grids.contains_key(name) {
                let pixels = processor.process(&rgb(&image(checkpoint, name)?, "resized_rgb")?)?;
                grids.insert(name.to_owned(), pixels);
            }
        }
        Ok(Self {
            checkpoint,
            model,
            processor,
            cases,
            grids,
        })
    }

    fn see(&self, case: &Value, adapter: Option<&Adapter>) -> Result<Vec<Arc<ImageEmbeds>>> {
        let pixels = images(case)
            .map(|name| self.grids.get(name).cloned().context("no such image"))
            .collect::<Result<Vec<_>>>()?;
        let seen = self.model.see(&pixels, adapter)?;
        Ok(seen.into_iter().map(Arc::new).collect())
    }

    fn input(&self, case: &Value, name: &str, adapter: Option<&Adapter>) -> Result<Input> {
        let input_ids = self.checkpoint.tensors(name)?.i64("input_ids")?.values;
        let input_ids = input_ids.iter().map(|id| Ok(u32::try_from(*id)?));
        let seen = self.see(case, adapter)?;
        Ok(self.model.input(input_ids.collect::<Result<_>>()?, seen)?)
    }

    fn named(&self, name: &str) -> Result<&Value> {
        let found = self
            .cases
            .iter()
            .find(|case| string(case, "id").ok() == Some(name));
        found.with_context(|| format!("there is no case `{name}`"))
    }

    fn case(&self, case: &Value, name: &str, at: &mut At<'_, '_>) -> Result<()> {
        let tensors = self.checkpoint.tensors(name)?;
        let input = self.input(case, name, None)?;
        let axes = input.positions().axes.iter().flatten();
        let axes: Vec<i64> = axes.map(|position| i64::from(*position)).collect();
        at.same("position_ids", &axes, &tensors.i64("position_ids")?.values);
        let delta = vec![input.positions().delta];
        at.same("rope_deltas", &delta, &tensors.i64("rope_deltas")?.values);

        self.vision(case, &tensors, at)?;

        let mut layers = Vec::new();
        let inspection = self.model.inspect(&input, None, &mut |step, x| {
            layers.push((format!("text.{step}"), values_of(x)));
        })?;
        for (step, found) in layers {
            if tensors.has(&step) {
                at.close(&step, &found?, &tensors.f32(&step)?.values, HIDDEN);
            }
        }
        let hidden = values_of(&inspection.last_hidden_state)?;
        let width = inspection.last_hidden_state.dim(1)?;
        let mut found = Vec::new();
        for index in tensors.i64("hidden_index")?.values {
            let start = usize::try_from(index)? * width;
            let row = hidden.get(start..start + width);
            found.extend_from_slice(row.context("hidden_index is beyond the prompt")?);
        }
        let expected = tensors.f32("last_hidden_state")?.values;
        at.close("last_hidden_state", &found, &expected, HIDDEN);
        let expected = tensors.f32("logits_last8")?.values;
        let logits = values_of(&inspection.logits)?;
        at.close("logits", last(&logits, expected.len()), &expected, LOGITS);

        // By the ordinary way: chunks into a cache, then steps.
        let wanted = expected_tokens(case)?;
        let mut steps = Vec::new();
        let found = self.greedy(&input, None, wanted.len(), 13, &mut |logits| {
            steps.push(values_of(logits));
        })?;
        at.same("greedy tokens", &found, &wanted);
        let expected = tensors.f32("greedy_step_logits_first4")?;
        let count = expected.shape.first().copied().unwrap_or(0);
        let mut first = Vec::new();
        for logits in steps.into_iter().take(count) {
            first.extend(logits?);
        }
        at.close("logits of decoding steps", &first, &expected.values, LOGITS);
        Ok(())
    }

    fn vision(&self, case: &Value, tensors: &Tensors, at: &mut At<'_, '_>) -> Result<()> {
        let pixels: Vec<Pixels> = images(case)
            .filter_map(|name| self.grids.get(name).cloned())
            .collect();
        if pixels.is_empty() {
            return Ok(());
        }
        let grids: Vec<i64> = pixels
            .iter()
            .flat_map(|p| p.grid_thw)
            .map(|side| side as i64)
            .collect();
        at.same(
            "image_grid_thw",
            &grids,
            &tensors.i64("image_grid_thw")?.values,
        );
        if tensors.has("pixel_values") {
            let found: Vec<f32> = pixels
                .iter()
                .flat_map(|p| p.patches.iter().copied())
                .collect();
            at.close(
                "pixel_values",
                &found,
                &tensors.f32("pixel_values")?.values,
                1e-5,
            );
        }
        let mut steps = Vec::new();
        let seen = self.model.see_watched(&pixels, None, &mut |step, x| {
            steps.push((format!("vision.{step}"), values_of(x)));
        })?;
        for (step, found) in steps {
            if tensors.has(&step) {
                at.close(&step, &found?, &tensors.f32(&step)?.values, HIDDEN);
            }
        }
        let mut found = Vec::new();
        for image in &seen {
            found.extend(values_of(image.embeds())?);
        }
        let expected = tensors.f32("image_embeds")?.values;
        at.close("image_embeds", &found, &expected, EMBEDS);
        if pixels.len() > 1 {
            let mut alone = Vec::new();
            for picture in &pixels {
                for image in self.model.see(std::slice::from_ref(picture), None)? {
                    alone.extend(values_of(image.embeds())?);
                }
            }
            at.close("image_embeds, seen one by one", &alone, &expected, EMBEDS);
        }
        Ok(())
    }

    /// From the files of the pictures, by our own resizing.
    fn own_resize(&self, case: &Value, name: &str, at: &mut At<'_, '_>) -> Result<()> {
        if images(case).next().is_none() {
            return Ok(());
        }
        let mut pixels = Vec::new();
        for name in images(case) {
            let tensors = image(self.checkpoint, name)?;
            let source = if tensors.has("decoded_rgb") {
                rgb(&tensors, "decoded_rgb")?
            } else {
                let file = image::open(self.checkpoint.images.join(name))?.into_rgb8();
                Rgb::new(
                    file.width() as usize,
                    file.height() as usize,
                    file.into_raw(),
                )?
            };
            pixels.push(self.processor.process(&source)?);
        }
        let tensors = self.checkpoint.tensors(name)?;
        let input_ids = tensors.i64("input_ids")?.values;
        let input_ids = input_ids.iter().map(|id| Ok(u32::try_from(*id)?));
        let seen = self
            .model
            .see(&pixels, None)?
            .into_iter()
            .map(Arc::new)
            .collect();
        let input = self.model.input(input_ids.collect::<Result<_>>()?, seen)?;
        let logits = values_of(&self.model.inspect(&input, None, &mut |_, _| {})?.logits)?;
        let expected = tensors.f32("logits_last8")?.values;
        at.close(
            "logits, own resize",
            last(&logits, expected.len()),
            &expected,
            LOGITS_OWN_RESIZE,
        );
        Ok(())
    }

    /// Greedy tokens; `see` is shown the logits that each was chosen from.
    fn greedy(
        &self,
        input: &Input,
        adapter: Option<&Arc<Adapter>>,
        count: usize,
        chunk: usize,
        see: &mut dyn FnMut(&Tensor),
    ) -> Result<Vec<u32>> {
        let mut row = self.model.row(adapter.cloned())?;
        let logits = self.model.prefill(&mut row, input, chunk)?.unsqueeze(0)?;
        see(&logits);
        let mut tokens = glm4v::batch::greedy(&logits)?;
        while tokens.len() < count {
            let token = *tokens.last().context("no token")?;
            let logits = self.model.decode(&mut [&mut row], &[token])?;
            see(&logits);
            tokens.extend(glm4v::batch::greedy(&logits)?);
        }
        Ok(tokens)
    }

    /// Rows together in every step, prompts in chunks beside rows that decode already.
    fn together(
        &self,
        inputs: &[Input],
        adapters: &[Option<Arc<Adapter>>],
        count: usize,
        chunk: usize,
    ) -> Result<Answers> {
        let mut rows = adapters
            .iter()
            .map(|adapter| self.model.row(adapter.clone()))
            .collect::<Result<Vec<Row>, _>>()?;
        let mut tokens = vec![Vec::new(); inputs.len()];
        let mut first = vec![Vec::new(); inputs.len()];
        loop {
            let mut who = Vec::new();
            let mut work = Vec::new();
            for (index, ((row, input), tokens)) in
                rows.iter_mut().zip(inputs).zip(&tokens).enumerate()
            {
                let tokens: &Vec<u32> = tokens;
                match tokens.last() {
                    _ if tokens.len() == count => continue,
                    None => work.push(Work::Prefill {
                        row,
                        input,
                        most: chunk,
                    }),
                    Some(token) => work.push(Work::Decode { row, token: *token }),
                }
                who.push(index);
            }
            if work.is_empty() {
                return Ok(Answers { tokens, first });
            }
            let step = self.model.step(&mut work)?;
            for ((place, token), of) in step.greedy()?.into_iter().enumerate().zip(&step.finished) {
                let index = *who
                    .get(*of)
                    .context("a step finished what it was not given")?;
                let (Some(tokens), Some(first)) = (tokens.get_mut(index), first.get_mut(index))
                else {
                    continue;
                };
                if tokens.is_empty() {
                    *first = values_of(&step.logits.get(place)?)?;
                }
                tokens.push(token);
            }
        }
    }

    fn all_at_once(&self, at: &mut At<'_, '_>) -> Result<()> {
        let mut inputs = Vec::new();
        let mut wanted = Vec::new();
        for case in &self.cases {
            inputs.push(self.input(case, string(case, "id")?, None)?);
            wanted.push(expected_tokens(case)?);
        }
        let count = wanted.iter().map(Vec::len).min().unwrap_or(0);
        let none = vec![None; inputs.len()];
        let found = self.together(&inputs, &none, count, 16)?.tokens;
        for (wanted, (found, case)) in wanted.iter().zip(found.iter().zip(&self.cases)) {
            let name = string(case, "id")?;
            at.same(
                &format!("{name}, greedy tokens"),
                &found[..],
                wanted.get(..count).unwrap_or(wanted),
            );
        }
        Ok(())
    }

    /// `batch.json`: the reference padded these rows on the left; here they are ragged.
    fn batch(&self, at: &mut At<'_, '_>) -> Result<()> {
        let Some(batch) = json_if_there::<Value>(&self.checkpoint.expected.join("batch.json"))?
        else {
            return Ok(());
        };
        let names = batch
            .get("rows")
            .and_then(Value::as_array)
            .context("no rows")?;
        let tensors = self.checkpoint.tensors("batch_left_padded")?;
        let mask = tensors.i64("attention_mask")?;
        let positions = tensors.i64("position_ids")?.values;
        let deltas = tensors.i64("rope_deltas")?.values;
        let width = mask.shape.last().copied().context("no mask")?;
        let mut inputs = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let name = name.as_str().context("a row has no name")?;
            let input = self.input(self.named(name)?, name, None)?;
            let of = |axis: usize| {
                let start = (axis * names.len() + index) * width;
                let row = positions.get(start..start + width).unwrap_or_default();
                let real = mask.values.get(index * width..).unwrap_or_default();
                row.iter()
                    .zip(real)
                    .filter(|(_, real)| **real == 1)
                    .map(|(p, _)| *p)
            };
            let expected: Vec<i64> = (0..3).flat_map(of).collect();
            let found = input.positions().axes.iter().flatten();
            let found: Vec<i64> = found.map(|position| i64::from(*position)).collect();
            at.same(&format!("{name}, position_ids"), &found, &expected);
            at.same(
                &format!("{name}, rope_deltas"),
                &Some(&input.positions().delta),
                &deltas.get(index),
            );
            inputs.push(input);
        }
        let expected = tensors.i64("greedy_tokens")?;
        let count = expected.shape.last().copied().unwrap_or(0);
        let none = vec![None; inputs.len()];
        let answers = self.together(&inputs, &none, count, usize::MAX)?;
        let logits: Vec<f32> = answers.first.into_iter().flatten().collect();
        at.close(
            "logits of the batch",
            &logits,
            &tensors.f32("logits_last")?.values,
            LOGITS,
        );
        let tokens: Vec<i64> = answers
            .tokens
            .iter()
            .flatten()
            .map(|token| i64::from(*token))
            .collect();
        at.same("greedy tokens of the batch", &tokens, &expected.values);
        Ok(())
    }

    /// `stop.json`: the end token is the last one returned.
    fn stop(&self, at: &mut At<'_, '_>) -> Result<()> {
        let Some(stop) = json_if_there::<Value>(&self.checkpoint.expected.join("stop.json"))?
        else {
            return Ok(());
        };
        let name = string(&stop, "case")?;
        let input = self.input(self.named(name)?, name, None)?;
        let ends = ids(&stop, "eos_token_id")?;
        let mut row = self.model.row(None)?;
        let mut logits = self
            .model
            .prefill(&mut row, &input, usize::MAX)?
            .unsqueeze(0)?;
        let mut tokens = Vec::new();
        let wanted = ids(&stop, "tokens")?;
        loop {
            let token = glm4v::batch::greedy(&logits)?;
            tokens.extend_from_slice(&token);
            // One more than expected tells a stop that was missed.
            if token.iter().any(|token| ends.contains(token)) || tokens.len() > wanted.len() {
                break;
            }
            logits = self.model.decode(&mut [&mut row], &token)?;
        }
        at.same("stops at the end token", &tokens, &wanted);
        Ok(())
    }

    /// `lora.json`: chosen by a row, beside rows with another or none, and merged into the weights.
    fn adapters(&self, report: &mut Report<'_>) {
        let rows = json_if_there::<Rows>(&self.checkpoint.expected.join("lora.json"));
        let rows = match rows {
            Ok(rows) => rows.unwrap_or_default(),
            Err(error) => {
                return report
                    .at(&self.checkpoint.name, "lora")
                    .failed("lora.json", &error);
            }
        };
        for row in &rows {
            let adapter = string(row, "adapter").unwrap_or("?");
            let case = string(row, "case").unwrap_or("?");
            let mut at = report.at(&self.checkpoint.name, &format!("{adapter}, {case}"));
            at.attempt("adapter", |at| self.adapter(row, adapter, case, at));
        }
        if !rows.is_empty() {
            let mut at = report.at(&self.checkpoint.name, "adapters in one batch");
            at.attempt("mixed batch", |at| self.mixed(&rows, at));
        }
    }

    fn adapter(&self, row: &Value, adapter: &str, name: &str, at: &mut At<'_, '_>) -> Result<()> {
        let dir = self.checkpoint.root.join(adapter);
        let tensors = self.checkpoint.tensors(&format!("{adapter}_{name}"))?;
        let expected = tensors.f32("logits_last8")?.values;
        let wanted = ids(row, "greedy_tokens")?;
        let case = self.named(name)?;

        let lora = self.model.adapter(&dir)?;
        let input = self.input(case, name, Some(&lora))?;
        let logits = self
            .model
            .inspect(&input, Some(&lora), &mut |_, _| {})?
            .logits;
        let logits = values_of(&logits)?;
        at.close(
            "logits, by row",
            last(&logits, expected.len()),
            &expected,
            LOGITS,
        );
        let found = self.greedy(&input, Some(&lora), wanted.len(), 13, &mut |_| {})?;
        at.same("greedy tokens, by row", &found, &wanted);

        let merged = Bench::load(
            self.checkpoint,
            &LoadOptions {
                merge: vec![dir],
                ..options(self.model.device(), DType::F32)
            },
        )?;
        let input = merged.input(case, name, None)?;
        let logits = merged.model.inspect(&input, None, &mut |_, _| {})?.logits;
        let logits = values_of(&logits)?;
        at.close(
            "logits, merged",
            last(&logits, expected.len()),
            &expected,
            LOGITS,
        );
        let found = merged.greedy(&input, None, wanted.len(), 13, &mut |_| {})?;
        at.same("greedy tokens, merged", &found, &wanted);
        Ok(())
    }

    /// Every case of every adapter, and the same cases without one, in one batch.
    fn mixed(&self, rows: &Rows, at: &mut At<'_, '_>) -> Result<()> {
        let mut inputs = Vec::new();
        let mut adapters = Vec::new();
        let mut wanted = Vec::new();
        for row in rows {
            let name = string(row, "case")?;
            let case = self.named(name)?;
            let lora = self
                .model
                .adapter(&self.checkpoint.root.join(string(row, "adapter")?))?;
            inputs.push(self.input(case, name, Some(&lora))?);
            adapters.push(Some(lora));
            wanted.push(ids(row, "greedy_tokens")?);
            inputs.push(self.input(case, name, None)?);
            adapters.push(None);
            wanted.push(expected_tokens(case)?);
        }
        let count = wanted.iter().map(Vec::len).min().unwrap_or(0);
        ensure!(count > 0, "no tokens are expected");
        let found = self.together(&inputs, &adapters, count, 16)?.tokens;
        let wanted: Vec<_> = wanted
            .iter()
            .map(|all| all.get(..count).unwrap_or(all).to_vec())
            .collect();
        at.same("greedy tokens", &found, &wanted);
        Ok(())
    }
}

/// File names of a case's pictures.
fn images(case: &Value) -> impl Iterator<Item = &str> {
    let list = case.get("images").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str)
}

fn image(checkpoint: &Checkpoint, name: &str) -> Result<Tensors> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let file = checkpoint.expected.join("images").join(stem);
    Tensors::read(&file.with_extension("safetensors"))
}

fn expected_tokens(case: &Value) -> Result<Vec<u32>> {
    ids(case, "greedy_tokens")
}

fn values_of(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.flatten_all()?.to_dtype(DType::F32)?.to_vec1()?)
}

fn last(values: &[f32], count: usize) -> &[f32] {
    values
        .get(values.len().saturating_sub(count)..)
        .unwrap_or(values)
}

fn worst(a: &[f32], b: &[f32]) -> f64 {
    let off = a.iter().zip(b).map(|(a, b)| f64::from((a - b).abs()));
    off.fold(0.0, |a, b| if a > b { a } else { b })
}
