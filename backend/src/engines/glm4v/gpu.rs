//! What NVIDIA's management library tells of the GPU, when it is there.

use crate::telemetry::Metrics;

/// Which card CUDA calls the first, by the names that the library has for it.
#[cfg(any(feature = "cuda", test))]
#[derive(Debug, Clone, PartialEq, Eq)]
enum First {
    /// By its place on the machine's buses.
    Index(u32),
    /// By the beginning of its UUID.
    Uuid(String),
}

/// Reads `CUDA_VISIBLE_DEVICES`, which the library does not: a list of indices or of UUIDs, which ends where it makes no
/// sense. None when CUDA sees no card.
#[cfg(any(feature = "cuda", test))]
fn first(visible: Option<&str>) -> Option<First> {
    let Some(visible) = visible else {
        return Some(First::Index(0));
    };
    let name = visible.split(',').next().unwrap_or_default().trim();
    if let Ok(index) = name.parse() {
        return Some(First::Index(index));
    }
    let is_uuid = ["GPU-", "MIG-"].iter().any(|kind| name.starts_with(kind));
    is_uuid.then(|| First::Uuid(name.to_owned()))
}

#[cfg(feature = "cuda")]
mod nvml {
    use std::sync::OnceLock;

    use nvml_wrapper::{Device, Nvml};

    use super::{First, first};
    use crate::config;

    /// The library is opened once; where there is none, nothing is told.
    fn library() -> Option<&'static Nvml> {
        static NVML: OnceLock<Option<Nvml>> = OnceLock::new();
        NVML.get_or_init(|| Nvml::init().ok()).as_ref()
    }

    /// The card that the model is on.
    fn device(library: &'static Nvml) -> Option<Device<'static>> {
        static FIRST: OnceLock<Option<First>> = OnceLock::new();
        let found = FIRST.get_or_init(|| first(config::visible_gpus().as_deref()));
        match found.as_ref()? {
            First::Index(index) => library.device_by_index(*index).ok(),
            First::Uuid(uuid) => {
                let all = 0..library.device_count().ok()?;
                let mut all = all.filter_map(|index| library.device_by_index(index).ok());
                let begins =
                    |device: &Device<'_>| device.uuid().is_ok_and(|whole| whole.starts_with(uuid));
                // A part of a card has a UUID, and no index of its own.
                all.find(begins)
                    .or_else(|| library.device_by_uuid(uuid.as_str()).ok())
            }
        }
    }

    /// Used and total bytes, and percent of time in which it computed.
    pub(super) fn read() -> Option<(u64, u64, Option<u32>)> {
        let device = device(library()?)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_card_is_the_one_that_cuda_sees_first() {
        let index = |index| Some(First::Index(index));
        let uuid = |uuid: &str| Some(First::Uuid(uuid.to_owned()));
        for (visible, expected) in [
            (None, index(0)),
            (Some("3"), index(3)),
            (Some(" 2, 0"), index(2)),
            (Some("GPU-8f2a,GPU-11"), uuid("GPU-8f2a")),
            (Some("MIG-4c1d"), uuid("MIG-4c1d")),
            (Some(""), None),
            (Some("-1"), None),
            (Some("none,0"), None),
        ] {
            assert_eq!(first(visible), expected, "{visible:?}");
        }
    }
}
