//! Pictures to patches, beyond what the reference's cases show: other sizes, other configurations, refusals.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on may panic, in its helpers too"
)]

mod common;

use glm4v::processor::{PreprocessorConfig, Processor, Rgb, smart_resize};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn config(json: &str) -> PreprocessorConfig {
    serde_json::from_str(json).unwrap()
}

fn noise(rng: &mut ChaCha8Rng, width: usize, height: usize) -> Rgb {
    // Blocks of one colour between single pixels: hard edges are where a filter's lobes leave the range.
    let block = rng.random_range(1..6);
    let colours: Vec<u8> = (0..4096).map(|_| rng.random()).collect();
    let value = |at: usize| {
        let (y, x, c) = (at / (width * 3) / block, at / 3 % width / block, at % 3);
        colours[(y * 131 + x * 7 + c * 1009) % 4096]
    };
    Rgb::new(width, height, (0..width * height * 3).map(value).collect()).unwrap()
}

/// The rule in double precision: every output sample from its definition, rows first, 8 bits between the passes.
fn plain_resize(image: &Rgb, width: usize, height: usize) -> Vec<u8> {
    fn line(values: &[f64], output: usize) -> Vec<f64> {
        let scale = values.len() as f64 / output as f64;
        let stretch = scale.max(1.0);
        let sample = |i: usize| {
            let centre = (i as f64 + 0.5) * scale;
            let weight = |j: usize| {
                let t = ((j as f64 + 0.5 - centre) / stretch).abs();
                match t {
                    t if t < 1.0 => (1.5 * t - 2.5) * t * t + 1.0,
                    t if t < 2.0 => ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0,
                    _ => 0.0,
                }
            };
            let total: f64 = (0..values.len()).map(weight).sum();
            let value: f64 = values.iter().enumerate().map(|(j, v)| v * weight(j)).sum();
            (value / total).round().clamp(0.0, 255.0)
        };
        if output == values.len() {
            values.to_vec()
        } else {
            (0..output).map(sample).collect()
        }
    }
    let mut pixels = vec![0; width * height * 3];
    for c in 0..3 {
        let rows: Vec<Vec<f64>> = (0..image.height())
            .map(|y| {
                let at = |x: usize| f64::from(image.pixels()[(y * image.width() + x) * 3 + c]);
                line(&(0..image.width()).map(at).collect::<Vec<_>>(), width)
            })
            .collect();
        for x in 0..width {
            let column: Vec<f64> = rows.iter().map(|row| row[x]).collect();
            for (y, value) in line(&column, height).into_iter().enumerate() {
                pixels[(y * width + x) * 3 + c] = value as u8;
            }
        }
    }
    pixels
}

#[test]
fn resizing_is_the_rule_in_every_direction() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    // Limits low enough that most pictures shrink in one direction and some grow in both.
    let processor = Processor::new(config(
        r#"{"patch_size": 4, "merge_size": 2, "temporal_patch_size": 1, "size": {"shortest_edge": 1024, "longest_edge": 4096}}"#,
    ))
    .unwrap();
    let mut shrunk = 0;
    for _ in 0..60 {
        let (width, height) = (rng.random_range(3..150), rng.random_range(3..150));
        let image = noise(&mut rng, width, height);
        let ours = processor.resize(&image).unwrap();
        shrunk += usize::from(ours.width() < width && ours.height() < height);
        let plain = plain_resize(&image, ours.width(), ours.height());
        let differences: Vec<u8> = ours
            .pixels()
            .iter()
            .zip(&plain)
            .map(|(a, b)| a.abs_diff(*b))
            .collect();
        let worst = differences.iter().max().unwrap();
        let share = differences.iter().filter(|d| **d > 0).count() as f64 / plain.len() as f64;
        // 16-bit weights against double precision; at hard edges the second pass may double a step of the first.
        assert!(
            *worst <= 2 && share <= 0.02,
            "{width} x {height}: {worst} levels, {share}"
        );
    }
    assert!(shrunk > 20, "only {shrunk} pictures shrank");
}

#[test]
fn a_size_is_between_the_limits_and_made_of_blocks() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    for _ in 0..5000 {
        let (width, height) = (rng.random_range(1..5000), rng.random_range(1..5000));
        let Ok((h, w)) = smart_resize(2, height, width, 2, 28, 12_544, 9_633_792) else {
            let (long, short) = (width.max(height), width.min(height));
            assert!(long > 100 * short, "{width} x {height} was refused");
            continue;
        };
        assert!(h % 28 == 0 && w % 28 == 0 && h > 0 && w > 0);
        // One block more than the limit, where a side cannot be less than a block.
        assert!(
            2 * h * w <= 9_633_792 + 2 * 28 * h.max(w),
            "{width} x {height} became {w} x {h}"
        );
    }
}

#[test]
fn patches_run_block_by_block_with_the_frame_repeated() {
    let config = config(
        r#"{"patch_size": 2, "merge_size": 2, "temporal_patch_size": 3, "do_resize": false, "do_rescale": false, "do_normalize": false}"#,
    );
    let processor = Processor::new(config).unwrap();
    let (width, height) = (8, 4);
    let image = Rgb::new(width, height, (0..96).collect()).unwrap();
    let pixels = processor.process(&image).unwrap();
    assert_eq!(
        (pixels.grid_thw, pixels.rows, pixels.row_len),
        ([1, 2, 4], 8, 36)
    );
    assert_eq!(processor.tokens(pixels.grid_thw), 2);
    // Block columns, then the four patches of a block.
    let corners = [
        (0, 0),
        (0, 2),
        (2, 0),
        (2, 2),
        (0, 4),
        (0, 6),
        (2, 4),
        (2, 6),
    ];
    for (row, (top, left)) in pixels.patches.chunks(36).zip(corners) {
        for (i, value) in row.iter().enumerate() {
            let (c, y, x) = (i / 12, i % 4 / 2, i % 2);
            assert_eq!(*value, (((top + y) * width + left + x) * 3 + c) as f32);
        }
    }
}

#[test]
fn both_spellings_of_the_limits_are_read_and_missing_keys_have_the_class_defaults() {
    let old = config(r#"{"min_pixels": 100, "max_pixels": 200}"#);
    assert_eq!((old.min_pixels, old.max_pixels), (100, 200));
    let new = config(r#"{"size": {"shortest_edge": 1, "longest_edge": 2}, "min_pixels": 100}"#);
    assert_eq!((new.min_pixels, new.max_pixels), (1, 2));
    let none = config("{}");
    assert_eq!(
        (none.patch_size, none.merge_size, none.temporal_patch_size),
        (14, 2, 2)
    );
    assert_eq!((none.min_pixels, none.max_pixels), (12_544, 11_760_000));
}

#[test]
fn a_configuration_that_cannot_be_computed_with_is_named() {
    for (json, key) in [
        (r#"{"patch_size": 0}"#, "`patch_size`"),
        (r#"{"resample": 2}"#, "`resample`"),
        (r#"{"image_mean": [0.5]}"#, "`image_mean`"),
        (r#"{"image_std": [0.5, 0.0, 0.5]}"#, "`image_std`"),
        (
            r#"{"size": {"shortest_edge": 9, "longest_edge": 8}}"#,
            "`size.shortest_edge`",
        ),
        (
            r#"{"size": {"shortest_edge": 0, "longest_edge": 0}}"#,
            "`size.longest_edge`",
        ),
    ] {
        let line = Processor::new(config(json)).unwrap_err().to_string();
        assert!(
            line.contains(key) && line.starts_with("preprocessor_config.json: "),
            "{line}"
        );
    }
}

#[test]
fn pictures_that_cannot_be_patches_are_refused_before_they_are_touched() {
    let processor = Processor::from_dir(&common::fixtures().join("checkpoint-a")).unwrap();
    for (width, height, expect) in [
        (1, 201, "200 times"),
        (20_001, 100, "200 times"),
        (0, 5, "is empty"),
    ] {
        let line = processor.grid_thw(width, height).unwrap_err().to_string();
        assert!(
            line.contains(expect) && line.contains(&format!("{width} x {height}")),
            "{line}"
        );
    }
    assert!(Rgb::new(2, 2, vec![0; 11]).is_err());
    assert!(Rgb::new(0, 2, Vec::new()).is_err());
    assert!(Rgb::new(usize::MAX, 2, vec![0; 6]).is_err());
    assert!(Rgb::from_rgba_on_white(1, 1, &[0; 3]).is_err());
    let fixed = Processor::new(config(r#"{"do_resize": false}"#)).unwrap();
    assert!(fixed.grid_thw(56, 84).is_ok());
    assert!(
        fixed
            .grid_thw(56, 85)
            .unwrap_err()
            .to_string()
            .contains("blocks of 28 x 28")
    );
}

#[test]
fn transparency_shows_white_and_opacity_nothing_of_it() {
    let rgba: Vec<u8> = (0..=255).flat_map(|alpha| [10, 200, 255, alpha]).collect();
    let rgb = Rgb::from_rgba_on_white(256, 1, &rgba).unwrap();
    assert_eq!(rgb.pixels()[..3], [255, 255, 255]);
    assert_eq!(rgb.pixels()[765..], [10, 200, 255]);
    for (alpha, pixel) in (0_u32..).zip(rgb.pixels().chunks(3)) {
        for (value, colour) in pixel.iter().zip([10_u32, 200, 255]) {
            let exact = f64::from(colour * alpha + 255 * (255 - alpha)) / 255.0;
            assert!((f64::from(*value) - exact).abs() <= 0.51, "{alpha}");
        }
    }
}
