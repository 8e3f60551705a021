//! What NVIDIA's management library tells of the GPU, when it is there.

use crate::telemetry::Metrics;

#[cfg(feature = "cuda")]
mod nvml {
    use std::sync::OnceLock;

    use nvml_wrapper::Nvml;

    /// The library is opened once; where there is none, nothing is told.
    fn library() -> Option<&'static Nvml> {
        static NVML: OnceLock<Option<Nvml>> = OnceLock::new();
        NVML.get_or_init(|| Nvml::init().ok()).as_ref()
    }

    /// Used and total bytes, and percent of time in which it computed.
    pub(super) fn read() -> Option<(u64, u64, Option<u32>)> {
        let device = library()?.device_by_index(0).ok()?;
        let memory = device.memory_info().ok()?;
        let busy = device.utilization_rates().ok().map(|rates| rates.gpu);
        Some((memory.used, memory.total, busy))
    }
}

/// Bytes that are free on the GPU.
pub(super) fn free_bytes() -> Option<u64> {
    #[cfg(feature = "cuda")]
    return nvml::read().map(|(used, total, _)| total.saturating_sub(used));
    #[cfg(not(feature = "cuda"))]
    None
}

/// Tells the GPU's numbers, when there are any.
pub(super) fn measure(metrics: &Metrics) {
    #[cfg(feature = "cuda")]
    if let Some((used, total, busy)) = nvml::read() {
        metrics.set_gpu(used, total, busy);
    }
    #[cfg(not(feature = "cuda"))]
    let _ = metrics;
}
