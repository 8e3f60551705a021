//! Ragged sequences in one step: every weight is read once for all rows, and row `i` of a batch is row `i` alone.
//!
//! A scheduler gives [`Model::step`] one [`Work`] for each running sequence: a decoded token, or the next chunk of a
//! prompt. A long prompt so never holds up those that decode, and a sequence whose caller has left is simply not in the
//! next step.

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
