//! What becomes of pixels: drawings stay readable, photographs stay photographs, and nothing grows.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]
#![cfg(feature = "decoders")]

use std::path::Path;

use image::ImageEncoder;
use imaging::{Channels, Class, Decoded, Exposure, Format, Options, Pixels, Prepared};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(name),
    )
    .unwrap()
}

/// A PNG file of what `color` gives for each place.
fn drawn(width: u32, height: u32, color: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let pixels: Vec<u8> = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .flat_map(|(x, y)| color(x, y))
        .collect();
    let mut file = Vec::new();
    image::codecs::png::PngEncoder::new(&mut file)
        .write_image(&pixels, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    file
}

/// Boxes, slanted lines and something like lines of small print, in colour.
fn diagram() -> Vec<u8> {
    drawn(1600, 1200, |x, y| {
        let slanted = (x + 2 * y) % 397 < 4;
        let boxed = x % 400 < 3 || y % 300 < 3;
        let print = (y / 24) % 5 == 2 && y % 24 < 14 && (x * 7 + (x / 9) * 13 + y / 3) % 11 < 4;
        match (slanted, boxed, print && x % 800 < 600) {
            (true, _, _) => [200, 30, 40],
            (_, true, _) => [20, 20, 20],
            (_, _, true) => [20, 40, 160],
            _ if (x / 400 + y / 300) % 2 == 0 => [250, 250, 240],
            _ => [255, 255, 255],
        }
    })
}

/// Smooth light with grain, as a lens and a sensor make it.
fn photograph(mean: f32) -> Vec<u8> {
    let mut noise = 1_u32;
    let grain: Vec<u32> = (0..1200 * 900)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise >> 28
        })
        .collect();
    drawn(1200, 900, |x, y| {
        let (fx, fy) = (x as f32 / 97.0, y as f32 / 61.0);
        let light = mean + mean.min(255.0 - mean) * 0.6 * (fx.sin() * fy.cos());
        let value = light + grain[(y * 1200 + x) as usize] as f32 * 0.3;
        [value, value, value * 0.98].map(|value| value.clamp(0.0, 255.0) as u8)
    })
}

fn prepared(file: &[u8], longest_edge: u32) -> Prepared {
    let options = Options {
        longest_edge,
        ..Options::default()
    };
    imaging::prepare(file, &options).unwrap()
}

fn decoded(file: &[u8]) -> Decoded {
    imaging::decode(file, &Options::default()).unwrap()
}

/// Peak signal to noise ratio of two pictures of one size, in dB.
fn psnr(a: &Decoded, b: &Decoded) -> f64 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let squares: f64 = a
        .pixels
        .iter()
        .zip(&b.pixels)
        .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2))
        .sum();
    10.0 * (65_025.0 * a.pixels.len() as f64 / squares.max(1e-9)).log10()
}

/// `file` made smaller without any loss but that of the filter.
fn without_loss(file: &[u8], longest_edge: u32) -> Decoded {
    let full = decoded(file);
    let pixels = image::imageops::resize(
        &image::RgbImage::from_raw(full.width, full.height, full.pixels.clone()).unwrap(),
        longest_edge * full.width / full.width.max(full.height),
        longest_edge * full.height / full.width.max(full.height),
        image::imageops::FilterType::Lanczos3,
    );
    let mut small = full;
    (small.width, small.height) = pixels.dimensions();
    small.pixels = pixels.into_raw();
    small
}

#[test]
fn a_diagram_keeps_its_small_print() {
    let file = diagram();
    let sent = prepared(&file, 1024);
    assert_ne!(sent.looks.class, Class::Photo, "{:?}", sent.looks);
    assert_eq!(sent.format, Format::Png);
    let found = psnr(&decoded(&sent.bytes), &without_loss(&file, 1024));
    assert!(found >= 40.0, "{found} dB");
    assert!(sent.bytes.len() <= file.len());
}

#[test]
fn a_photograph_is_a_jpeg() {
    let file = photograph(120.0);
    let sent = prepared(&file, 1024);
    assert_eq!(
        (sent.looks.class, sent.format),
        (Class::Photo, Format::Jpeg)
    );
    let found = psnr(&decoded(&sent.bytes), &without_loss(&file, 1024));
    assert!(found >= 37.0, "{found} dB");
}

#[test]
fn a_photograph_of_the_night_is_no_drawing() {
    // A lamp in the dark: as flat as a diagram, but its light fades step by step.
    let file = drawn(1200, 900, |x, y| {
        let (across, down) = (x as f32 - 500.0, y as f32 - 400.0);
        let light = 90.0 * (-(across * across + down * down) / 20_000.0).exp();
        [light, light * 0.8, light * 0.5].map(|value| value as u8)
    });
    let sent = prepared(&file, 1024);
    assert!(sent.looks.flatness > 0.5, "{:?}", sent.looks);
    assert_eq!(
        (sent.looks.class, sent.format, sent.looks.exposure),
        (Class::Photo, Format::Jpeg, Exposure::Dark)
    );
}

#[test]
fn what_is_too_dark_or_too_bright_is_told() {
    for (mean, exposure) in [
        (6.0, Exposure::Dark),
        (120.0, Exposure::Good),
        (254.0, Exposure::Bright),
    ] {
        let looks = prepared(&photograph(mean), 1024).looks;
        assert_eq!(looks.exposure, exposure, "{looks:?}");
        assert!((looks.brightness - mean / 255.0).abs() < 0.05, "{looks:?}");
    }
    let black = drawn(300, 200, |_, _| [0, 0, 0]);
    assert_eq!(
        prepared(&black, 1024).looks.exposure,
        Exposure::Good,
        "it is no photograph"
    );
}

#[test]
fn print_is_told_from_its_absence() {
    let page = drawn(800, 600, |x, y| {
        let letter = y % 20 < 12 && (x * 5 + (x / 7) * 11 + y / 2) % 9 < 3;
        if letter {
            [10, 10, 10]
        } else {
            [255, 255, 255]
        }
    });
    assert!(prepared(&page, 1024).looks.text > 0.5);
    assert!(prepared(&photograph(120.0), 1024).looks.text < 0.02);
}

#[test]
fn a_part_of_the_transform_is_nearly_as_good_as_all_of_it() {
    let file = fixture("baseline.jpg");
    for longest_edge in [90, 48, 24] {
        let options = Options {
            longest_edge,
            ..Options::default()
        };
        let inspected = imaging::admit(&file, &options).unwrap();
        let full = decoded(&file);
        let pixels = Pixels {
            data: full.pixels,
            width: full.width,
            height: full.height,
            channels: full.channels,
            upright: true,
            srgb: true,
        };
        let of_all = imaging::finish(pixels, &inspected, &file, &options).unwrap();
        let exact = without_loss(&file, longest_edge);
        let of_all = psnr(&decoded(&of_all.bytes), &exact);
        let of_part = psnr(&decoded(&prepared(&file, longest_edge).bytes), &exact);
        // At 24 and 48 pixels there is little but edges.
        assert!(
            of_part >= of_all - 1.5,
            "at {longest_edge}: {of_part} dB, not {of_all}"
        );
    }
}

#[test]
fn pixels_of_another_decoder_go_the_same_way() {
    for name in [
        "rgb-16bit.png",
        "gray-alpha.png",
        "orient-6.png",
        "lossy.webp",
    ] {
        let file = fixture(name);
        let options = Options {
            longest_edge: 30,
            ..Options::default()
        };
        let full = imaging::decode(&file, &options).unwrap();
        let pixels = full
            .pixels
            .chunks(3)
            .flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 7]);
        let pixels = Pixels {
            data: pixels.collect(),
            width: full.width,
            height: full.height,
            channels: Channels::Rgbx,
            upright: true,
            srgb: true,
        };
        let inspected = imaging::admit(&file, &options).unwrap();
        let theirs = imaging::finish(pixels, &inspected, &file, &options).unwrap();
        let ours = imaging::prepare(&file, &options).unwrap();
        assert_eq!(
            (theirs.width, theirs.height),
            (ours.width, ours.height),
            "{name}"
        );
        let found = psnr(&decoded(&theirs.bytes), &decoded(&ours.bytes));
        assert!(found >= 40.0, "{name}: {found} dB");
    }
}

#[test]
fn pixels_that_are_too_few_are_refused() {
    let file = fixture("baseline.jpg");
    let options = Options::default();
    let inspected = imaging::admit(&file, &options).unwrap();
    let pixels = Pixels {
        data: vec![0; 100],
        width: 240,
        height: 160,
        channels: Channels::Rgbx,
        upright: true,
        srgb: true,
    };
    assert!(imaging::finish(pixels, &inspected, &file, &options).is_err());
}

#[test]
fn nothing_becomes_larger_than_it_was() {
    for entry in
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")).unwrap()
    {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let file = std::fs::read(&path).unwrap();
        // A JPEG's tables alone have half a kilobyte.
        if file.len() < 600 || name.ends_with(".md") || name.starts_with("bomb") {
            continue;
        }
        for longest_edge in [1024, 150, 100, 30] {
            let sent = prepared(&file, longest_edge).bytes.len();
            assert!(
                sent <= file.len(),
                "{name} at {longest_edge}: {} to {sent}",
                file.len()
            );
        }
    }
}

#[test]
fn a_header_says_what_the_colours_are_without_any_decoding() {
    let cases = [
        ("baseline.jpg", "srgb", false, 8),
        ("cmyk.jpg", "srgb", false, 8),
        ("p3.png", "matrix", false, 8),
        ("gbr.png", "matrix", false, 8),
        ("rgb-16bit.png", "srgb", false, 16),
        ("gray-alpha.png", "srgb", true, 8),
        ("palette-transparent.png", "srgb", true, 8),
        ("transparent.webp", "srgb", true, 8),
    ];
    for (name, profile, alpha, bits) in cases {
        let found = imaging::inspect(&fixture(name)).unwrap();
        assert_eq!(
            (found.profile.name(), found.alpha, found.bits),
            (profile, alpha, bits),
            "{name}"
        );
    }
    let inks = imaging::inspect(&fixture("cmyk.jpg")).unwrap();
    assert_eq!(inks.stored, imaging::Stored::Cmyk);
    let turned = imaging::inspect(&fixture("orient-6.png")).unwrap();
    assert_eq!(turned.upright_size(), (48, 32));
    assert_eq!(turned.target_size(24), (24, 16));
}

#[test]
fn a_jpeg_that_starts_with_rubbish_is_bounded_all_the_same() {
    let mut bomb = b"\xff\xd8\x07\xff\x01".to_vec();
    bomb.extend(b"\xff\xc2\0\x11\x08\x6b\x05\xc0\x05\x03\x01\x23\0\x02\x11\x01\x03\x11\x01\xff\xda\0\x0c\x03\x01\0\x02\x10\x03\x10\0\0");
    let error = imaging::prepare(&bomb, &Options::default()).unwrap_err();
    assert!(
        matches!(error, imaging::Error::TooLarge { .. }),
        "{error:?}"
    );
}

/// A picture may hide another in the few pixels that a crude downscale looks at: the writer sees one, the model another.
/// Here every pixel of the original counts.
#[test]
fn a_picture_hidden_in_the_pixels_that_a_crude_downscale_would_take_does_not_come_out() {
    let far = |shades: &mut dyn Iterator<Item = u8>| {
        shades.filter(|shade| shade.abs_diff(190) > 24).count()
    };
    for taken in [[0, 0], [3, 4], [4, 4], [7, 7]] {
        let file = drawn(2048, 1024, |x, y| {
            let hidden = taken.contains(&(x % 8)) && taken.contains(&(y % 8));
            // A chessboard, that would be plain to see.
            let black = (x / 256 + y / 256) % 2 == 0;
            match (hidden, black) {
                (true, true) => [0, 0, 0],
                (true, false) => [255, 255, 255],
                _ => [190, 190, 190],
            }
        });
        let sent = prepared(&file, 256);
        let seen = imaging::decode(&sent.bytes, &Options::default()).unwrap();
        assert_eq!((seen.width, seen.height), (256, 128));
        let mut shades = seen
            .pixels
            .chunks(seen.channels.count())
            .map(|pixel| pixel[0]);
        assert_eq!(far(&mut shades), 0, "hidden at {taken:?}");
        if taken == [4, 4] {
            let crude = image::load_from_memory(&file).unwrap();
            let crude = crude.resize_exact(256, 128, image::imageops::FilterType::Nearest);
            let mut shades = crude.to_luma8().into_raw().into_iter();
            assert!(far(&mut shades) > 30_000, "the attack is one");
        }
    }
}
