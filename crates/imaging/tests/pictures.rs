//! Every kind of picture that people have, through the public functions.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop where it fails"
)]

use std::path::Path;

use imaging::{Channels, Decoded, Error, Exceeded, Format, Metadata, Options, Prepared, Warning};

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[track_caller]
fn prepared(name: &str) -> Prepared {
    imaging::prepare(&fixture(name), &Options::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[track_caller]
fn decoded(name: &str) -> Decoded {
    imaging::decode(&fixture(name), &Options::default())
        .unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn pixel(picture: &Decoded, x: u32, y: u32) -> [i16; 3] {
    let at = (y * picture.width + x) as usize * picture.channels.count();
    [0, 1, 2].map(|channel| i16::from(picture.pixels[at + channel]))
}

/// Holds a pixel against a colour, each channel within `tolerance`.
#[track_caller]
fn check_pixel(name: &str, (x, y): (u32, u32), expected: [i16; 3], tolerance: i16) {
    let found = pixel(&decoded(name), x, y);
    let near = found
        .iter()
        .zip(expected)
        .all(|(found, expected)| (found - expected).abs() <= tolerance);
    assert!(near, "{name} at {x},{y}: {found:?} is not {expected:?}");
}

#[test]
fn each_kind_is_known_by_its_bytes() {
    let kinds = [
        ("baseline.jpg", Format::Jpeg, (240, 160)),
        ("progressive.jpg", Format::Jpeg, (240, 160)),
        ("gray.jpg", Format::Jpeg, (240, 160)),
        ("cmyk.jpg", Format::Jpeg, (102, 106)),
        ("rgb-16bit.png", Format::Png, (16, 16)),
        ("palette-transparent.png", Format::Png, (16, 16)),
        ("gray-alpha.png", Format::Png, (16, 16)),
        ("lossy.webp", Format::WebP, (240, 160)),
        ("lossless.webp", Format::WebP, (60, 40)),
        ("animated.webp", Format::WebP, (20, 10)),
        ("animated.gif", Format::Gif, (20, 10)),
        ("animated.png", Format::Png, (20, 10)),
    ];
    for (name, format, size) in kinds {
        let header = imaging::sniff(&fixture(name)).unwrap();
        assert_eq!(
            (header.format, (header.width, header.height)),
            (format, size),
            "{name}"
        );
        let prepared = prepared(name);
        assert_eq!(
            (prepared.width, prepared.height),
            size,
            "{name} keeps its size"
        );
    }
}

#[test]
fn every_orientation_comes_out_upright() {
    let mut names: Vec<String> = (1..=8).map(|n| format!("orient-{n}.jpg")).collect();
    names.extend(["orient-6.png".to_owned(), "orient-8.webp".to_owned()]);
    for name in &names {
        let picture = decoded(name);
        assert_eq!((picture.width, picture.height), (48, 32), "{name}");
        for ((x, y), colour) in [
            ((6, 6), [224, 0, 0]),
            ((40, 6), [0, 192, 0]),
            ((6, 26), [0, 0, 224]),
            ((40, 26), [255, 255, 255]),
        ] {
            check_pixel(name, (x, y), colour, 12);
        }
        let again = prepared(name);
        let header = imaging::sniff(&again.bytes).unwrap();
        assert_eq!((header.width, header.height), (48, 32), "{name}, prepared");
        assert!(
            header.orientation.is_none_or(|turn| turn == 1),
            "{name}: no turn is left to the reader"
        );
    }
}

#[test]
fn the_colours_of_each_kind_are_right() {
    check_pixel("rgb-16bit.png", (4, 4), [0xC0, 0x40, 0x20], 1);
    check_pixel("palette-transparent.png", (2, 2), [200, 30, 30], 0);
    check_pixel("gray-alpha.png", (2, 2), [100, 100, 100], 0);
    check_pixel("animated.gif", (3, 3), [208, 0, 0], 2);
    check_pixel("animated.png", (3, 3), [208, 0, 0], 2);
    check_pixel("animated.webp", (3, 3), [208, 0, 0], 2);
    // As browsers show it; the red picture before is for readers that know no animations.
    check_pixel("animated-cover.png", (3, 3), [0, 0, 208], 2);
    // Adobe writes CMYK inverted; read the other way round this would be near black.
    check_pixel("cmyk.jpg", (51, 53), [124, 48, 118], 40);
    // The expected values are littleCMS's with a press profile.
    check_pixel("ycck.jpg", (8, 8), [132, 75, 84], 16);
    check_pixel("ycck.jpg", (56, 10), [205, 195, 218], 16);
    check_pixel("ycck.jpg", (20, 50), [192, 206, 231], 16);
}

#[test]
fn colour_profiles_are_converted_to_srgb() {
    // The expected values are littleCMS's.
    check_pixel("p3.png", (4, 4), [216, 93, 24], 4);
    check_pixel("gbr.png", (4, 4), [46, 201, 100], 4);
    // Its tables have a node there, so nothing is between two.
    check_pixel("tables.png", (4, 4), [102, 51, 204], 2);
    for wide in ["adobe-rgb.jpg", "p3.jpg", "rec2020.png"] {
        check_pixel(wide, (700, 500), [200, 100, 50], 3);
    }
}

/// The PNG with a chunk behind its header; decoders take a wrong check sum of such a chunk for none.
fn with_chunk(name: &str, kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut bytes = fixture(name);
    put_chunk(&mut bytes, kind, payload);
    bytes
}

fn put_chunk(bytes: &mut Vec<u8>, kind: &[u8; 4], payload: &[u8]) {
    let length = (payload.len() as u32).to_be_bytes();
    let sum = crc32(&[&kind[..], payload].concat()).to_be_bytes();
    let chunk = [&length[..], kind, payload, &sum].concat();
    bytes.splice(33..33, chunk);
}

/// Source: PNG (third edition), annex D.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ if sum & 1 == 1 { 0xEDB8_8320 } else { 0 }
        })
    })
}

#[test]
fn colours_that_are_named_by_codes_are_converted_to_srgb() {
    let plain = pixel(&decoded("rgb-16bit.png"), 4, 4);
    let coded = |primaries, transfer| {
        let bytes = with_chunk("rgb-16bit.png", b"cICP", &[primaries, transfer, 0, 1]);
        let prepared = imaging::prepare(&bytes, &Options::default()).unwrap();
        let decoded = imaging::decode(&bytes, &Options::default()).unwrap();
        (pixel(&decoded, 4, 4), prepared)
    };
    assert_eq!(coded(1, 13).0, plain, "the codes of sRGB");
    let (p3, prepared) = coded(12, 13);
    assert!(p3[0] > plain[0] + 8, "{p3:?} of {plain:?}");
    assert_eq!(prepared.removed, [Metadata::ColorProfile]);
    assert!(prepared.warnings.is_empty());
    let (pq, prepared) = coded(9, 16);
    assert_eq!(pq, plain, "more light than sRGB has is left as it is");
    assert_eq!(prepared.warnings, [Warning::ProfileIgnored]);
}

#[test]
fn colours_that_are_told_by_numbers_are_converted_to_srgb() {
    // As Chromium and Firefox show them.
    for (name, expected) in [
        ("gamma.png", [200, 101, 50]),
        ("chromaticities.png", [203, 119, 74]),
    ] {
        check_pixel(name, (4, 4), expected, 1);
        let prepared = prepared(name);
        assert_eq!(prepared.removed, [Metadata::ColorProfile], "{name}");
        assert_eq!(prepared.warnings, [], "{name}");
    }
}

#[test]
fn a_name_of_the_colours_goes_before_their_numbers() {
    for (kind, payload) in [(b"sRGB", &[0][..]), (b"cICP", &[1, 13, 0, 1])] {
        let bytes = with_chunk("gamma.png", kind, payload);
        let decoded = imaging::decode(&bytes, &Options::default()).unwrap();
        assert_eq!(pixel(&decoded, 4, 4), [147, 33, 8]);
        let prepared = imaging::prepare(&bytes, &Options::default()).unwrap();
        assert!(prepared.passed_through && prepared.removed.is_empty());
    }
}

#[test]
fn the_numbers_of_srgb_leave_a_picture_as_it_is() {
    let numbers = [31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000_u32];
    let chromaticities = numbers.map(u32::to_be_bytes).concat();
    for gamma in [None, Some(45_455_u32)] {
        let mut bytes = fixture("palette-transparent.png");
        put_chunk(&mut bytes, b"cHRM", &chromaticities);
        if let Some(gamma) = gamma {
            put_chunk(&mut bytes, b"gAMA", &gamma.to_be_bytes());
        }
        let found = imaging::inspect(&bytes).unwrap();
        assert_eq!(
            (found.profile.name(), &found.metadata[..]),
            ("srgb", &[][..])
        );
    }
}

#[test]
fn what_is_transparent_lies_on_white() {
    check_pixel("palette-transparent.png", (12, 4), [255, 255, 255], 0);
    check_pixel("gray-alpha.png", (12, 4), [255, 255, 255], 0);
    check_pixel("transparent.webp", (4, 4), [255, 255, 255], 0);
}

#[test]
fn transparency_is_kept_when_asked_for() {
    let options = Options {
        keep_alpha: true,
        ..Options::default()
    };
    let picture = imaging::decode(&fixture("gray-alpha.png"), &options).unwrap();
    assert_eq!(picture.channels, Channels::Rgba);
    assert_eq!((picture.pixels[3], picture.pixels[12 * 4 + 3]), (255, 0));
    let kept = imaging::prepare(&fixture("gray-alpha.png"), &options).unwrap();
    assert_ne!(kept.format, Format::Jpeg);
}

/// What is sent of a picture lists `kinds` as removed, and holds none of them nor of the words in `canaries`.
#[track_caller]
fn check_nothing_is_left(name: &str, longest_edge: u32, kinds: &[Metadata], canaries: &[&str]) {
    let options = Options {
        longest_edge,
        ..Options::default()
    };
    let original = fixture(name);
    let found = imaging::prepare(&original, &options).unwrap();
    for kind in kinds {
        assert!(
            found.removed.contains(kind),
            "{kind:?} is listed: {:?}",
            found.removed
        );
    }
    assert_eq!(imaging::inspect(&found.bytes).unwrap().metadata, []);
    for canary in canaries {
        let is_in = |bytes: &[u8]| {
            bytes
                .windows(canary.len())
                .any(|window| window == canary.as_bytes())
        };
        assert!(is_in(&original), "{canary} was there");
        assert!(!is_in(&found.bytes), "{canary} is gone at {longest_edge}");
    }
}

#[test]
fn nothing_that_a_camera_wrote_is_left() {
    let kinds = [
        Metadata::Gps,
        Metadata::SerialNumber,
        Metadata::Date,
        Metadata::Camera,
        Metadata::Xmp,
        Metadata::Comment,
        Metadata::ColorProfile,
    ];
    let canaries = [
        "SERIAL-4711",
        "a private remark",
        "xmpmeta",
        "Maker",
        "Exif",
        "ICC_PROFILE",
    ];
    check_nothing_is_left("metadata.jpg", 1024, &kinds, &canaries);
}

#[test]
fn nothing_is_left_of_a_thumbnail_nor_of_the_film_behind_a_picture() {
    let kinds = [
        Metadata::Person,
        Metadata::Camera,
        Metadata::Thumbnail,
        Metadata::Exif,
        Metadata::Xmp,
        Metadata::Iptc,
        Metadata::Trailer,
    ];
    let canaries = [
        "MAKER-CANARY",
        "ARTIST-CANARY",
        "THUMBNAIL-CANARY",
        "MotionPhoto",
        "BYLINE-CANARY",
        "ftypmp42",
        "TRAILER-CANARY",
    ];
    // As it is, and written anew.
    for longest_edge in [1024, 100] {
        check_nothing_is_left("motion.jpg", longest_edge, &kinds, &canaries);
    }
}

#[test]
fn a_small_clean_picture_keeps_its_own_data() {
    for name in ["baseline.jpg", "progressive.jpg"] {
        let found = prepared(name);
        assert!(found.passed_through, "{name}");
        assert!(
            found.bytes.len() <= fixture(name).len(),
            "{name} does not grow"
        );
        let again = imaging::decode(&found.bytes, &Options::default()).unwrap();
        assert_eq!(
            again.pixels,
            decoded(name).pixels,
            "{name}: the same pixels"
        );
    }
}

#[test]
fn only_the_first_frame_is_used_and_it_is_said() {
    for name in [
        "animated.gif",
        "animated.png",
        "animated-cover.png",
        "animated.webp",
    ] {
        let found = prepared(name);
        assert!(found.warnings.contains(&Warning::FirstFrameOnly), "{name}");
        assert!(!imaging::sniff(&found.bytes).unwrap().animated, "{name}");
    }
}

#[test]
fn a_large_picture_is_made_small_and_a_small_one_is_never_made_larger() {
    for (edge, expected) in [(100, (100, 67)), (240, (240, 160)), (1024, (240, 160))] {
        let options = Options {
            longest_edge: edge,
            ..Options::default()
        };
        for name in ["baseline.jpg", "lossy.webp"] {
            let found = imaging::prepare(&fixture(name), &options).unwrap();
            assert_eq!((found.width, found.height), expected, "{name} at {edge}");
            let header = imaging::sniff(&found.bytes).unwrap();
            assert_eq!(
                (header.width, header.height),
                expected,
                "{name} at {edge}, as encoded"
            );
        }
    }
}

#[test]
fn a_blurred_picture_is_called_too_soft() {
    let options = Options {
        longest_edge: 24,
        ..Options::default()
    };
    let tiny = imaging::prepare(&fixture("baseline.jpg"), &options).unwrap();
    let small = imaging::decode(&tiny.bytes, &Options::default()).unwrap();
    // Between two pixels of the tiny picture lie thirty-nine, without a corner.
    let blurred = enlarged(&small, 40);
    assert!(!prepared("baseline.jpg").too_soft);
    assert!(
        imaging::sharpness(&blurred) < imaging::TOO_SOFT,
        "{}",
        imaging::sharpness(&blurred)
    );
    assert!(imaging::sharpness(&decoded("baseline.jpg")) > imaging::TOO_SOFT);
}

/// Enlargement along smooth steps.
fn enlarged(picture: &Decoded, times: u32) -> Decoded {
    let (width, height) = ((picture.width - 1) * times, (picture.height - 1) * times);
    let mut large = picture.clone();
    large.pixels.clear();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let smooth = |t: f32| t * t * (3.0 - 2.0 * t);
        let (fx, fy) = (
            smooth((x % times) as f32 / times as f32),
            smooth((y % times) as f32 / times as f32),
        );
        let corner = |dx, dy| pixel(picture, x / times + dx, y / times + dy).map(f32::from);
        let (a, b, c, d) = (corner(0, 0), corner(1, 0), corner(0, 1), corner(1, 1));
        for channel in 0..3 {
            let top = a[channel] * (1.0 - fx) + b[channel] * fx;
            let bottom = c[channel] * (1.0 - fx) + d[channel] * fx;
            large.pixels.push((top * (1.0 - fy) + bottom * fy) as u8);
        }
    }
    (large.width, large.height) = (width, height);
    large
}

#[test]
fn a_bomb_is_refused_from_its_header() {
    let mut gif = b"GIF89a".to_vec();
    gif.extend([0xff, 0xff, 0xff, 0xff, 0, 0, 0]);
    // Lossless: the signature, then twice fourteen bits of ones.
    let webp = b"RIFF\x16\0\0\0WEBPVP8L\x0a\0\0\0\x2f\xff\xff\xff\x0f\0\0\0\0\0".to_vec();
    // Start, then a frame header: 8 bits, 65,500 lines of 65,500 samples, one component.
    let jpeg =
        b"\xff\xd8\xff\xc0\0\x0b\x08\xff\xdc\xff\xdc\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0"
            .to_vec();
    let bombs = [
        ("png", fixture("bomb-40000x40000.png")),
        ("jpeg", jpeg),
        ("gif", gif),
        ("webp", webp),
    ];
    for (kind, bytes) in bombs {
        let error = imaging::prepare(&bytes, &Options::default()).unwrap_err();
        let refused = matches!(
            error,
            Error::TooLarge {
                exceeded: Exceeded::Pixels {
                    max: 40_000_000,
                    ..
                }
            }
        );
        assert!(refused, "{kind}: {error:?}");
    }
}

#[test]
fn a_file_that_is_too_long_is_refused_with_the_numbers() {
    let options = Options {
        max_bytes: 1000,
        ..Options::default()
    };
    let error = imaging::prepare(&fixture("baseline.jpg"), &options).unwrap_err();
    assert!(error.to_string().contains("at most 1000"), "{error}");
}

#[test]
fn what_is_no_picture_here_is_told_by_its_name() {
    let cases: [(&[u8], &str); 9] = [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1avif", "AVIF"),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>", "SVG"),
        (b"<?xml version=\"1.0\"?>\n<!-- x -->\n<svg></svg>", "SVG"),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "BMP"),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0*\0\0\0\x08", "TIFF"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\x01\0\x01\0\x10\x10", "ICO"),
    ];
    for (bytes, name) in cases {
        let error = imaging::prepare(bytes, &Options::default()).unwrap_err();
        assert!(
            matches!(error, Error::Unsupported { .. }),
            "{name}: {error:?}"
        );
        assert!(error.to_string().contains(name), "{name}: {error}");
    }
    for bytes in [&b""[..], b"hello", b"\xff\xd8", b"GIF", &[0; 64]] {
        let error = imaging::prepare(bytes, &Options::default()).unwrap_err();
        assert!(
            matches!(error, Error::NotAnImage | Error::Broken { .. }),
            "{bytes:?}: {error:?}"
        );
    }
}

#[test]
fn a_file_that_ends_early_is_used_as_far_as_it_goes_or_refused() {
    for name in [
        "baseline.jpg",
        "progressive.jpg",
        "rgb-16bit.png",
        "lossy.webp",
        "lossless.webp",
        "animated.gif",
    ] {
        let whole = fixture(name);
        for share in [1, 2, 3] {
            let cut = &whole[..whole.len() * share / 4];
            match imaging::prepare(cut, &Options::default()) {
                Ok(found) => assert!(
                    found.warnings.contains(&Warning::Truncated),
                    "{name} {share}/4: {:?}",
                    found.warnings
                ),
                Err(error) => assert!(
                    matches!(error, Error::Broken { .. } | Error::NotAnImage),
                    "{name} {share}/4: {error:?}"
                ),
            }
        }
    }
}
