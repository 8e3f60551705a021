//! Ragged sequences in one step: every weight is read once for all rows, and row `i` of a batch is row `i` alone.
//!
//! A scheduler gives [`Model::step`] one [`Work`] for each running sequence: a decoded token, or the next chunk of a
//! prompt. A long prompt so never holds up those that decode, and a sequence whose caller has left is simply not in the
//! next step.
//!
//! ```no_run
//! use glm4v::{Input, Model, Row, Work};
//!
//! /// One step: every running row takes its last token, and a prompt that came in takes 256 of its own beside them.
//! fn step(
//!     model: &Model,
//!     running: &mut [(Row, u32)],
//!     (row, prompt): (&mut Row, &Input),
//! ) -> glm4v::Result<()> {
//!     let decode = running.iter_mut().map(|(row, token)| Work::Decode { row, token: *token });
//!     let mut work: Vec<Work<'_>> = decode.collect();
//!     work.push(Work::Prefill { row, input: prompt, most: 256 });
//!     let step = model.step(&mut work)?;
//!     // The prompt is among the finished only when this was its last chunk.
//!     for (token, of) in step.greedy()?.into_iter().zip(&step.finished) {
//!         match running.get_mut(*of) {
//!             Some((_, last)) => *last = token,
//!             None => println!("the answer to the new prompt begins with {token}"),
//!         }
//!     }
//!     Ok(())
//! }
//! ```

use candle_core::{DType, Device, Tensor};

use crate::lora::Adapted;
use crate::model::{Input, Model, Row};
use crate::text::Span;
use crate::{Error, Result};

/// What one sequence does in a step.
#[derive(Debug)]
pub enum Work<'a> {
    /// Takes the token that was chosen last.
    Decode {
        /// The sequence.
        row: &'a mut Row,
        /// The token.
        token: u32,
    },
    /// Takes the next tokens of its prompt, beginning after those that it has taken.
    Prefill {
        /// The sequence.
        row: &'a mut Row,
        /// Its prompt.
        input: &'a Input,
        /// At most this many tokens; at least one is taken.
        most: usize,
    },
}

/// The outcome of a step.
#[derive(Debug)]
pub struct Step {
    /// Float32 `[finished, vocabulary]`, on the model's device; no rows when every prompt goes on.
    pub logits: Tensor,
    /// For each row of `logits` the index of its work: all that decode, and prompts that ended.
    pub finished: Vec<usize>,
}

impl Step {
    /// The likeliest token of each finished work, chosen on the device: four bytes a row come back, not the logits.
    ///
    /// # Errors
    /// [`Error::Candle`].
    pub fn greedy(&self) -> Result<Vec<u32>> {
        greedy(&self.logits)
    }
}

/// The position of the largest value of each row of `[rows, vocabulary]`, found on the tensor's own device.
///
/// # Errors
/// [`Error::Candle`].
pub fn greedy(logits: &Tensor) -> Result<Vec<u32>> {
    if logits.dim(0)? == 0 {
        return Ok(Vec::new());
    }
    Ok(logits.argmax(candle_core::D::Minus1)?.to_vec1()?)
}

impl Model {
    /// One step of any mixture of decoding and prefilling rows.
    ///
    /// # Errors
    /// [`Error::Input`] when a row has taken its whole prompt already or is at the model's last position, and
    /// [`Error::Candle`]; in both cases no row has taken anything.
    pub fn step(&self, work: &mut [Work<'_>]) -> Result<Step> {
        let mut ids = Vec::new();
        let mut positions = Vec::new();
        let mut lens = Vec::with_capacity(work.len());
        let mut finished = Vec::new();
        let mut last = Vec::new();
        for (index, work) in work.iter().enumerate() {
            let len = match work {
                Work::Decode { row, token } => {
                    self.check_len(row.len() + 1)?;
                    // The delta lies between minus the length and zero.
                    let position = (row.len() as i64 + row.delta).max(0) as u32;
                    ids.push(*token);
                    positions.push([position; 3]);
                    1
                }
                Work::Prefill { row, input, most } => {
                    let start = row.len();
                    let end = input.len().min(start + (*most).max(1));
                    let Some(chunk) = input.ids.get(start..end).filter(|chunk| !chunk.is_empty())
                    else {
                        return Err(Error::input(
                            "prefill",
                            format!(
                                "the row has taken {start} tokens, and the prompt has {}",
                                input.len()
                            ),
                        ));
                    };
                    ids.extend_from_slice(chunk);
                    positions.extend((start..end).map(|index| input.position(index)));
                    end - start
                }
            };
            lens.push(len);
            if work.ends_with(len) {
                finished.push(index);
                last.push((ids.len() - 1) as u32);
            }
        }
        if ids.is_empty() {
            return Ok(Step {
                logits: Tensor::zeros(
                    (0, self.config().text_config.vocab_size),
                    DType::F32,
                    &Device::Cpu,
                )?,
                finished,
            });
        }

        let mut embeds = self.text.embed(&ids)?;
        let mut at = 0;
        for (work, len) in work.iter().zip(&lens) {
            if let Work::Prefill { row, input, .. } = work {
                self.put_images(&mut embeds, input, row.len()..row.len() + len, at)?;
            }
            at += len;
        }

        // Adapters are held by their rows, which the caches are borrowed from below.
        let adapters: Vec<_> = work.iter().map(|work| work.row().adapter.clone()).collect();
        let adapted = Adapted::spans(
            lens.iter()
                .copied()
                .zip(adapters.iter().map(Option::as_deref)),
        );
        let mut spans: Vec<Span<'_>> = work
            .iter_mut()
            .zip(&lens)
            .map(|(work, tokens)| Span {
                cache: &mut work.row_mut().cache,
                tokens: *tokens,
            })
            .collect();
        let x = self
            .text
            .forward(embeds, &positions, &mut spans, &adapted, &mut |_, _| {})?;

        for index in &finished {
            if let Some(Work::Prefill { row, input, .. }) = work.get_mut(*index) {
                row.delta = input.positions.delta;
            }
        }
        // Only what a token is chosen from goes through the head.
        let x = if last.len() == ids.len() {
            x
        } else {
            x.index_select(&Tensor::from_slice(&last, last.len(), self.device())?, 0)?
        };
        let logits = if finished.is_empty() {
            Tensor::zeros(
                (0, self.config().text_config.vocab_size),
                DType::F32,
                self.device(),
            )?
        } else {
            let of = finished
                .iter()
                .map(|index| (1, adapters.get(*index).and_then(Option::as_deref)));
            self.text
                .logits(&self.text.normed(&x)?, &Adapted::spans(of))?
        };
        Ok(Step { logits, finished })
    }

    /// Takes the rest of a prompt in chunks of at most `chunk` tokens; gives the logits after its last token, float32
    /// `[vocabulary]`.
    ///
    /// # Errors
    /// As [`step`](Self::step); the row then holds the chunks that were taken, and the call can be repeated.
    pub fn prefill(&self, row: &mut Row, input: &Input, chunk: usize) -> Result<Tensor> {
        loop {
            let work = Work::Prefill {
                row: &mut *row,
                input,
                most: chunk,
            };
            let step = self.step(&mut [work])?;
            if !step.finished.is_empty() {
                return Ok(step.logits.squeeze(0)?);
            }
        }
    }

    /// Each row takes its token; gives float32 `[rows, vocabulary]`.
    ///
    /// # Errors
    /// [`Error::Input`] when there are not as many tokens as rows, else as [`step`](Self::step).
    pub fn decode(&self, rows: &mut [&mut Row], tokens: &[u32]) -> Result<Tensor> {
        if rows.len() != tokens.len() {
            let reason = format!("has {} tokens for {} rows", tokens.len(), rows.len());
            return Err(Error::input("decode", reason));
        }
        let pairs = rows.iter_mut().zip(tokens);
        let mut work: Vec<Work<'_>> = pairs
            .map(|(row, token)| Work::Decode { row, token: *token })
            .collect();
        Ok(self.step(&mut work)?.logits)
    }
}

impl Work<'_> {
    fn row(&self) -> &Row {
        match self {
            Self::Decode { row, .. } | Self::Prefill { row, .. } => row,
        }
    }

    fn row_mut(&mut self) -> &mut Row {
        match self {
            Self::Decode { row, .. } | Self::Prefill { row, .. } => row,
        }
    }

    /// Whether a token is to be chosen after `len` more tokens.
    fn ends_with(&self, len: usize) -> bool {
        match self {
            Self::Decode { .. } => true,
            Self::Prefill { row, input, .. } => row.len() + len == input.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::testing::{random_tensors, tiny, tiny_config, tiny_pixels};
    use crate::{Config, ImageEmbeds, LoadOptions};

    const IMAGE: u32 = 90;

    fn values(tensor: &Tensor) -> Vec<f32> {
        tensor.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[track_caller]
    fn assert_close(found: &Tensor, expected: &Tensor) {
        let (found, expected) = (values(found), values(expected));
        assert_eq!(found.len(), expected.len());
        let off = found
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        // Sums are made in another order, no more.
        assert!(off < 2e-5, "{off}");
    }

    fn picture(model: &Model, seed: u64, rows: usize, columns: usize) -> Arc<ImageEmbeds> {
        let pixels = tiny_pixels(seed, rows, columns).unwrap();
        Arc::new(model.see(&[pixels], None).unwrap().remove(0))
    }

    /// Three prompts of unequal length: with a picture, with two, with none.
    fn prompts(model: &Model) -> Vec<Input> {
        let small = picture(model, 1, 2, 4);
        let large = picture(model, 2, 6, 4);
        let mut one = vec![5, 9, 92];
        one.extend([IMAGE; 2]);
        one.extend([93, 7, 11]);
        let mut two = vec![3, 92];
        two.extend([IMAGE; 6]);
        two.extend([93, 92]);
        two.extend([IMAGE; 2]);
        two.extend([93, 8]);
        vec![
            model.input(one, vec![small.clone()]).unwrap(),
            model.input(two, vec![large, small]).unwrap(),
            model.input(vec![1, 2, 3, 4], vec![]).unwrap(),
        ]
    }

    fn alone(model: &Model, input: &Input, tokens: &[u32]) -> Vec<Tensor> {
        let mut row = model.row(None).unwrap();
        let mut all = vec![model.prefill(&mut row, input, usize::MAX).unwrap()];
        for token in tokens {
            let logits = model.decode(&mut [&mut row], &[*token]).unwrap();
            all.push(logits.squeeze(0).unwrap());
        }
        all
    }

    #[test]
    fn decoding_token_by_token_equals_one_prefill() {
        let model = tiny().unwrap();
        let tokens = [5, 9, 2, 7, 60];
        let input = model.input(tokens.to_vec(), vec![]).unwrap();
        let whole = model.inspect(&input, None, &mut |_, _| {}).unwrap().logits;
        let first = model.input(tokens[..1].to_vec(), vec![]).unwrap();
        for (index, step) in alone(&model, &first, &tokens[1..]).iter().enumerate() {
            assert_close(step, &whole.get(index).unwrap());
        }
    }

    #[test]
    fn tokens_after_a_picture_equal_one_prefill() {
        let model = tiny().unwrap();
        let image = picture(&model, 3, 6, 4);
        let mut ids = vec![5, 92];
        ids.extend([IMAGE; 6]);
        ids.push(93);
        let prompt = ids.len();
        ids.extend([7, 60, 8]);
        let whole = model.input(ids.clone(), vec![image.clone()]).unwrap();
        let whole = model.inspect(&whole, None, &mut |_, _| {}).unwrap().logits;
        let input = model.input(ids[..prompt].to_vec(), vec![image]).unwrap();
        for (index, step) in alone(&model, &input, &ids[prompt..]).iter().enumerate() {
            assert_close(step, &whole.get(prompt - 1 + index).unwrap());
        }
    }

    #[test]
    fn chunks_equal_one_prefill_also_when_they_cut_a_picture() {
        let model = tiny().unwrap();
        for input in prompts(&model) {
            let whole = &alone(&model, &input, &[])[0];
            for chunk in [0, 1, 3, 5] {
                let mut row = model.row(None).unwrap();
                let logits = model.prefill(&mut row, &input, chunk).unwrap();
                assert_close(&logits, whole);
                assert_eq!(row.len(), input.len());
            }
        }
    }

    #[test]
    fn a_row_of_a_batch_equals_the_row_alone() {
        for model in [tiny().unwrap(), general().unwrap()] {
            rows_of_a_batch_equal_rows_alone(&model);
        }
    }

    /// The tiny model with the tensor operations of a GPU.
    fn general() -> crate::Result<Model> {
        let config = Config::from_json(&tiny_config().to_string())?;
        let tensors = random_tensors(&config, DType::F32, 1)?;
        let options = LoadOptions {
            dtype: Some(DType::F32),
            ..LoadOptions::default()
        };
        Model::from_tensors_general(tensors, config, &options)
    }

    #[track_caller]
    fn rows_of_a_batch_equal_rows_alone(model: &Model) {
        let inputs = prompts(model);
        let tokens = [[11, 12, 13], [21, 22, 23], [31, 32, 33]];
        let mut rows: Vec<Row> = inputs.iter().map(|_| model.row(None).unwrap()).collect();
        let pairs = rows.iter_mut().zip(&inputs);
        let mut work: Vec<_> = pairs
            .map(|(row, input)| Work::Prefill {
                row,
                input,
                most: 100,
            })
            .collect();
        let step = model.step(&mut work).unwrap();
        assert_eq!(step.finished, [0, 1, 2]);
        let mut found = vec![step.logits];
        for index in 0..3 {
            let next: Vec<u32> = tokens.iter().map(|of| of[index]).collect();
            let mut rows: Vec<&mut Row> = rows.iter_mut().collect();
            found.push(model.decode(&mut rows, &next).unwrap());
        }
        for (row, (input, tokens)) in inputs.iter().zip(&tokens).enumerate() {
            for (batch, alone) in found.iter().zip(alone(model, input, tokens)) {
                assert_close(&batch.get(row).unwrap(), &alone);
            }
        }
    }

    #[test]
    fn a_prompt_in_chunks_does_not_disturb_a_row_that_decodes_beside_it() {
        let model = tiny().unwrap();
        let inputs = prompts(&model);
        let tokens = [40, 41, 42, 43];
        let expected = alone(&model, &inputs[2], &tokens);
        let mut decoding = model.row(None).unwrap();
        model.prefill(&mut decoding, &inputs[2], 2).unwrap();
        let mut prompt = model.row(None).unwrap();
        for (index, token) in tokens.iter().enumerate() {
            let mut work = [
                Work::Prefill {
                    row: &mut prompt,
                    input: &inputs[1],
                    most: 4,
                },
                Work::Decode {
                    row: &mut decoding,
                    token: *token,
                },
            ];
            let step = model.step(&mut work).unwrap();
            // 13 tokens in fours: the prompt's own logits come with the fourth step.
            let finished: &[usize] = if index == 3 { &[0, 1] } else { &[1] };
            assert_eq!(step.finished, finished);
            assert_close(
                &step.logits.get(finished.len() - 1).unwrap(),
                &expected[index + 1],
            );
        }
        assert_eq!(prompt.len(), inputs[1].len());
    }

    #[test]
    fn a_row_that_is_dropped_changes_nothing_for_the_others() {
        let model = tiny().unwrap();
        let inputs = prompts(&model);
        let expected = alone(&model, &inputs[1], &[50, 51]);
        let mut rows: Vec<Row> = Vec::new();
        for input in &inputs {
            let mut row = model.row(None).unwrap();
            model.prefill(&mut row, input, 100).unwrap();
            rows.push(row);
        }
        let mut all: Vec<&mut Row> = rows.iter_mut().collect();
        let logits = model.decode(&mut all, &[49, 50, 51]).unwrap();
        assert_close(&logits.get(1).unwrap(), &expected[1]);
        rows.remove(0);
        rows.pop();
        let logits = model.decode(&mut [&mut rows[0]], &[51]).unwrap();
        assert_close(&logits.get(0).unwrap(), &expected[2]);
    }

    #[test]
    fn a_fork_goes_its_own_way() {
        let model = tiny().unwrap();
        let input = &prompts(&model)[0];
        let mut row = model.row(None).unwrap();
        model.prefill(&mut row, input, 100).unwrap();
        let mut fork = row.fork(row.len()).unwrap();
        let other = model.decode(&mut [&mut fork], &[60]).unwrap();
        let own = model.decode(&mut [&mut row], &[61]).unwrap();
        assert_close(&own.get(0).unwrap(), &alone(&model, input, &[61])[1]);
        assert_close(&other.get(0).unwrap(), &alone(&model, input, &[60])[1]);
        // A prompt with the same beginning goes on after it.
        let mut again = row.fork(4).unwrap();
        let logits = model.prefill(&mut again, input, 100).unwrap();
        assert_close(&logits, &alone(&model, input, &[])[0]);
    }

    #[test]
    fn the_cache_grows_by_need_and_is_counted() {
        let model = tiny().unwrap();
        let input = &prompts(&model)[2];
        let mut row = model.row(None).unwrap();
        assert_eq!(row.bytes(), 0);
        model.prefill(&mut row, input, 100).unwrap();
        let token = model.config().text_config.kv_bytes_per_token(4);
        assert_eq!(row.bytes(), 64 * token);
        let expected = alone(&model, input, &[9; 70]);
        for step in &expected[1..] {
            let logits = model.decode(&mut [&mut row], &[9]).unwrap();
            assert_close(&logits.get(0).unwrap(), step);
        }
        assert_eq!(row.bytes(), 128 * token);
        let mut roomy = model.row(None).unwrap();
        roomy.reserve(65).unwrap();
        assert_eq!(roomy.bytes(), 128 * token);
    }

    #[test]
    fn what_cannot_be_stepped_is_refused_and_takes_nothing() {
        let model = tiny().unwrap();
        let inputs = prompts(&model);
        let mut row = model.row(None).unwrap();
        model.prefill(&mut row, &inputs[2], 100).unwrap();
        let again = model
            .prefill(&mut row, &inputs[2], 100)
            .unwrap_err()
            .to_string();
        assert_eq!(
            again,
            "prefill: the row has taken 4 tokens, and the prompt has 4"
        );
        let unknown = model
            .decode(&mut [&mut row], &[96])
            .unwrap_err()
            .to_string();
        assert_eq!(
            unknown,
            "prompt: has the token 96, beyond the vocabulary of 96"
        );
        let uneven = model.decode(&mut [&mut row], &[]).unwrap_err().to_string();
        assert_eq!(uneven, "decode: has 0 tokens for 1 rows");
        assert_eq!(row.len(), 4);
        let long = model.input(vec![1; 513], vec![]).unwrap_err().to_string();
        assert_eq!(
            long,
            "prompt: reaches 513 tokens, and the model was trained for 512"
        );
        let empty = model.input(vec![], vec![]).unwrap_err().to_string();
        assert_eq!(empty, "prompt: is empty");
        let nothing = model.step(&mut []).unwrap();
        assert!(nothing.finished.is_empty() && nothing.greedy().unwrap().is_empty());
    }

    #[test]
    fn a_step_that_ends_no_prompt_has_no_logits() {
        let model = tiny().unwrap();
        let input = &prompts(&model)[0];
        let mut row = model.row(None).unwrap();
        let work = Work::Prefill {
            row: &mut row,
            input,
            most: 2,
        };
        let step = model.step(&mut [work]).unwrap();
        assert_eq!(step.logits.dims(), [0, 96]);
        assert!(step.greedy().unwrap().is_empty());
    }

    #[test]
    fn greedy_takes_the_largest_of_each_row() {
        let logits = Tensor::new(&[[0.0_f32, 3.0, -1.0], [2.0, 1.0, 0.0]], &Device::Cpu).unwrap();
        assert_eq!(greedy(&logits).unwrap(), [1, 0]);
    }

    #[test]
    fn a_model_serves_many_threads() {
        fn shared<T: Send + Sync>() {}
        shared::<Model>();
        shared::<Row>();
        shared::<ImageEmbeds>();
    }

    #[test]
    fn a_picture_is_seen_alike_alone_and_among_others() {
        let model = tiny().unwrap();
        let pixels = [tiny_pixels(1, 2, 4).unwrap(), tiny_pixels(2, 6, 4).unwrap()];
        let together = model.see(&pixels, None).unwrap();
        for (pixels, seen) in pixels.iter().zip(&together) {
            let alone = model
                .see(std::slice::from_ref(pixels), None)
                .unwrap()
                .remove(0);
            assert_close(seen.embeds(), alone.embeds());
            assert_eq!(seen.grid_thw(), pixels.grid_thw);
        }
        let mut broken = pixels[0].clone();
        broken.patches.pop();
        let line = model.see(&[broken], None).unwrap_err().to_string();
        assert!(
            line.starts_with("pixels: have 767 values for a grid of 1 x 2 x 4"),
            "{line}"
        );
        assert!(model.see(&[], None).unwrap().is_empty());
    }
}
