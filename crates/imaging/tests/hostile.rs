//! No bytes make it panic, and what comes out of it is always a picture within bounds.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::path::Path;

use imaging::Options;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const SEEDS: [&str; 12] = [
    "progressive.jpg",
    "cmyk.jpg",
    "metadata.jpg",
    "orient-5.jpg",
    "rgb-16bit.png",
    "palette-transparent.png",
    "gray-alpha.png",
    "orient-6.png",
    "lossy.webp",
    "animated.webp",
    "orient-8.webp",
    "animated.gif",
];

fn seed(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name),
    )
    .unwrap()
}

fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
    let options = Options {
        max_pixels: 1_000_000,
        longest_edge: 64,
        ..Options::default()
    };
    let _ = imaging::inspect(bytes);
    if let Ok(found) = imaging::prepare(bytes, &options) {
        prop_assert!(found.width.max(found.height) <= 64);
        let header =
            imaging::sniff(&found.bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!((header.width, header.height), (found.width, found.height));
        let left = imaging::inspect(&found.bytes).map(|inspected| inspected.metadata);
        prop_assert_eq!(left.unwrap_or_default(), vec![]);
    }
    Ok(())
}

proptest! {
    // The same cases in every run: a test that fails by chance helps nobody; fuzzing looks further.
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        check(&bytes)?;
    }

    #[test]
    fn a_picture_with_wrong_bytes(
        name in prop::sample::select(&SEEDS[..]),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = seed(name);
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        check(&bytes)?;
    }

    #[test]
    fn a_picture_that_is_cut_and_goes_on_as_another(
        first in prop::sample::select(&SEEDS[..]),
        second in prop::sample::select(&SEEDS[..]),
        at in any::<prop::sample::Index>(),
    ) {
        let mut bytes = seed(first);
        bytes.truncate(at.index(bytes.len()));
        bytes.extend(seed(second));
        check(&bytes)?;
    }
}
