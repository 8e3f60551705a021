//! The one place through which every weight multiplication goes: dense, or quantised while loading.
//!
//! A quantised weight is made row by row from the stored one, so that the peak of memory is the sum of the quantised
//! weights and a few rows; nothing is calibrated, and no second copy of a weight stays.
//!
//! ```no_run
//! use glm4v::{LoadOptions, Model, Scheme};
//!
//! # fn load(dir: &std::path::Path) -> glm4v::Result<Model> {
//! let options = LoadOptions { quantise: Some(Scheme::Q8_0), ..LoadOptions::default() };
//! let model = Model::load(dir, &options)?;
//! println!("{:.1} GB", model.bytes() as f64 / 1e9);
//! # Ok(model)
//! # }
//! ```

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use crate::cpu;
use crate::cpu::matrix::{MANY, Packed, Precision, multiply_by_parts};
use crate::lora::Adapted;
use crate::tensors::bytes;
use crate::{Error, Result};

/// How the decoder's weights are held. The vision tower and the token embedding are never quantised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// 8.5 bits a weight, in blocks of 32; no loss that a reader would notice.
    Q8_0,
    /// 6.5625 bits a weight, in blocks of 256.
    Q6K,
    /// 5.5 bits a weight, in blocks of 256.
    Q5K,
    /// 4.5 bits a weight, in blocks of 256.
    Q4K,
}

impl Scheme {
    /// Every scheme, from the largest to the smallest.
    pub const ALL: [Self; 4] = [Self::Q8_0, Self::Q6K, Self::Q5K, Self::Q4K];

    /// The block format for a weight whose rows have `columns` values, or `None` when it stays dense.
    ///
    /// Blocks of 256 do not fit 13 696 columns, which `down_proj` has at full size: such a weight becomes `q8_0`,
    /// whose blocks have 32 values. The smaller formats of 32 are no choice: candle's `q4_0` multiplies many rows ten
    /// times slower than `q8_0` on a CPU.
    pub fn block_format(self, columns: usize) -> Option<GgmlDType> {
        let wanted = match self {
            Self::Q8_0 => GgmlDType::Q8_0,
            Self::Q6K => GgmlDType::Q6K,
            Self::Q5K => GgmlDType::Q5K,
            Self::Q4K => GgmlDType::Q4K,
        };
        [wanted, GgmlDType::Q8_0]
            .into_iter()
            .find(|format| columns.is_multiple_of(format.block_size()))
    }

    /// The scheme of the head: never below 8 bits, since every token is chosen from its output.
    #[must_use]
    pub fn of_the_head(self) -> Self {
        Self::Q8_0
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Q8_0 => "q8_0",
            Self::Q6K => "q6k",
            Self::Q5K => "q5k",
            Self::Q4K => "q4k",
        })
    }
}

impl FromStr for Scheme {
    type Err = Error;

    /// Reads the name that [`Display`](fmt::Display) writes, in any case.
    fn from_str(name: &str) -> Result<Self> {
        let lower = name.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.to_string() == lower)
            .ok_or_else(|| {
                Error::input(
                    "quantise",
                    format!("`{name}` is none of q8_0, q6k, q5k, q4k"),
                )
            })
    }
}

/// A matrix of weights, `[out, in]`.
#[derive(Debug, Clone)]
pub(crate) enum Weight {
    /// In the type that the model computes in.
    Dense(Tensor),
    /// In float32 or bfloat16, laid out for a CPU; multiplied with float32 activations.
    Packed(Arc<Packed>),
    /// In blocks; multiplied with float32 activations, which a CPU quantises when they are few rows, and may round to
    /// bfloat16 when they are many.
    Quantised(Arc<QTensor>),
}

impl Weight {
    /// Rows, which are the outputs.
    fn rows(&self) -> usize {
        match self {
            Self::Dense(weight) => weight.dims().first().copied().unwrap_or(0),
            Self::Packed(weight) => weight.outputs(),
            Self::Quantised(weight) => weight.shape().dims().first().copied().unwrap_or(0),
        }
    }

    /// Bytes that the weight itself occupies.
    fn bytes(&self) -> usize {
        match self {
            Self::Dense(weight) => bytes(weight),
            Self::Packed(weight) => weight.bytes(),
            Self::Quantised(weight) => weight.storage_size_in_bytes(),
        }
    }

    /// `[n, in]` to `[n, out]`, in the type of `x`.
    fn matmul(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Dense(weight) => Ok(x.matmul(&weight.t()?)?),
            Self::Packed(weight) => {
                let y = cpu::with_values(x, |x| weight.multiply(x))?;
                Ok(Tensor::from_vec(
                    y,
                    (x.dim(0)?, weight.outputs()),
                    x.device(),
                )?)
            }
            Self::Quantised(weight) if x.device().is_cpu() && x.dim(0)? >= MANY => {
                let wide = x.to_dtype(DType::F32)?;
                let y = cpu::with_values(&wide, |x| multiply_unpacked(weight, x))??;
                let y = Tensor::from_vec(y, (x.dim(0)?, self.rows()), x.device())?;
                Ok(y.to_dtype(x.dtype())?)
            }
            Self::Quantised(weight) => {
                let dtype = x.dtype();
                let y = x
                    .to_dtype(DType::F32)?
                    .contiguous()?
                    .apply_op1_no_bwd(weight.as_ref())?;
                Ok(y.to_dtype(dtype)?)
            }
        }
    }
}

/// Lays out `weight` (`[rows, columns]`, any float type, on the CPU) in `precision`.
///
/// # Errors
/// [`Error::Candle`] when it is no matrix.
pub(crate) fn pack(weight: &Tensor, precision: Precision) -> Result<Packed> {
    let (_, columns) = weight.dims2()?;
    let wide = weight.to_dtype(DType::F32)?;
    Ok(cpu::with_values(&wide, |values| {
        Packed::f32(precision, values, columns)
    })?)
}

/// Quantises `weight` (`[rows, columns]`, any float type, on the CPU) on to `device`, with all cores.
///
/// # Errors
/// [`Error::Candle`] when `columns` is no multiple of the format's block.
pub(crate) fn quantise(weight: &Tensor, format: GgmlDType, device: &Device) -> Result<QTensor> {
    let (rows, columns) = weight.dims2()?;
    // Blocks never cross a row, so rows can be quantised apart and their bytes joined.
    let step = rows.div_ceil(4 * rayon::current_num_threads()).max(1);
    let parts = (0..rows.div_ceil(step))
        .into_par_iter()
        .map(|part| {
            let start = part * step;
            let some = weight.narrow(0, start, step.min(rows - start))?;
            // `QTensor::quantize` takes a tensor's storage from its beginning, whatever the view: it needs its own.
            let some = match some.dtype() {
                DType::F32 => some.force_contiguous()?,
                _ => some.to_dtype(DType::F32)?,
            };
            let some = QTensor::quantize(&some, format)?;
            Ok(some.data()?.into_owned())
        })
        .collect::<candle_core::Result<Vec<Vec<u8>>>>()?;
    let storage = QStorage::from_data(Cow::Owned(parts.concat()), device, format)?;
    Ok(QTensor::new(storage, (rows, columns))?)
}

/// `[n, columns]` to `[n, rows]` by a weight in blocks: each part of it is unpacked once, for all rows of `x`.
///
/// candle's own products read every block anew for each row, which is best when there are few.
fn multiply_unpacked(weight: &QTensor, x: &[f32]) -> Result<Vec<f32>> {
    let (rows, columns) = weight.shape().dims2()?;
    let (format, data) = (weight.dtype(), weight.data()?);
    let bytes = |values: usize| values / format.block_size() * format.type_size();
    let row_bytes = bytes(columns);
    multiply_by_parts(x, columns, rows, |outputs, inputs, values| {
        let count = inputs.len();
        let place = bytes(inputs.start)..bytes(inputs.end);
        let parts = data
            .chunks(row_bytes)
            .skip(outputs.start)
            .take(outputs.len())
            .map(|row| row.get(place.clone()).unwrap_or_default());
        if let Some(unpack) = cpu::blocks::unpacking(format) {
            for (part, values) in parts.zip(values.chunks_mut(count)) {
                unpack(part, values);
            }
            return Ok(());
        }
        let parts: Vec<u8> = parts.flatten().copied().collect();
        let some = QStorage::from_data(Cow::Owned(parts), &Device::Cpu, format)?;
        let some = QTensor::new(some, (outputs.len(), count))?.dequantize(&Device::Cpu)?;
        Ok(cpu::with_values(&some, |some| {
            values.copy_from_slice(some);
        })?)
    })
}

/// A stretch of a [`Linear`]'s outputs that the checkpoint knows under its own name.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// The module's name in the checkpoint, without `.weight`.
    pub(crate) path: String,
    /// How many outputs.
    pub(crate) rows: usize,
}

/// `x W^T + b`, with what the adapters of its rows add.
#[derive(Debug, Clone)]
pub(crate) struct Linear {
    weights: Vec<Weight>,
    bias: Option<Tensor>,
    parts: Vec<Part>,
}

impl Linear {
    /// One multiplication over `weights`, whose outputs stand side by side; `parts` name them for adapters.
    pub(crate) fn new(weights: Vec<Weight>, bias: Option<Tensor>, parts: Vec<Part>) -> Self {
        debug_assert_eq!(
            weights.iter().map(Weight::rows).sum::<usize>(),
            parts.iter().map(|part| part.rows).sum::<usize>()
        );
        Self {
            weights,
            bias,
            parts,
        }
    }

    /// Bytes of weight and bias.
    pub(crate) fn bytes(&self) -> usize {
        let bias = self.bias.as_ref().map_or(0, bytes);
        self.weights.iter().map(Weight::bytes).sum::<usize>() + bias
    }

    /// `[n, in]` to `[n, out]`; `adapted` says which of the `n` rows have an adapter.
    pub(crate) fn forward(&self, x: &Tensor, adapted: &Adapted<'_>) -> Result<Tensor> {
        Ok(match self.without_bias(x, adapted)? {
            (y, Some(bias)) => y.broadcast_add(bias)?,
            (y, None) => y,
        })
    }

    /// As [`forward`](Self::forward), with the bias still to be added, for those who pass over the result anyway.
    pub(crate) fn without_bias(
        &self,
        x: &Tensor,
        adapted: &Adapted<'_>,
    ) -> Result<(Tensor, Option<&Tensor>)> {
        let mut y = match self.weights.as_slice() {
            [weight] => weight.matmul(x)?,
            weights => {
                let pieces = weights
                    .iter()
                    .map(|weight| weight.matmul(x))
                    .collect::<Result<Vec<_>>>()?;
                Tensor::cat(&pieces, 1)?.contiguous()?
            }
        };
        if !adapted.is_empty() {
            y = adapted.add_to(y, x, &self.parts)?;
        }
        Ok((y, self.bias.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::random;

    #[test]
    fn the_names_of_schemes_are_read_back() {
        for scheme in Scheme::ALL {
            assert_eq!(scheme.to_string().parse::<Scheme>().unwrap(), scheme);
        }
        let error = "int3".parse::<Scheme>().unwrap_err().to_string();
        assert_eq!(error, "quantise: `int3` is none of q8_0, q6k, q5k, q4k");
    }

    #[test]
    fn a_width_that_no_block_of_256_fits_becomes_q8_0() {
        assert_eq!(Scheme::Q4K.block_format(4096), Some(GgmlDType::Q4K));
        assert_eq!(Scheme::Q4K.block_format(13696), Some(GgmlDType::Q8_0));
        assert_eq!(Scheme::Q4K.block_format(24), None);
    }

    #[test]
    fn quantising_in_parts_gives_the_bytes_of_the_whole() {
        let weight = random(1, (37, 256), 0.5, DType::F32).unwrap();
        for scheme in Scheme::ALL {
            let format = scheme.block_format(256).unwrap();
            let ours = quantise(&weight, format, &Device::Cpu).unwrap();
            let whole = QTensor::quantize(&weight, format).unwrap();
            assert_eq!(ours.data().unwrap(), whole.data().unwrap(), "{scheme}");
            assert_eq!(ours.shape(), whole.shape());
        }
    }

    #[test]
    fn a_quantised_product_stays_near_the_dense_one() {
        let weight = random(2, (96, 512), 1.0, DType::F32).unwrap();
        // Few rows, and as many as are multiplied in another way.
        for rows in [5, MANY - 1, MANY, 131] {
            let x = random(3, (rows, 512), 1.0, DType::F32).unwrap();
            near_the_dense_one(&weight, &x);
        }
    }

    #[track_caller]
    fn near_the_dense_one(weight: &Tensor, x: &Tensor) {
        let dense = Weight::Dense(weight.clone()).matmul(x).unwrap();
        let spread = dense.sqr().unwrap().mean_all().unwrap();
        let spread = spread.to_scalar::<f32>().unwrap().sqrt();
        // Measured: 0.007, 0.02, 0.04, 0.08; the bounds leave room for the activations' rounding on other processors.
        for (scheme, bound) in Scheme::ALL.into_iter().zip([0.02, 0.04, 0.08, 0.16]) {
            let format = scheme.block_format(512).unwrap();
            let ours = Weight::Quantised(Arc::new(quantise(weight, format, &Device::Cpu).unwrap()));
            let off = (ours.matmul(x).unwrap() - &dense).unwrap().sqr().unwrap();
            let off = off.mean_all().unwrap().to_scalar::<f32>().unwrap().sqrt() / spread;
            assert!(off < bound, "{scheme}: {off}");
            assert!(off > bound / 100.0, "{scheme} lost nothing: {off}");
        }
    }
}
