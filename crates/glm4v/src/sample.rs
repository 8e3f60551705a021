//! Logits to a token.
//!
//! The steps and their order are the reference's: repetition penalty, temperature, top-k, top-p, then a draw.
//! Before them, tokens that may not come are taken out: those that a [`TokenMask`] does not allow, the forbidden ones, and
//! the one that would continue a loop.
//!
//! A [`Sampler`] belongs to one sequence; what it draws it takes note of itself.
//!
//! A vocabulary of 151552 is never sorted: top-k keeps a short list while it passes over the logits, and top-p
//! drops at once what is too unlikely to be kept.

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::{Error, Result};

/// Decides which tokens may come next: a grammar, a schema, a list of choices.
pub trait TokenMask {
    /// The tokens that may come now: bit `id % 32` of word `id / 32`. Ids beyond the last word may not come.
    ///
    /// # Errors
    /// Whatever keeps the mask from being computed; sampling passes it on.
    fn allowed(&mut self) -> Result<&[u32]>;

    /// Takes note of the token that has come.
    ///
    /// # Errors
    /// When the token was not allowed.
    fn accept(&mut self, token: u32) -> Result<()>;
}

/// How tokens are drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampling {
    /// Divides the logits. 0 takes the best token always, and then neither `top_k`, `top_p` nor the seed matter.
    pub temperature: f32,
    /// Keeps so many of the likeliest tokens, and those that tie with the last; 0 keeps all.
    pub top_k: usize,
    /// Keeps the fewest of the likeliest tokens that together have this probability; 1 keeps all.
    pub top_p: f32,
    /// Divides the positive and multiplies the negative logits of tokens that were seen; 1 changes nothing.
    pub repetition_penalty: f32,
    /// The same seed, logits and settings give the same tokens, on every machine.
    pub seed: u64,
    /// Tokens that never come, such as `<think>` or the markers of a box.
    pub forbidden: Vec<u32>,
    /// Breaks loops; `None` lets them run.
    pub loop_guard: Option<LoopGuard>,
}

impl Default for Sampling {
    /// Draws from the whole distribution as it is.
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            repetition_penalty: 1.0,
            seed: 0,
            forbidden: Vec::new(),
            loop_guard: None,
        }
    }
}

impl Sampling {
    /// The best token at every step.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            ..Self::default()
        }
    }

    /// Which key is out of its range, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let fail =
            |key, value: f32, wants: &str| Err((key, format!("is {value}, and must be {wants}")));
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return fail("temperature", self.temperature, "at least 0");
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return fail("top_p", self.top_p, "above 0 and at most 1");
        }
        if !(self.repetition_penalty > 0.0 && self.repetition_penalty.is_finite()) {
            return fail("repetition_penalty", self.repetition_penalty, "above 0");
        }
        Ok(())
    }
}

/// When an answer goes round in circles.
///
/// A loop is a run of tokens that repeats with a period of at most `max_period`, at least `repeats` times and over at least
/// `min_tokens` tokens. Only the answer is watched, not the prompt. The token that would continue the loop is then left out
/// of the draw, for as long as the loop stands; where a mask allows nothing else, it comes all the same.
///
/// This is milder than `no_repeat_ngram_size` of the reference, which also forbids what must repeat, such as the keys of
/// a JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopGuard {
    /// Longest period in tokens; each token costs so many comparisons.
    pub max_period: usize,
    /// How often the period has to come.
    pub repeats: usize,
    /// How long all of it has to be.
    pub min_tokens: usize,
}

impl Default for LoopGuard {
    fn default() -> Self {
        Self {
            max_period: 64,
            repeats: 4,
            min_tokens: 24,
        }
    }
}

/// The state of one row: what it has seen, and where its random numbers are.
///
/// ```
/// use glm4v::sample::{Sampler, Sampling};
///
/// let mut sampler = Sampler::new(Sampling { repetition_penalty: 2.0, ..Sampling::greedy() })?;
/// sampler.see(&[1]);
/// // Token 1 was seen, so its logit is halved.
/// assert_eq!(sampler.sample(&[0.0, 3.0, 2.0], None)?, 2);
/// # Ok::<(), glm4v::Error>(())
/// ```
#[derive(Debug)]
pub struct Sampler {
    sampling: Sampling,
    rng: ChaCha8Rng,
    /// Tokens of prompt and answer, each once, and as bits.
    seen: Vec<u32>,
    seen_bits: Vec<u32>,
    answer: Vec<u32>,
    /// `runs[p - 1]`: how many tokens at the end of the answer equal the one `p` before.
    runs: Vec<usize>,
    logits: Vec<f32>,
}

/// A token that can come, and how likely it is among those.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The token.
    pub id: u32,
    /// Its share; the shares of all candidates add up to 1.
    pub probability: f32,
}

impl Sampler {
    /// # Errors
    /// [`Error::Input`] for a setting out of its range.
    pub fn new(sampling: Sampling) -> Result<Self> {
        let wrong =
            |(key, reason): (&str, String)| Error::input("sampling", format!("{key} {reason}"));
        sampling.check().map_err(wrong)?;
        let periods = sampling.loop_guard.map_or(0, |guard| guard.max_period);
        Ok(Self {
            rng: ChaCha8Rng::seed_from_u64(sampling.seed),
            sampling,
            seen: Vec::new(),
            seen_bits: Vec::new(),
            answer: Vec::new(),
            runs: vec![0; periods],
            logits: Vec::new(),
        })
    }

    /// Takes note of the prompt, for the repetition penalty.
    pub fn see(&mut self, prompt: &[u32]) {
        prompt.iter().for_each(|id| self.note(*id));
    }

    /// The next token, drawn and taken note of, here and in the mask.
    ///
    /// `logits`: `[vocabulary]`.
    ///
    /// # Errors
    /// [`Error::Input`] when no token is left or no logit is a number; the mask's own.
    pub fn sample(&mut self, logits: &[f32], mask: Option<&mut dyn TokenMask>) -> Result<u32> {
        let Some(mask) = mask else {
            let token = self.draw(logits, None)?;
            self.accept(token);
            return Ok(token);
        };
        let token = self.draw(logits, Some(mask.allowed()?))?;
        mask.accept(token)?;
        self.accept(token);
        Ok(token)
    }

    /// Takes note of a token of the answer that was not drawn here.
    pub fn accept(&mut self, token: u32) {
        self.note(token);
        if self.sampling.loop_guard.is_none() {
            return;
        }
        for (run, before) in self.runs.iter_mut().zip(self.answer.iter().rev()) {
            *run = if *before == token { *run + 1 } else { 0 };
        }
        self.answer.push(token);
    }

    /// The period of the loop that the answer is in, if it is.
    #[must_use]
    pub fn loop_period(&self) -> Option<usize> {
        let guard = self.sampling.loop_guard?;
        let long_enough = |(period, run): (usize, &usize)| {
            let whole = period + run;
            (whole >= period * guard.repeats && whole >= guard.min_tokens).then_some(period)
        };
        (1..).zip(&self.runs).find_map(long_enough)
    }

    /// What can come next and how likely, likeliest first; nothing is drawn. `allowed` is what [`TokenMask::allowed`] gives.
    ///
    /// # Errors
    /// As [`Sampler::sample`].
    pub fn distribution(
        &mut self,
        logits: &[f32],
        allowed: Option<&[u32]>,
    ) -> Result<Vec<Candidate>> {
        let mut kept = self.keep(logits, allowed)?;
        kept.sort_unstable_by(Weighted::likelier_first);
        let mass = mass(&kept);
        let share = |x: Weighted| Candidate {
            id: x.id,
            probability: (f64::from(x.weight) / mass) as f32,
        };
        Ok(kept.into_iter().map(share).collect())
    }

    fn draw(&mut self, logits: &[f32], allowed: Option<&[u32]>) -> Result<u32> {
        let kept = self.keep(logits, allowed)?;
        if let [only] = kept.as_slice() {
            return Ok(only.id);
        }
        // 53 random bits, in [0, 1).
        let mut rest = (self.rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 * mass(&kept);
        let hit = kept.iter().find(|x| {
            rest -= f64::from(x.weight);
            rest < 0.0
        });
        // Rounding may leave a little at the end: it belongs to the last.
        let hit = hit.or_else(|| kept.iter().rfind(|x| x.weight > 0.0));
        hit.map(|x| x.id)
            .ok_or_else(|| Error::input("logits", "leave no token"))
    }

    /// The tokens that are left after all steps, with weights in proportion to their probabilities.
    fn keep(&mut self, logits: &[f32], allowed: Option<&[u32]>) -> Result<Vec<Weighted>> {
        self.prepare(logits, allowed);
        let best = self.best()?;
        let Sampling {
            temperature,
            top_k,
            top_p,
            ..
        } = self.sampling;
        if temperature == 0.0 {
            return Ok(vec![Weighted {
                id: best.id,
                weight: 1.0,
            }]);
        }
        let (mut kept, mass) = if top_k > 0 && top_k < self.logits.len() {
            let mut kept = top(&self.logits, top_k);
            kept.iter_mut()
                .for_each(|x| x.weight = exp((x.weight - best.weight) / temperature));
            let mass = mass(&kept);
            (kept, mass)
        } else {
            self.logits
                .iter_mut()
                .for_each(|x| *x = exp((*x - best.weight) / temperature));
            let mass = sum(&self.logits);
            // All tokens below this together have less than 1 - top_p, so top-p would drop every one of them.
            let least = (mass * f64::from(1.0 - top_p) / self.logits.len() as f64) as f32;
            let likely = weighted(&self.logits).filter(|x| x.weight > 0.0 && x.weight >= least);
            (likely.collect(), mass)
        };
        if top_p < 1.0 {
            kept.sort_unstable_by(Weighted::likelier_first);
            let mut before = 0.0;
            let enough = kept.iter().take_while(|x| {
                let needed = before < f64::from(top_p) * mass;
                before += f64::from(x.weight);
                needed
            });
            let enough = enough.count().max(1);
            kept.truncate(enough);
        }
        Ok(kept)
    }

    /// Copies the logits, without those that may not come, and with the penalty.
    fn prepare(&mut self, logits: &[f32], allowed: Option<&[u32]>) {
        const NEVER: f32 = f32::NEG_INFINITY;
        self.logits.clear();
        self.logits
            .extend(logits.iter().map(|x| if x.is_nan() { NEVER } else { *x }));
        if let Some(allowed) = allowed {
            let words = allowed.iter().copied().chain(std::iter::repeat(0));
            for (logits, word) in self.logits.chunks_mut(32).zip(words) {
                for (bit, logit) in logits.iter_mut().enumerate() {
                    if word >> bit & 1 == 0 {
                        *logit = NEVER;
                    }
                }
            }
        }
        for id in &self.sampling.forbidden {
            if let Some(logit) = self.logits.get_mut(*id as usize) {
                *logit = NEVER;
            }
        }
        let penalty = self.sampling.repetition_penalty;
        if penalty != 1.0 {
            for id in &self.seen {
                if let Some(logit) = self.logits.get_mut(*id as usize) {
                    *logit = if *logit < 0.0 {
                        *logit * penalty
                    } else {
                        *logit / penalty
                    };
                }
            }
        }
    }

    /// The likeliest token that does not continue a loop, which is taken out; the loop goes on where nothing else can come.
    fn best(&mut self) -> Result<Weighted> {
        let next = self
            .loop_period()
            .and_then(|period| self.answer.iter().nth_back(period - 1).copied());
        let Some(logit) = next.and_then(|next| self.logits.get_mut(next as usize)) else {
            return best(&self.logits);
        };
        let held = std::mem::replace(logit, f32::NEG_INFINITY);
        best(&self.logits).or_else(|_| {
            if let Some(logit) = next.and_then(|next| self.logits.get_mut(next as usize)) {
                *logit = held;
            }
            best(&self.logits)
        })
    }

    fn note(&mut self, token: u32) {
        let (word, bit) = (token as usize / 32, 1 << (token % 32));
        if word >= self.seen_bits.len() {
            self.seen_bits.resize(word + 1, 0);
        }
        if let Some(word) = self.seen_bits.get_mut(word)
            && *word & bit == 0
        {
            *word |= bit;
            self.seen.push(token);
        }
    }
}

/// A token and its logit, or later its share.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Weighted {
    id: u32,
    weight: f32,
}

impl Weighted {
    /// Ties go to the smaller id, so that the order is the same everywhere.
    fn likelier_first(&self, other: &Self) -> std::cmp::Ordering {
        other
            .weight
            .total_cmp(&self.weight)
            .then(self.id.cmp(&other.id))
    }
}

fn weighted(weights: &[f32]) -> impl Iterator<Item = Weighted> {
    (0..).zip(weights).map(|(id, weight)| Weighted {
        id,
        weight: *weight,
    })
}

fn mass(kept: &[Weighted]) -> f64 {
    kept.iter().map(|x| f64::from(x.weight)).sum()
}

/// The first of the largest.
fn best(logits: &[f32]) -> Result<Weighted> {
    let largest = lanes(logits, f32::NEG_INFINITY, f32::max)
        .into_iter()
        .fold(f32::NEG_INFINITY, f32::max);
    let first = weighted(logits).find(|x| x.weight == largest && largest > f32::NEG_INFINITY);
    first.ok_or_else(|| Error::input("logits", "leave no token"))
}

/// A sum in double precision over sixteen sums, each of which the compiler keeps in a register.
fn sum(values: &[f32]) -> f64 {
    values
        .chunks(4096)
        .flat_map(|part| lanes(part, 0.0, |a, b| a + b))
        .map(f64::from)
        .sum()
}

/// Folds every sixteenth value.
fn lanes(values: &[f32], start: f32, fold: impl Fn(f32, f32) -> f32) -> [f32; 16] {
    let mut lanes = [start; 16];
    let (blocks, rest) = values.as_chunks::<16>();
    for block in blocks {
        lanes
            .iter_mut()
            .zip(block)
            .for_each(|(lane, x)| *lane = fold(*lane, *x));
    }
    lanes
        .iter_mut()
        .zip(rest)
        .for_each(|(lane, x)| *lane = fold(*lane, *x));
    lanes
}

/// The `count` largest and those that tie with the last of them, in no order.
fn top(logits: &[f32], count: usize) -> Vec<Weighted> {
    let room = (2 * count).max(64);
    let mut kept: Vec<Weighted> = Vec::with_capacity(room);
    let mut least = f32::NEG_INFINITY;
    for x in weighted(logits) {
        if x.weight < least || x.weight == f32::NEG_INFINITY {
            continue;
        }
        if kept.len() == room.max(kept.capacity()) {
            least = nth(&mut kept, count);
        }
        kept.push(x);
    }
    if kept.len() > count {
        nth(&mut kept, count);
    }
    kept
}

/// Drops what is below the `count`-th and returns that one's logit.
fn nth(kept: &mut Vec<Weighted>, count: usize) -> f32 {
    let (_, last, _) = kept.select_nth_unstable_by(count - 1, Weighted::likelier_first);
    let least = last.weight;
    kept.retain(|x| x.weight >= least);
    least
}

/// `e^x` for `x <= 0`, within 2e-7 of the value, and 0 where that is below the smallest normal number.
///
/// A whole vocabulary goes through this at every step without top-k, and the library's function keeps the compiler from
/// working on several values at once. Splits off powers of two and takes six terms of the series for the rest.
fn exp(x: f32) -> f32 {
    // Adding and subtracting this rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let power = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let rest = (x - power * LN_2_HIGH) - power * LN_2_LOW;
    let series = 1.0 / 720.0;
    let series = series * rest + 1.0 / 120.0;
    let series = series * rest + 1.0 / 24.0;
    let series = series * rest + 1.0 / 6.0;
    let series = series * rest + 0.5;
    let series = series * rest + 1.0;
    let series = series * rest + 1.0;
    let scale = f32::from_bits(((power.max(-126.0) as i32 + 127) as u32) << 23);
    if x < -87.0 { 0.0 } else { series * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(sampling: Sampling) -> Sampler {
        Sampler::new(sampling).unwrap()
    }

    /// Logits without order, the same at every run.
    fn noise(count: u32) -> Vec<f32> {
        (0..count)
            .map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 22) as f32 - 2.0)
            .collect()
    }

    /// The steps as their definitions say them, with a full sort and in double precision.
    fn plain(logits: &[f32], sampling: &Sampling) -> Vec<(u32, f64)> {
        let mut all: Vec<(u32, f64)> = (0..)
            .zip(logits)
            .map(|(id, x)| (id, f64::from(*x) / f64::from(sampling.temperature)))
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1));
        if sampling.top_k > 0 {
            all.truncate(sampling.top_k);
        }
        let largest = all[0].1;
        let total: f64 = all.iter().map(|(_, x)| (x - largest).exp()).sum();
        let mut before = 0.0;
        let kept: Vec<(u32, f64)> = all
            .into_iter()
            .map(|(id, x)| (id, (x - largest).exp() / total))
            .take_while(|(_, p)| {
                let needed = before < f64::from(sampling.top_p);
                before += p;
                needed
            })
            .collect();
        let total: f64 = kept.iter().map(|(_, p)| p).sum();
        kept.into_iter().map(|(id, p)| (id, p / total)).collect()
    }

    #[track_caller]
    fn same_as_plain(sampling: &Sampling, count: u32) {
        let logits = noise(count);
        let found = sampler(sampling.clone())
            .distribution(&logits, None)
            .unwrap();
        let expected = plain(&logits, sampling);
        assert_eq!(found.len(), expected.len());
        for (found, (id, probability)) in found.iter().zip(expected) {
            assert_eq!(found.id, id);
            assert!(
                (f64::from(found.probability) - probability).abs() < 1e-6,
                "{found:?} {probability}"
            );
        }
    }

    #[test]
    fn selecting_in_part_equals_sorting_all() {
        for count in [3, 64, 1000, 5003] {
            for (top_k, top_p, temperature) in [
                (0, 0.9, 1.0),
                (0, 0.3, 0.5),
                (1, 1.0, 1.0),
                (2, 0.6, 0.8),
                (50, 0.95, 1.5),
                (700, 0.99, 1.0),
                (0, 1.0, 0.7),
            ] {
                same_as_plain(
                    &Sampling {
                        top_k,
                        top_p,
                        temperature,
                        ..Sampling::default()
                    },
                    count,
                );
            }
        }
    }

    #[test]
    fn the_exponential_is_the_librarys() {
        for i in 0..200_000 {
            let x = -(i as f32) * 86.9 / 200_000.0;
            let exact = f64::from(x).exp();
            assert!(
                (f64::from(exp(x)) - exact).abs() <= 4e-7 * exact,
                "{x}: {} {exact}",
                exp(x)
            );
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-1000.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
    }

    #[test]
    fn draws_come_as_often_as_their_probability() {
        let logits = [0.0, 1.0, 2.0, f32::NEG_INFINITY, 0.5];
        for sampling in [
            Sampling::default(),
            Sampling {
                top_k: 3,
                ..Sampling::default()
            },
        ] {
            let mut sampler = sampler(Sampling {
                seed: 7,
                ..sampling
            });
            let expected = sampler.distribution(&logits, None).unwrap();
            let mut counts = [0; 5];
            for _ in 0..20_000 {
                counts[sampler.sample(&logits, None).unwrap() as usize] += 1;
            }
            for candidate in expected {
                let share = f64::from(counts[candidate.id as usize]) / 20_000.0;
                // Five deviations of a count of 20000.
                assert!(
                    (share - f64::from(candidate.probability)).abs() < 0.018,
                    "{candidate:?} {share}"
                );
            }
            assert_eq!(counts[3], 0);
        }
    }

    #[test]
    fn a_seed_decides_all_draws() {
        let logits = noise(300);
        let run = |seed| -> Vec<u32> {
            let mut sampler = sampler(Sampling {
                seed,
                ..Sampling::default()
            });
            (0..20)
                .map(|_| sampler.sample(&logits, None).unwrap())
                .collect()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn the_penalty_pushes_down_what_was_seen_once_however_often() {
        let mut sampler = sampler(Sampling {
            repetition_penalty: 2.0,
            ..Sampling::greedy()
        });
        sampler.see(&[1, 1, 1]);
        assert_eq!(
            sampler.sample(&[1.2, 2.0, 1.0], None).unwrap(),
            0,
            "2.0 / 2 is below 1.2"
        );
        assert_eq!(
            sampler.sample(&[1.2, 2.0, 0.9], None).unwrap(),
            1,
            "0 has been seen by now"
        );
        sampler.see(&[2]);
        assert_eq!(
            sampler.sample(&[-1.0, -1.4, -0.9], None).unwrap(),
            2,
            "negative logits are multiplied"
        );
    }

    /// Allows the ids of one list after the other.
    struct Script(Vec<Vec<u32>>, Vec<u32>, Vec<u32>);

    impl TokenMask for Script {
        fn allowed(&mut self) -> Result<&[u32]> {
            self.1 = vec![0; 4];
            for id in &self.0[self.2.len()] {
                self.1[*id as usize / 32] |= 1 << (id % 32);
            }
            Ok(&self.1)
        }

        fn accept(&mut self, token: u32) -> Result<()> {
            assert!(self.0[self.2.len()].contains(&token));
            self.2.push(token);
            Ok(())
        }
    }

    #[test]
    fn a_mask_decides_and_is_told() {
        let mut logits = noise(200);
        logits[199] = 50.0;
        let mut mask = Script(
            vec![vec![3, 40], vec![0], vec![31, 32, 127]],
            Vec::new(),
            Vec::new(),
        );
        let mut sampler = sampler(Sampling::default());
        for _ in 0..3 {
            sampler.sample(&logits, Some(&mut mask)).unwrap();
        }
        assert_eq!(mask.2.len(), 3);
        assert_eq!(mask.2[1], 0);
    }

    #[test]
    fn forbidden_tokens_never_come_and_none_left_is_an_error() {
        let mut sampler = sampler(Sampling {
            forbidden: vec![1, 99],
            ..Sampling::greedy()
        });
        assert_eq!(sampler.sample(&[1.0, 9.0, 2.0], None).unwrap(), 2);
        let error = sampler
            .sample(&[f32::NEG_INFINITY, 9.0, f32::NAN], None)
            .unwrap_err();
        assert_eq!(error.to_string(), "logits: leave no token");
        assert!(sampler.sample(&[], None).is_err());
    }

    #[test]
    fn a_loop_is_left_at_the_token_that_would_continue_it() {
        let guard = LoopGuard {
            max_period: 8,
            repeats: 3,
            min_tokens: 6,
        };
        let mut sampler = sampler(Sampling {
            loop_guard: Some(guard),
            ..Sampling::greedy()
        });
        sampler.see(&[5, 6, 5, 6, 5, 6, 5, 6]);
        assert_eq!(sampler.loop_period(), None, "the prompt may repeat itself");
        for token in [1, 2, 1, 2, 1] {
            sampler.accept(token);
        }
        assert_eq!(sampler.loop_period(), None);
        sampler.accept(2);
        assert_eq!(sampler.loop_period(), Some(2));
        let logits = [0.0, 9.0, 3.0];
        assert_eq!(
            sampler.distribution(&logits, None).unwrap()[0].id,
            2,
            "1 would continue"
        );
        let only_one = [0b10];
        assert_eq!(
            sampler.distribution(&logits, Some(&only_one)).unwrap()[0].id,
            1,
            "nothing else is allowed"
        );
        assert_eq!(sampler.sample(&logits, None).unwrap(), 2);
        assert_eq!(sampler.loop_period(), None, "the run has ended");
    }

    #[test]
    fn settings_out_of_range_are_named() {
        for (sampling, key) in [
            (
                Sampling {
                    temperature: -1.0,
                    ..Sampling::default()
                },
                "temperature",
            ),
            (
                Sampling {
                    temperature: f32::NAN,
                    ..Sampling::default()
                },
                "temperature",
            ),
            (
                Sampling {
                    top_p: 0.0,
                    ..Sampling::default()
                },
                "top_p",
            ),
            (
                Sampling {
                    top_p: 1.1,
                    ..Sampling::default()
                },
                "top_p",
            ),
            (
                Sampling {
                    repetition_penalty: 0.0,
                    ..Sampling::default()
                },
                "repetition_penalty",
            ),
        ] {
            let line = Sampler::new(sampling).unwrap_err().to_string();
            assert!(line.contains(key), "{line}");
        }
    }
}
