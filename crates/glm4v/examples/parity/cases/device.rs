//! Where the checks are computed.

use anyhow::{Context, Result, bail};
use candle_core::{Device, utils};

/// The device of a name such as `cpu`, `cuda` or `cuda:1`.
pub fn device(name: &str) -> Result<Device> {
    if name == "cpu" {
        return Ok(Device::Cpu);
    }
    let ordinal = match name.strip_prefix("cuda") {
        Some("") => Some(0),
        Some(rest) => rest.strip_prefix(':').and_then(|n| n.parse::<usize>().ok()),
        None => None,
    };
    let Some(ordinal) = ordinal else {
        bail!("`{name}` is no device: take cpu, cuda or cuda:N");
    };
    // Tells what was compiled in, not whether there is a GPU.
    if !utils::cuda_is_available() {
        bail!("`{name}` cannot be used: this program was built without the feature `cuda`");
    }
    Device::new_cuda(ordinal)
        .with_context(|| format!("`{name}` cannot be used: there is no such GPU"))
}
