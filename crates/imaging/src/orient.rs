//! EXIF orientation 1 to 8 to upright. Source: CIPA DC-008 (Exif 2.32), tag 274.

#[cfg(feature = "decoders")]
use crate::pixels::Channels;
use crate::pixels::Pixels;
use crate::planes::Planes;

/// Turns and mirrors `raw` so that it is upright. An orientation out of range leaves it as it is.
pub(crate) fn upright(mut raw: Pixels, orientation: u8) -> Pixels {
    if raw.upright {
        return raw;
    }
    raw.upright = true;
    let grid = Grid {
        data: std::mem::take(&mut raw.data),
        width: raw.width,
        height: raw.height,
    };
    let Grid {
        data,
        width,
        height,
    } = match raw.channels {
        // A browser hands out four bytes a pixel, and need not load the code for three.
        #[cfg(feature = "decoders")]
        Channels::Rgb => turn::<3>(grid, orientation),
        _ => turn::<4>(grid, orientation),
    };
    Pixels {
        data,
        width,
        height,
        ..raw
    }
}

/// The same for planes.
pub(crate) fn upright_planes(planes: Planes, orientation: u8) -> Planes {
    let size = (planes.width, planes.height);
    let of_chroma = planes.chroma_size();
    let turned = |data, (width, height)| {
        let grid = Grid {
            data,
            width,
            height,
        };
        turn::<1>(grid, orientation)
    };
    let luma = turned(planes.luma, size);
    Planes {
        luma: luma.data,
        blue: turned(planes.blue, of_chroma).data,
        red: turned(planes.red, of_chroma).data,
        width: luma.width,
        height: luma.height,
    }
}

/// Rows of pixels.
struct Grid {
    data: Vec<u8>,
    width: u32,
    height: u32,
}

fn turn<const N: usize>(mut raw: Grid, orientation: u8) -> Grid {
    match orientation {
        2 => mirror_rows::<N>(&mut raw),
        3 => raw.data.as_chunks_mut::<N>().0.reverse(),
        4 => {
            raw.data.as_chunks_mut::<N>().0.reverse();
            mirror_rows::<N>(&mut raw);
        }
        // 5 to 8 are a transposition, then 1 to 4.
        5 => return transpose::<N>(&raw),
        6 => return turn::<N>(transpose::<N>(&raw), 2),
        7 => return turn::<N>(transpose::<N>(&raw), 3),
        8 => return turn::<N>(transpose::<N>(&raw), 4),
        _ => {}
    }
    raw
}

fn mirror_rows<const N: usize>(raw: &mut Grid) {
    let width = (raw.width as usize).max(1);
    for row in raw.data.as_chunks_mut::<N>().0.chunks_exact_mut(width) {
        row.reverse();
    }
}

/// Swaps rows and columns.
fn transpose<const N: usize>(raw: &Grid) -> Grid {
    let width = (raw.width as usize).max(1);
    let from = raw.data.as_chunks::<N>().0;
    let mut data = Vec::with_capacity(raw.data.len());
    for column in 0..width {
        data.extend(from.iter().skip(column).step_by(width).flatten());
    }
    Grid {
        data,
        width: raw.height,
        height: raw.width,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of `stored`, one letter a pixel, must read as `expected` once upright.
    #[track_caller]
    fn check(orientation: u8, stored: &[&str], expected: &[&str]) {
        for (channels, count) in [(Channels::Rgb, 3), (Channels::Rgba, 4)] {
            let data = stored
                .concat()
                .bytes()
                .flat_map(|letter| vec![letter; count])
                .collect();
            let (width, height) = (stored[0].len() as u32, stored.len() as u32);
            let raw = upright(
                Pixels {
                    data,
                    width,
                    height,
                    channels,
                    upright: false,
                    srgb: true,
                },
                orientation,
            );
            assert_eq!(
                (raw.width as usize, raw.height as usize),
                (expected[0].len(), expected.len())
            );
            let letters: Vec<u8> = raw.data.chunks_exact(count).map(|pixel| pixel[0]).collect();
            assert_eq!(
                String::from_utf8(letters).unwrap(),
                expected.concat(),
                "orientation {orientation}"
            );
        }
        let plane = |more| {
            stored
                .concat()
                .bytes()
                .map(|letter| letter + more)
                .collect()
        };
        let planes = Planes {
            luma: plane(0),
            blue: plane(1),
            red: plane(2),
            width: stored[0].len() as u32,
            height: stored.len() as u32,
        };
        let planes = upright_planes(planes, orientation);
        assert_eq!(planes.width as usize, expected[0].len());
        assert_eq!(planes.luma, expected.concat().into_bytes());
        let letters = expected.concat().into_bytes();
        let more = |by| {
            letters
                .iter()
                .map(|letter| letter + by)
                .collect::<Vec<u8>>()
        };
        assert_eq!((planes.blue, planes.red), (more(1), more(2)));
    }

    #[test]
    fn each_orientation_is_undone() {
        let upright = ["abc", "def"];
        check(1, &["abc", "def"], &upright);
        check(2, &["cba", "fed"], &upright);
        check(3, &["fed", "cba"], &upright);
        check(4, &["def", "abc"], &upright);
        check(5, &["ad", "be", "cf"], &upright);
        check(6, &["cf", "be", "ad"], &upright);
        check(7, &["fc", "eb", "da"], &upright);
        check(8, &["da", "eb", "fc"], &upright);
    }

    #[test]
    fn an_unknown_orientation_changes_nothing() {
        check(0, &["abc", "def"], &["abc", "def"]);
        check(9, &["abc", "def"], &["abc", "def"]);
    }
}
