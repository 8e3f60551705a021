//! What memory there is, and what of it keys and values may take.

use std::path::Path;

use super::Unfit;

/// Elements by which a row's room grows, as `glm4v` takes it.
const STEP: usize = 64;

/// Bytes that this process may still take, as far as the system tells; `None` when it does not.
///
/// On Linux the lesser of what is available and what the control group leaves: a container sees its host's memory.
pub(super) fn free_of_host(root: &Path) -> Option<u64> {
    let available = std::fs::read_to_string(root.join("proc/meminfo"))
        .ok()
        .and_then(|text| available(&text));
    let group = || {
        let number = |name: &str| {
            let text = std::fs::read_to_string(root.join("sys/fs/cgroup").join(name)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        Some(number("memory.max")?.saturating_sub(number("memory.current")?))
    };
    match (available, group()) {
        (Some(host), Some(group)) => Some(host.min(group)),
        (host, group) => host.or(group),
    }
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// What is known before keys and values get their share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Demand {
    /// Bytes of one token's keys and values.
    pub(super) kv_per_token: usize,
    /// Tokens of a row, at most.
    pub(super) row_tokens: usize,
    /// Rows at a time, at most.
    pub(super) rows: usize,
    /// Bytes that prefixes and pictures may take besides.
    pub(super) kept: usize,
}

impl Demand {
    /// Bytes of a row that holds `tokens`.
    pub(super) fn row(&self, tokens: usize) -> usize {
        tokens
            .next_multiple_of(STEP)
            .saturating_mul(self.kv_per_token)
    }

    /// Bytes for the keys and values of all rows: what was asked for, or all that could be used, if half of what is
    /// free holds it. The other half is for the states of a step, and for the rest of the machine.
    ///
    /// # Errors
    /// [`Unfit`] when one row of the largest size does not fit.
    pub(super) fn budget(&self, asked: u64, free: Option<u64>) -> Result<usize, Unfit> {
        let one = self.row(self.row_tokens);
        let useful = one.saturating_mul(self.rows);
        let budget = match (asked, free) {
            (0, None) => useful,
            (0, Some(free)) => {
                let half = usize::try_from(free / 2).unwrap_or(usize::MAX);
                useful.min(half.saturating_sub(self.kept))
            }
            (asked, free) => {
                let wanted = asked.saturating_add(self.kept as u64);
                if let Some(free) = free.filter(|free| wanted > *free) {
                    return Err(Unfit(format!(
                        "glm4v.kv_bytes and the caches take {}, and {} are free beside the model: lower glm4v.kv_bytes, \
                         glm4v.prefix_cache_bytes or glm4v.image_cache_bytes",
                        gigabytes(wanted),
                        gigabytes(free)
                    )));
                }
                usize::try_from(asked).unwrap_or(usize::MAX)
            }
        };
        if budget >= one {
            return Ok(budget);
        }
        Err(Unfit(format!(
            "one request of glm4v.max_tokens = {} tokens takes {}, and {} are there for all: lower glm4v.max_tokens, free \
             memory, or choose a smaller --quantize",
            self.row_tokens,
            gigabytes(one as u64),
            gigabytes(budget as u64)
        )))
    }
}

/// Refuses weights that do not fit, before a minute is spent on loading them.
///
/// # Errors
/// [`Unfit`].
pub(super) fn check_weights(weights: usize, free: Option<u64>) -> Result<(), Unfit> {
    match free {
        Some(free) if weights as u64 > free => Err(Unfit(format!(
            "the model's weights take {}, and {} are free: choose a smaller --dtype or --quantize, or a larger machine",
            gigabytes(weights as u64),
            gigabytes(free)
        ))),
        _ => Ok(()),
    }
}

/// For a person: `20.6 GB`.
pub(super) fn gigabytes(bytes: u64) -> String {
    format!("{:.2} GB", bytes as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Demand = Demand {
        kv_per_token: 40_960,
        row_tokens: 16_384,
        rows: 8,
        kept: 1 << 30,
    };

    #[test]
    fn rows_get_what_they_can_use_within_half_of_what_is_free() {
        let one = 16_384 * 40_960;
        assert_eq!(FULL.budget(0, Some(80_000_000_000)).unwrap(), 8 * one);
        assert_eq!(
            FULL.budget(0, Some(8_000_000_000)).unwrap(),
            4_000_000_000 - (1 << 30)
        );
        assert_eq!(FULL.budget(0, None).unwrap(), 8 * one);
    }

    #[test]
    fn what_cannot_fit_is_one_line_that_says_what_to_do() {
        let lines = [
            FULL.budget(0, Some(2_000_000_000)).unwrap_err(),
            FULL.budget(100_000_000, None).unwrap_err(),
            FULL.budget(9_000_000_000, Some(9_500_000_000)).unwrap_err(),
            check_weights(20_585_554_944, Some(8_000_000_000)).unwrap_err(),
        ];
        let starts = [
            "one request of glm4v.max_tokens = 16384 tokens takes 0.67 GB",
            "one request of glm4v.max_tokens = 16384 tokens takes 0.67 GB, and 0.10 GB",
            "glm4v.kv_bytes and the caches take 10.07 GB, and 9.50 GB are free",
            "the model's weights take 20.59 GB, and 8.00 GB are free",
        ];
        for (line, start) in lines.iter().zip(starts) {
            let line = line.to_string();
            assert!(line.starts_with(start), "{line}");
            assert!(!line.contains('\n'));
        }
    }

    #[test]
    fn a_container_has_what_its_group_leaves() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(free_of_host(root.path()), None);
        std::fs::create_dir_all(root.path().join("proc")).unwrap();
        std::fs::write(
            root.path().join("proc/meminfo"),
            "MemTotal: 9 kB\nMemAvailable:   4096 kB\n",
        )
        .unwrap();
        assert_eq!(free_of_host(root.path()), Some(4096 * 1024));
        let group = root.path().join("sys/fs/cgroup");
        std::fs::create_dir_all(&group).unwrap();
        std::fs::write(group.join("memory.current"), "1000\n").unwrap();
        std::fs::write(group.join("memory.max"), "max\n").unwrap();
        assert_eq!(free_of_host(root.path()), Some(4096 * 1024));
        std::fs::write(group.join("memory.max"), "5000\n").unwrap();
        assert_eq!(free_of_host(root.path()), Some(4000));
    }
}
