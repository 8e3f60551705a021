//! M-RoPE: every token has a position on three axes, and the rotation deals its frequencies out to them.

use candle_core::{DType, Device, Tensor};

use crate::config::TextConfig;
use crate::{Error, Result};

/// Positions of a prompt's tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// Temporal, height, width; each as long as the prompt.
    pub axes: [Vec<u32>; 3],
    /// Largest position plus one, less the number of tokens: decoded token `i` of a prompt of `n` stands at
    /// `n + i + delta` on all axes. An image makes it negative, since its rows share positions.
    pub delta: i64,
    /// Where each image's tokens begin, and how many they are.
    pub images: Vec<(usize, usize)>,
}

impl Positions {
    /// Positions of `ids`, in which the tokens of the images `grids` (in patches) are `image_token_id`.
    ///
    /// Text counts up on all axes. An image of merged size `h x w` that starts at `p` has `(p, p + row, p + column)`,
    /// and what follows continues at `p + max(h, w)`, not at the token count.
    ///
    /// # Errors
    /// [`Error::Input`] when the image tokens in `ids` are not those that `grids` make.
    ///
    /// Source: `Glm4vModel.get_rope_index` of the reference.
    pub fn new(
        ids: &[u32],
        image_token_id: u32,
        grids: &[[usize; 3]],
        merge: usize,
    ) -> Result<Self> {
        let mut axes = [(); 3].map(|()| Vec::with_capacity(ids.len()));
        let mut images = Vec::with_capacity(grids.len());
        let mut waiting = grids.iter();
        let mut next = 0_u32;
        let mut index = 0;
        while let Some(id) = ids.get(index) {
            if *id != image_token_id {
                for axis in &mut axes {
                    axis.push(next);
                }
                next += 1;
                index += 1;
                continue;
            }
            let [frames, rows, columns] = *waiting.next().ok_or_else(|| {
                Error::input(
                    "prompt",
                    format!(
                        "has an image token at {index} beyond its {} images",
                        grids.len()
                    ),
                )
            })?;
            let (rows, columns) = (rows / merge, columns / merge);
            let count = frames * rows * columns;
            let here = ids.iter().skip(index).take(count);
            let found = here.take_while(|id| **id == image_token_id).count();
            if found < count || count == 0 {
                return Err(Error::input(
                    "prompt",
                    format!("has {found} image tokens at {index} for an image of {count}"),
                ));
            }
            for frame in 0..frames {
                for row in 0..rows {
                    for column in 0..columns {
                        for (axis, offset) in axes.iter_mut().zip([frame, row, column]) {
                            axis.push(next + offset as u32);
                        }
                    }
                }
            }
            images.push((index, count));
            next += frames.max(rows).max(columns) as u32;
            index += count;
        }
        if waiting.next().is_some() {
            return Err(Error::input(
                "prompt",
                format!(
                    "has tokens for {} of its {} images",
                    images.len(),
                    grids.len()
                ),
            ));
        }
        Ok(Self {
            delta: i64::from(next) - ids.len() as i64,
            axes,
            images,
        })
    }
}

/// The frequencies of the rotation and the axis that each follows.
#[derive(Debug, Clone)]
pub(crate) struct Rotation {
    /// One for each neighbouring pair of rotated channels.
    frequencies: Vec<f32>,
    axis: Vec<usize>,
    /// Pairs in a head, rotated or not.
    pairs: usize,
}

/// Cosine and sine of every pair of channels of a head, `[tokens, head_dim / 2]` each.
///
/// Pairs that are not rotated have 1 and 0, so that one kernel turns whole heads.
#[derive(Debug, Clone)]
pub(crate) struct Angles {
    pub(crate) cos: Tensor,
    pub(crate) sin: Tensor,
}

impl Rotation {
    pub(crate) fn new(config: &TextConfig) -> Self {
        let rotary = config.rotary_dim();
        let frequencies = (0..rotary / 2).map(|pair| {
            let exponent = 2.0 * pair as f64 / rotary as f64;
            // Rounded like the reference's float32 tensor: positions are multiplied with the rounded value.
            (1.0 / config.rope_theta.powf(exponent)) as f32
        });
        let axes = config.mrope_section.iter().enumerate();
        Self {
            frequencies: frequencies.collect(),
            axis: axes
                .flat_map(|(axis, count)| std::iter::repeat_n(axis, *count))
                .collect(),
            pairs: config.head_dim() / 2,
        }
    }

    /// Angles of tokens at `positions`, each `[temporal, height, width]`.
    pub(crate) fn angles(
        &self,
        positions: &[[u32; 3]],
        dtype: DType,
        device: &Device,
    ) -> Result<Angles> {
        let mut cos = Vec::with_capacity(positions.len() * self.pairs);
        let mut sin = Vec::with_capacity(positions.len() * self.pairs);
        for position in positions {
            for (frequency, axis) in self.frequencies.iter().zip(&self.axis) {
                let at = position.get(*axis).copied().unwrap_or_default();
                let (s, c) = (at as f32 * frequency).sin_cos();
                cos.push(c);
                sin.push(s);
            }
            let rest = self.pairs - self.frequencies.len();
            cos.extend(std::iter::repeat_n(1.0, rest));
            sin.extend(std::iter::repeat_n(0.0, rest));
        }
        let shape = (positions.len(), self.pairs);
        let place = |values| -> Result<Tensor> {
            Ok(Tensor::from_vec(values, shape, device)?.to_dtype(dtype)?)
        };
        Ok(Angles {
            cos: place(cos)?,
            sin: place(sin)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: u32 = 9;

    #[test]
    fn text_counts_up_on_all_axes() {
        let positions = Positions::new(&[1, 2, 3], IMAGE, &[], 2).unwrap();
        assert_eq!(
            positions.axes,
            [vec![0, 1, 2], vec![0, 1, 2], vec![0, 1, 2]]
        );
        assert_eq!(positions.delta, 0);
    }

    #[test]
    fn an_image_spans_its_grid_and_text_follows_its_longer_side() {
        let ids = [1, IMAGE, IMAGE, IMAGE, IMAGE, IMAGE, IMAGE, 2];
        let positions = Positions::new(&ids, IMAGE, &[[1, 4, 6]], 2).unwrap();
        assert_eq!(positions.axes[0], [0, 1, 1, 1, 1, 1, 1, 4]);
        assert_eq!(positions.axes[1], [0, 1, 1, 1, 2, 2, 2, 4]);
        assert_eq!(positions.axes[2], [0, 1, 2, 3, 1, 2, 3, 4]);
        assert_eq!(positions.delta, 5 - 8);
        assert_eq!(positions.images, [(1, 6)]);
    }

    #[test]
    fn image_tokens_must_be_those_of_the_images() {
        #[track_caller]
        fn refused(ids: &[u32], grids: &[[usize; 3]], expect: &str) {
            let error = Positions::new(ids, IMAGE, grids, 2)
                .unwrap_err()
                .to_string();
            assert_eq!(error, expect);
        }
        refused(
            &[1, IMAGE],
            &[],
            "prompt: has an image token at 1 beyond its 0 images",
        );
        refused(
            &[1, IMAGE, 2],
            &[[1, 4, 2]],
            "prompt: has 1 image tokens at 1 for an image of 2",
        );
        refused(
            &[1, 2],
            &[[1, 2, 2]],
            "prompt: has tokens for 0 of its 1 images",
        );
        refused(
            &[IMAGE; 5],
            &[[1, 4, 4]],
            "prompt: has an image token at 4 beyond its 1 images",
        );
    }
}
