//! The small picture as a JPEG stores it: luma and two differences of colour, each a plane of its own.

use crate::Error;
use crate::pixels::{Channels, Pixels};

/// BT.601 planes of full range. Source: JFIF 1.02, section "Color space".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    /// Y, row by row from the top, without padding.
    pub luma: Vec<u8>,
    /// Cb, of the same size; or quartered, with one sample for two by two pixels.
    pub blue: Vec<u8>,
    /// Cr, as many.
    pub red: Vec<u8>,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

/// Pixels are converted so many at a time, which becomes vector instructions.
const LANES: usize = 16;

impl Planes {
    /// Checks the lengths that all later steps rely on.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let fits = |plane: &[u8], (width, height): (u32, u32)| {
            let count = (width as usize).checked_mul(height as usize);
            Some(plane.len()) == count && !plane.is_empty()
        };
        let chroma = self.chroma_size();
        if fits(&self.luma, (self.width, self.height))
            && fits(&self.blue, chroma)
            && fits(&self.red, chroma)
        {
            Ok(())
        } else {
            Err(Error::broken(
                "its planes do not have the size that is sent, a bug",
            ))
        }
    }

    /// Whether a colour stands for four pixels.
    pub(crate) fn is_quartered(&self) -> bool {
        self.blue.len() != self.luma.len()
    }

    /// The size of each plane of colour.
    pub(crate) fn chroma_size(&self) -> (u32, u32) {
        if self.is_quartered() {
            (self.width.div_ceil(2), self.height.div_ceil(2))
        } else {
            (self.width, self.height)
        }
    }

    /// The planes of pixels that are not inks.
    pub(crate) fn of(pixels: &Pixels) -> Self {
        match pixels.channels {
            Channels::Rgb => Self::of_bytes::<3>(pixels),
            _ => Self::of_bytes::<4>(pixels),
        }
    }

    fn of_bytes<const N: usize>(pixels: &Pixels) -> Self {
        let count = pixels.width as usize * pixels.height as usize;
        let [mut luma, mut blue, mut red] = [(); 3].map(|()| vec![0; count]);
        let places = luma.chunks_mut(LANES).zip(blue.chunks_mut(LANES));
        let places = places.zip(red.chunks_mut(LANES));
        let stored = pixels.data.as_chunks::<N>().0.chunks(LANES);
        for (((luma, blue), red), pixels) in places.zip(stored) {
            let (mut ys, mut cbs, mut crs) = ([0; LANES], [0; LANES], [0; LANES]);
            let lanes = ys.iter_mut().zip(cbs.iter_mut().zip(crs.iter_mut()));
            for (pixel, (y, (cb, cr))) in pixels.iter().zip(lanes) {
                if let [r, g, b, ..] = pixel.as_slice() {
                    [*y, *cb, *cr] = of_color([*r, *g, *b]);
                }
            }
            for (plane, lanes) in [(luma, ys), (blue, cbs), (red, crs)] {
                for (to, from) in plane.iter_mut().zip(lanes) {
                    *to = from;
                }
            }
        }
        let (width, height) = (pixels.width, pixels.height);
        Self {
            luma,
            blue,
            red,
            width,
            height,
        }
    }

    /// As pixels that lie as these do, in the colours of the file's profile.
    #[must_use]
    pub fn to_pixels(&self, upright: bool) -> Pixels {
        let mut data = vec![255; self.luma.len() * 4];
        let width = (self.width as usize).max(1);
        let halves = usize::from(self.is_quartered());
        let stride = self.chroma_size().0 as usize;
        let rows = self.luma.chunks(width).zip(data.chunks_mut(width * 4));
        for (row, (luma, pixels)) in rows.enumerate() {
            let from = (row >> halves) * stride;
            let [blue, red] =
                [&self.blue, &self.red].map(|plane| plane.get(from..).unwrap_or_default());
            let pixels = pixels.as_chunks_mut::<4>().0;
            for (column, (y, pixel)) in luma.iter().zip(pixels).enumerate() {
                let chroma = [blue, red].map(|row| row.get(column >> halves).copied());
                if let [Some(cb), Some(cr)] = chroma {
                    let [r, g, b] = to_rgb([*y, cb, cr]);
                    *pixel = [r, g, b, 255];
                }
            }
        }
        Pixels {
            data,
            width: self.width,
            height: self.height,
            channels: Channels::Rgbx,
            upright,
            srgb: false,
        }
    }
}

/// With 16 bits after the point.
fn of_color([r, g, b]: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = [r, g, b].map(i32::from);
    const HALF: i32 = 0x7FFF;
    const MIDDLE: i32 = 128 << 16;
    let y = 19_595 * r + 38_470 * g + 7_471 * b;
    let cb = 32_768 * b - 11_059 * r - 21_709 * g + MIDDLE;
    let cr = 32_768 * r - 27_439 * g - 5_329 * b + MIDDLE;
    [y, cb, cr].map(|sum| ((sum + HALF) >> 16) as u8)
}

/// The way back.
fn to_rgb([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    let y = (i32::from(y) << 16) + (1 << 15);
    let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
    let sums = [
        y + cr * 91_881,
        y - cb * 22_554 - cr * 46_802,
        y + cb * 116_130,
    ];
    sums.map(|sum| (sum >> 16).clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back_a_color_changes_by_less_than_anybody_sees() {
        let steps = || (0..=255_u8).step_by(15);
        let colors =
            steps().flat_map(|r| steps().flat_map(move |g| steps().map(move |b| [r, g, b])));
        for color in colors {
            let back = to_rgb(of_color(color));
            let worst = color.iter().zip(back).map(|(a, b)| a.abs_diff(b)).max();
            assert!(worst <= Some(2), "{color:?} became {back:?}");
        }
        assert_eq!(of_color([255; 3]), [255, 128, 128]);
        assert_eq!(of_color([0; 3]), [0, 128, 128]);
    }

    #[test]
    fn pixels_and_planes_are_the_same_picture_also_where_sixteen_do_not_fit() {
        let (width, height) = (7, 5);
        let data: Vec<u8> = (0..width * height * 3).map(|at| (at * 7) as u8).collect();
        let pixels = Pixels {
            data: data.clone(),
            width,
            height,
            channels: Channels::Rgb,
            upright: true,
            srgb: true,
        };
        let planes = Planes::of(&pixels);
        planes.check().unwrap();
        let chroma = planes.blue.iter().zip(&planes.red);
        for ((y, (cb, cr)), pixel) in planes.luma.iter().zip(chroma).zip(data.chunks(3)) {
            assert_eq!([*y, *cb, *cr], of_color([pixel[0], pixel[1], pixel[2]]));
        }
        let back = planes.to_pixels(true);
        let pairs = back.rgb().flatten().zip(&data);
        assert!(pairs.map(|(a, b)| a.abs_diff(*b)).max() <= Some(2));
    }

    #[test]
    fn a_color_for_four_pixels_is_that_of_each() {
        let planes = Planes {
            luma: vec![128; 15],
            blue: vec![10, 20, 30, 40, 50, 60],
            red: vec![128; 6],
            width: 5,
            height: 3,
        };
        planes.check().unwrap();
        let of = |cb| to_rgb([128, cb, 128]);
        let rows = [
            [10, 10, 20, 20, 30],
            [10, 10, 20, 20, 30],
            [40, 40, 50, 50, 60],
        ];
        let wanted: Vec<[u8; 3]> = rows.as_flattened().iter().map(|cb| of(*cb)).collect();
        assert_eq!(planes.to_pixels(true).rgb().collect::<Vec<_>>(), wanted);
        let missing = Planes {
            blue: vec![0; 5],
            ..planes
        };
        assert!(missing.check().is_err());
    }
}
