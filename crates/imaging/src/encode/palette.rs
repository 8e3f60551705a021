//! A picture that a program drew, as at most 256 colours.
//!
//! What is drawn has few colours and, once made smaller, some thousand blends of them along its edges. Cutting the cloud
//! of colours where it spreads most (Heckbert, "Color image quantization for frame buffer display", 1982, with the sum of
//! squares as the measure) loses less than a JPEG does, and every letter keeps its hard edge.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use crate::pixels::Pixels;

/// What a palette holds at most.
const COLORS: usize = 256;

/// With more blends than this a picture is no drawing.
const BLENDS: usize = 20_000;

/// A picture as indices into a palette.
pub(super) struct Indexed {
    pub(super) palette: Vec<[u8; 3]>,
    pub(super) indices: Vec<u8>,
    /// Mean of the squared differences to the picture, over all pixels and channels.
    pub(super) error: f64,
}

/// A colour of the picture.
#[derive(Clone)]
struct Blend {
    color: [u8; 3],
    count: u32,
    /// Its place in the order of appearance.
    place: usize,
}

/// None when the picture has too many colours.
pub(super) fn reduce(pixels: &Pixels) -> Option<Indexed> {
    let (mut blends, places) = blends(pixels)?;
    let boxes = cut(&mut blends);
    let mut of_place = vec![0; blends.len()];
    let mut palette = Vec::with_capacity(boxes.len());
    let mut squares = 0.0;
    for (index, part) in boxes.iter().enumerate() {
        let part = blends.get(part.from..part.to)?;
        let mean = Spread::of(part).mean();
        for blend in part {
            *of_place.get_mut(blend.place)? = u8::try_from(index).ok()?;
            squares += f64::from(distance(blend.color, mean)) * f64::from(blend.count);
        }
        palette.push(mean);
    }
    let indices = places
        .iter()
        .map(|place| of_place.get(*place as usize).copied().unwrap_or_default())
        .collect::<Vec<u8>>();
    let error = squares / (indices.len().max(1) * 3) as f64;
    Some(Indexed {
        palette,
        indices,
        error,
    })
}

fn distance(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.into_iter()
        .zip(b)
        .map(|(a, b)| u32::from(a.abs_diff(b)).pow(2))
        .sum()
}

/// Each colour once, and for each pixel which of them it has.
fn blends(pixels: &Pixels) -> Option<(Vec<Blend>, Vec<u32>)> {
    let mut known: HashMap<[u8; 3], u32, BuildHasherDefault<Mix>> = HashMap::default();
    let mut blends: Vec<Blend> = Vec::new();
    let mut places = Vec::with_capacity(pixels.width as usize * pixels.height as usize);
    let mut last = None;
    for color in pixels.rgb() {
        let place = match last {
            Some((known, place)) if known == color => place,
            _ => *known.entry(color).or_insert_with(|| {
                let place = blends.len();
                blends.push(Blend {
                    color,
                    count: 0,
                    place,
                });
                place as u32
            }),
        };
        if blends.len() > BLENDS {
            return None;
        }
        blends.get_mut(place as usize)?.count += 1;
        places.push(place);
        last = Some((color, place));
    }
    Some((blends, places))
}

/// Three bytes need no defence: nobody gains from a slow picture of his own, and its colours are bounded.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

/// A run of blends that shares one colour of the palette.
struct Part {
    from: usize,
    to: usize,
    /// The sum of squared differences from its mean along the widest channel, and that channel.
    spread: f64,
    channel: usize,
}

/// Sorts `blends` into at most [`COLORS`] runs, cutting again and again the one that spreads most.
fn cut(blends: &mut [Blend]) -> Vec<Part> {
    let mut parts = vec![Part::of(blends, 0, blends.len())];
    while parts.len() < COLORS {
        let widest = parts
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| a.spread.total_cmp(&b.spread))
            .filter(|(_, part)| part.spread > 0.5)
            .map(|(index, _)| index);
        let Some(index) = widest else { break };
        let Some((first, second)) = parts.get(index).and_then(|part| part.halve(blends)) else {
            break;
        };
        if let Some(place) = parts.get_mut(index) {
            *place = first;
        }
        parts.push(second);
    }
    parts
}

impl Part {
    fn of(blends: &[Blend], from: usize, to: usize) -> Self {
        let spread = Spread::of(blends.get(from..to).unwrap_or_default());
        let (channel, spread) = spread.widest();
        Self {
            from,
            to,
            spread,
            channel,
        }
    }

    /// Cuts at the mean of the widest channel; both halves hold something.
    fn halve(&self, blends: &mut [Blend]) -> Option<(Self, Self)> {
        let run = blends.get_mut(self.from..self.to)?;
        let value = |blend: &Blend| blend.color.get(self.channel).copied().unwrap_or_default();
        let mean = Spread::of(run).exact_mean(self.channel);
        run.sort_unstable_by_key(|blend| (value(blend), blend.color));
        let below = run.partition_point(|blend| f64::from(value(blend)) <= mean);
        let middle = self.from + below.clamp(1, run.len().checked_sub(1)?.max(1));
        (middle < self.to).then(|| {
            (
                Self::of(blends, self.from, middle),
                Self::of(blends, middle, self.to),
            )
        })
    }
}

/// Weighted sums of colours.
#[derive(Default)]
struct Spread {
    count: f64,
    sums: [f64; 3],
    squares: [f64; 3],
}

impl Spread {
    fn of(blends: &[Blend]) -> Self {
        let mut spread = Self::default();
        for blend in blends {
            let count = f64::from(blend.count);
            spread.count += count;
            for ((sum, square), value) in spread
                .sums
                .iter_mut()
                .zip(&mut spread.squares)
                .zip(blend.color)
            {
                let value = f64::from(value);
                *sum += count * value;
                *square += count * value * value;
            }
        }
        spread
    }

    fn exact_mean(&self, channel: usize) -> f64 {
        self.sums.get(channel).copied().unwrap_or_default() / self.count.max(1.0)
    }

    fn mean(&self) -> [u8; 3] {
        self.sums.map(|sum| (sum / self.count.max(1.0) + 0.5) as u8)
    }

    fn widest(&self) -> (usize, f64) {
        self.sums
            .iter()
            .zip(&self.squares)
            .map(|(sum, square)| square - sum * sum / self.count.max(1.0))
            .enumerate()
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map_or((0, 0.0), |(channel, spread)| (channel, spread.max(0.0)))
    }
}
