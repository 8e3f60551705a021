//! The small picture as a JPEG stores it: luma and two differences of colour, each a plane of its own.

use crate::Error;
use crate::pixels::{Channels, Pixels};

/// BT.601 planes of full range, each of the picture's size. Source: JFIF 1.02, section "Color space".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planes {
    /// Y, row by row from the top, without padding.
    pub luma: Vec<u8>,
    /// Cb, of the same size.
    pub blue: Vec<u8>,
    /// Cr, of the same size.
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
        let count = (self.width as usize).checked_mul(self.height as usize);
        let fits = |plane: &Vec<u8>| Some(plane.len()) == count && !plane.is_empty();
        if [&self.luma, &self.blue, &self.red].into_iter().all(fits) {
            Ok(())
        } else {
            Err(Error::broken(
                "its planes do not have the size that is sent, a bug",
            ))
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

    /// Y, Cb and Cr of each pixel.
    pub(crate) fn colors(&self) -> impl Iterator<Item = [u8; 3]> {
        let chroma = self.blue.iter().zip(&self.red);
        let samples = self.luma.iter().zip(chroma);
        samples.map(|(y, (cb, cr))| [*y, *cb, *cr])
    }

    /// As pixels that lie as these do, in the colours of the file's profile.
    #[must_use]
    pub fn to_pixels(&self, upright: bool) -> Pixels {
        let mut data = vec![255; self.luma.len() * 4];
        for (to, color) in data.as_chunks_mut::<4>().0.iter_mut().zip(self.colors()) {
            let [r, g, b] = to_rgb(color);
            *to = [r, g, b, 255];
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
        for (color, pixel) in planes.colors().zip(data.chunks(3)) {
            assert_eq!(color, of_color([pixel[0], pixel[1], pixel[2]]));
        }
        let back = planes.to_pixels(true);
        let pairs = back.rgb().flatten().zip(&data);
        assert!(pairs.map(|(a, b)| a.abs_diff(*b)).max() <= Some(2));
    }
}
