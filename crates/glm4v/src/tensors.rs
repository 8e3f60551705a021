//! What several parts ask of tensors.

use candle_core::Tensor;

use crate::Result;

/// Bytes of its elements.
pub(crate) fn bytes(tensor: &Tensor) -> usize {
    tensor.elem_count() * tensor.dtype().size_in_bytes()
}

/// The rows of all, one after the other; one alone is not copied.
pub(crate) fn joined(parts: &[Tensor]) -> Result<Tensor> {
    match parts {
        [one] => Ok(one.clone()),
        many => Ok(Tensor::cat(many, 0)?),
    }
}
