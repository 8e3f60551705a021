//! Root-mean-square norms and the residual sums between them.

use candle_core::{DType, Tensor};
use candle_nn::ops::rms_norm;

use crate::Result;
use crate::cpu::rows::{self, Norms};
use crate::cpu::with_values;

/// How a model's norms are computed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm {
    /// Added to the mean of squares.
    pub(crate) eps: f32,
    /// On a CPU in float32, sums and norms pass over the memory once.
    pub(crate) fused: bool,
}

impl Norm {
    /// `x` (`[n, width]`) normed by rows, times `weight` (`[width]`).
    pub(crate) fn of(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        if !self.fused {
            return Ok(rms_norm(&x.contiguous()?, weight, self.eps)?);
        }
        let out = with_values(x, |x| with_values(weight, |w| rows::norm(x, w, self.eps)))??;
        Ok(Tensor::from_vec(out, x.dims2()?, x.device())?)
    }

    /// `x + y`, with `y` normed by `post` before.
    pub(crate) fn add(&self, x: &Tensor, y: &Tensor, post: Option<&Tensor>) -> Result<Tensor> {
        if self.fused {
            return Ok(self.residual(x, y, post, None)?.0);
        }
        match post {
            Some(post) => Ok((x + rms_norm(y, post, self.eps)?)?),
            None => Ok((x + y)?),
        }
    }

    /// As [`add`](Self::add), and the sum normed by `next`.
    pub(crate) fn add_and_norm(
        &self,
        x: &Tensor,
        y: &Tensor,
        post: Option<&Tensor>,
        next: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        if self.fused {
            return self.residual(x, y, post, Some(next));
        }
        let sum = self.add(x, y, post)?;
        let normed = self.of(&sum, next)?;
        Ok((sum, normed))
    }

    fn residual(
        &self,
        x: &Tensor,
        y: &Tensor,
        post: Option<&Tensor>,
        next: Option<&Tensor>,
    ) -> Result<(Tensor, Tensor)> {
        let (n, width) = x.dims2()?;
        let nothing = Tensor::zeros(0, DType::F32, x.device())?;
        let (sum, out) = with_values(x, |x| {
            with_values(y, |y| {
                with_values(post.unwrap_or(&nothing), |post| {
                    with_values(next.unwrap_or(&nothing), |next| {
                        let eps = self.eps;
                        rows::residual(x, y, width, Norms { post, next, eps })
                    })
                })
            })
        })????;
        let normed = if out.is_empty() {
            nothing
        } else {
            Tensor::from_vec(out, (n, width), x.device())?
        };
        Ok((Tensor::from_vec(sum, (n, width), x.device())?, normed))
    }
}
