//! Weights in the two commonest block formats, unpacked to float32 by loops that become wide registers.
//!
//! The formats are those of ggml: `q8_0` has 32 signed bytes behind a float16 scale; `q4k` has 256 values of four bits in
//! eight groups, each with a scale and an offset of six bits behind two float16 factors.

use candle_core::quantized::GgmlDType;
use half::f16;

const Q8_0_BYTES: usize = 34;
const Q4K_BYTES: usize = 144;

/// Writes the values of some blocks, one after the other.
type Unpack = fn(&[u8], &mut [f32]);

/// The loop that unpacks `format`, when there is one here.
pub(crate) fn unpacking(format: GgmlDType) -> Option<Unpack> {
    match format {
        GgmlDType::Q8_0 => Some(q8_0),
        GgmlDType::Q4K => Some(q4k),
        _ => None,
    }
}

widest! {
fn q8_0(blocks: &[u8], values: &mut [f32]) {
    let (blocks, _) = blocks.as_chunks::<Q8_0_BYTES>();
    let (values, _) = values.as_chunks_mut::<32>();
    for (block, values) in blocks.iter().zip(values) {
        let [low, high, quants @ ..] = block;
        let scale = f16::from_le_bytes([*low, *high]).to_f32();
        for (value, quant) in values.iter_mut().zip(quants) {
            *value = f32::from(quant.cast_signed()) * scale;
        }
    }
}
}

widest! {
fn q4k(blocks: &[u8], values: &mut [f32]) {
    let (blocks, _) = blocks.as_chunks::<Q4K_BYTES>();
    let (values, _) = values.as_chunks_mut::<256>();
    for (block, values) in blocks.iter().zip(values) {
        let [d0, d1, m0, m1, rest @ ..] = block;
        let d = f16::from_le_bytes([*d0, *d1]).to_f32();
        let least = f16::from_le_bytes([*m0, *m1]).to_f32();
        let Some((packed, quants)) = rest.split_first_chunk::<12>() else {
            return;
        };
        let (scales, offsets) = six_bits(packed);
        // Groups come in pairs: the lower halves of 32 bytes, then the upper.
        let (quants, _) = quants.as_chunks::<32>();
        let (pairs, _) = values.as_chunks_mut::<64>();
        let (scales, _) = scales.as_chunks::<2>();
        let (offsets, _) = offsets.as_chunks::<2>();
        for (((quants, values), scales), offsets) in quants.iter().zip(pairs).zip(scales).zip(offsets) {
            let [low_scale, high_scale] = scales.map(|scale| d * f32::from(scale));
            let [low_offset, high_offset] = offsets.map(|offset| least * f32::from(offset));
            let (low, high) = values.split_at_mut(32);
            for ((low, high), quant) in low.iter_mut().zip(high).zip(quants) {
                *low = low_scale * f32::from(quant & 15) - low_offset;
                *high = high_scale * f32::from(quant >> 4) - high_offset;
            }
        }
    }
}
}

/// Eight scales and eight offsets: the first four have their six bits whole, the others in parts.
#[inline(always)]
fn six_bits(packed: &[u8; 12]) -> ([u8; 8], [u8; 8]) {
    let [s0, s1, s2, s3, o0, o1, o2, o3, r0, r1, r2, r3] = *packed;
    let (first, second, rest) = ([s0, s1, s2, s3], [o0, o1, o2, o3], [r0, r1, r2, r3]);
    let mut scales = [0; 8];
    let mut offsets = [0; 8];
    for (at, ((s, o), r)) in first.into_iter().zip(second).zip(rest).enumerate() {
        let places = scales.iter_mut().zip(&mut offsets).skip(at).step_by(4);
        let wholes = [
            (s & 63, o & 63),
            (r & 15 | s >> 6 << 4, r >> 4 | o >> 6 << 4),
        ];
        for ((scale, offset), whole) in places.zip(wholes) {
            (*scale, *offset) = whole;
        }
    }
    (scales, offsets)
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::QTensor;
    use candle_core::{DType, Device};

    use super::*;
    use crate::testing::random;

    #[test]
    fn blocks_are_unpacked_to_what_candle_makes_of_them() {
        let weight = random(1, (9, 1024), 3.0, DType::F32).unwrap();
        for format in [GgmlDType::Q8_0, GgmlDType::Q4K] {
            let blocks = QTensor::quantize(&weight, format).unwrap();
            let expect = blocks.dequantize(&Device::Cpu).unwrap();
            let expect: Vec<f32> = expect.flatten_all().unwrap().to_vec1().unwrap();
            let mut found = vec![0.0; expect.len()];
            unpacking(format).unwrap()(&blocks.data().unwrap(), &mut found);
            for (found, expect) in found.iter().zip(&expect) {
                assert!(
                    (found - expect).abs() < 1e-6,
                    "{format:?}: {found} and {expect}"
                );
            }
        }
    }
}
