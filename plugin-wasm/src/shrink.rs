//! Pixels that the browser has decoded, to the size that is sent: Lanczos3, in bands, so that a large picture is never
//! whole in the module's memory.
//!
//! The browser writes straight into [`Shrink::place`]. A filter of two passes takes rows one way and columns the other;
//! rows do not know each other, so each band is filtered along its rows as it comes, and the columns once at the end.
//!
//! Colour planes as a JPEG or a lossy WebP stores them are filtered as planes: less to filter than three bytes a pixel, and
//! only the small picture is ever converted to RGB.

use imaging::Planes;

use crate::error::SmartSummaryError;
use crate::filter::{self, Samples};
use crate::ycc::Narrow;

/// A band's size in bytes. Each band costs the filter's weights anew, about a millisecond.
const BAND: usize = 16 << 20;

/// The same for pixels that become planes: weights are kept, and what has just been written is still near the processor.
const NARROW_BAND: usize = 1 << 20;

/// So much larger must a picture be than it will be, before one colour for four of its pixels is enough for the filter.
const ENOUGH: f64 = 1.3;

/// How the browser hands over its pixels; the names are those of `VideoPixelFormat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Four bytes a pixel; the last is straight alpha, or means nothing.
    Packed {
        /// Blue comes first.
        blue_first: bool,
        /// The fourth byte is alpha.
        alpha: bool,
    },
    /// Y, then Cb, then Cr, each plane without padding.
    Planar {
        /// Luma samples for one chroma sample, along a row.
        across: u32,
        /// Luma samples for one chroma sample, along a column.
        down: u32,
        /// What the values mean.
        matrix: Matrix,
        /// 0 to 255 as in JPEG; else 16 to 235 (luma) and 16 to 240 (chroma) as in WebP.
        full_range: bool,
    },
}

/// The weights of red and blue in luma. Source: ITU-T H.273 table 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matrix {
    /// BT.601: JPEG and WebP.
    Bt601,
    /// BT.709: some AVIF.
    Bt709,
}

impl Layout {
    /// The layout with the name `format`, whose values mean what `matrix` says; none for what is not read here.
    pub fn named(format: &str, matrix: &str, full_range: bool) -> Option<Self> {
        let packed = |blue_first, alpha| Some(Self::Packed { blue_first, alpha });
        let (across, down) = match format {
            "RGBA" => return packed(false, true),
            "RGBX" => return packed(false, false),
            "BGRA" => return packed(true, true),
            "BGRX" => return packed(true, false),
            "I420" => (2, 2),
            "I422" => (2, 1),
            "I444" => (1, 1),
            _ => return None,
        };
        let matrix = match matrix {
            "smpte170m" | "bt470bg" => Matrix::Bt601,
            "bt709" => Matrix::Bt709,
            _ => return None,
        };
        // Of no JPEG.
        if !cfg!(feature = "drawings") && (matrix != Matrix::Bt601 || !full_range) {
            return None;
        }
        Some(Self::Planar {
            across,
            down,
            matrix,
            full_range,
        })
    }
}

/// What is done with transparency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alpha {
    /// Laid onto white.
    OntoWhite,
    /// Kept, straight.
    Kept,
}

/// The small picture, in the orientation and the colours in which it was stored.
#[derive(Debug, PartialEq, Eq)]
pub struct Small {
    /// Rows from the top, without padding; red, green, blue, and a fourth byte.
    pub pixels: Vec<u8>,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The fourth byte is straight alpha; else it means nothing.
    pub has_alpha: bool,
    /// Some pixel was not opaque.
    pub transparent: bool,
}

/// What has become of a picture.
#[derive(Debug)]
pub enum Shrunk {
    /// As pixels.
    Small(Small),
    /// As planes of full range, which lie as they are stored.
    Planes(Planes),
}

/// A picture on its way to its small size.
#[derive(Debug)]
pub struct Shrink {
    from: (u32, u32),
    /// How much of that is picture: a decoder that halves rounds up.
    seen: (f64, f64),
    to: (u32, u32),
    layout: Layout,
    alpha: Alpha,
    transparent: bool,
    /// Rows that the browser writes; for planes, all of them.
    band: Vec<u8>,
    /// Rows of the new width: those that have come.
    narrow: Vec<u8>,
    /// The same as planes, if that is how they are filtered.
    planes: Option<Narrow>,
    /// The caller can do with planes.
    stays_planes: bool,
    /// And with a colour for four pixels, if the picture is not drawn.
    quarters: bool,
    rows: u32,
}

impl Shrink {
    /// For pixels of the size `from`, none of whose edges is 0, of a picture of the size `full`, to the size `to`.
    pub fn new(
        from: (u32, u32),
        full: (u32, u32),
        to: (u32, u32),
        layout: Layout,
        alpha: Alpha,
    ) -> Self {
        Self {
            from,
            seen: imaging::extent(from, full),
            to,
            layout,
            alpha,
            transparent: false,
            band: Vec::new(),
            narrow: Vec::new(),
            planes: None,
            stays_planes: false,
            quarters: false,
            rows: 0,
        }
    }

    /// Leaves planes as they are, and filters pixels as planes, of which there is less, where that loses nothing that a
    /// photograph's JPEG has or keeps. With `quarters` a photograph's colours come as its JPEG will have them, and are filtered
    /// once instead of twice.
    #[must_use]
    pub fn in_planes(mut self, quarters: bool) -> Self {
        self.quarters = quarters;
        self.stays_planes = self.from != self.to;
        let larger = |seen: f64, to: u32| seen >= f64::from(to) * ENOUGH;
        if let Layout::Packed {
            blue_first,
            alpha: false,
        } = self.layout
            && larger(self.seen.0, self.to.0)
            && larger(self.seen.1, self.to.1)
        {
            let (from, wanted) = (
                (self.from.0 as usize, self.from.1 as usize),
                self.to.0 as usize,
            );
            self.planes = Some(Narrow::new(blue_first, from, self.seen.0, wanted));
        }
        self
    }

    /// Where the browser writes the next band: [`Shrink::band_rows`] rows without padding, from row [`Shrink::row`].
    pub fn place(&mut self) -> &mut [u8] {
        self.make_room();
        &mut self.band
    }

    /// How many rows have been taken.
    pub fn row(&self) -> u32 {
        self.rows
    }

    /// How many rows the next band has; 0 when all have been taken.
    pub fn band_rows(&self) -> u32 {
        let left = self.from.1 - self.rows;
        match self.layout {
            Layout::Packed { .. } => {
                let bytes = if self.planes.is_some() {
                    NARROW_BAND
                } else {
                    BAND
                };
                let most = u32::try_from(bytes / (self.from.0 as usize * 4)).unwrap_or(u32::MAX);
                // Planes are made of two rows at a time.
                left.min((most & !1).max(2))
            }
            Layout::Planar { .. } => left,
        }
    }

    /// Takes the band that has been written.
    ///
    /// # Errors
    /// When the filter refuses, which is a bug.
    pub fn take(&mut self) -> Result<(), SmartSummaryError> {
        let rows = self.band_rows();
        if let Some(planes) = &mut self.planes {
            planes.take(&self.band);
            self.rows += rows;
            self.make_room();
            return Ok(());
        }
        if let Layout::Packed { alpha: true, .. } = self.layout {
            self.transparent |= if self.from == self.to {
                is_transparent(&self.band)
            } else {
                flatten(&mut self.band, self.alpha)
            };
        }
        if let Layout::Packed { .. } = self.layout {
            let (width, wanted) = (self.from.0 as usize, self.to.0 as usize);
            let narrow = filter::rows(&self.band, Samples::Four, width, self.seen.0, wanted);
            if self.narrow.is_empty() {
                self.narrow = narrow;
            } else {
                self.narrow.extend_from_slice(&narrow);
            }
        }
        self.rows += rows;
        self.make_room();
        Ok(())
    }

    /// The small picture, when all bands have been taken.
    ///
    /// # Errors
    /// When rows are missing or the filter refuses, which are bugs.
    pub fn finish(self) -> Result<Shrunk, SmartSummaryError> {
        if self.rows != self.from.1 {
            return Err(SmartSummaryError::bug("rows are missing"));
        }
        let (width, height) = self.to;
        if let Some(Narrow {
            luma, blue, red, ..
        }) = self.planes
        {
            let luma = filter::columns(&luma, width as usize, self.seen.1, height as usize);
            let from = (self.from.0.div_ceil(2), self.from.1.div_ceil(2));
            let (mut seen, mut to) = ((self.seen.0 / 2.0, self.seen.1 / 2.0), self.to);
            if self.quarters && !imaging::looks_drawn(&luma) {
                to = (width.div_ceil(2), height.div_ceil(2));
                // The last colour of an odd edge reaches beyond it.
                let reach = |seen, to: u32, edge| seen * f64::from(to * 2) / f64::from(edge);
                seen = (reach(seen.0, to.0, width), reach(seen.1, to.1, height));
            }
            return Ok(Shrunk::Planes(Planes {
                luma,
                blue: plane(&blue, from, seen, to),
                red: plane(&red, from, seen, to),
                width,
                height,
            }));
        }
        // At its own size the file itself may be what is sent: its transparency is not decided on here.
        let same = self.from == self.to;
        let has_alpha = self.transparent && (same || self.alpha == Alpha::Kept);
        let pixels = match self.layout {
            Layout::Packed { blue_first, .. } => {
                let stride = width as usize * 4;
                let mut pixels =
                    filter::columns(&self.narrow, stride, self.seen.1, height as usize);
                if has_alpha && !same {
                    straighten(&mut pixels);
                }
                if blue_first {
                    swap(&mut pixels);
                }
                pixels
            }
            Layout::Planar {
                across,
                down,
                matrix,
                full_range,
            } => {
                let planes = planes(&self.band, self.from, self.seen, self.to, (across, down))?;
                if self.stays_planes && full_range && matrix == Matrix::Bt601 {
                    return Ok(Shrunk::Planes(planes));
                }
                #[cfg(feature = "drawings")]
                let pixels = to_rgbx(&planes, matrix, full_range);
                #[cfg(not(feature = "drawings"))]
                let pixels = planes.to_pixels(false).data;
                pixels
            }
        };
        Ok(Shrunk::Small(Small {
            pixels,
            width,
            height,
            has_alpha,
            transparent: self.transparent,
        }))
    }

    fn make_room(&mut self) {
        let (width, height) = (self.from.0 as usize, self.from.1 as usize);
        let bytes = match self.layout {
            Layout::Packed { .. } => width * 4 * self.band_rows() as usize,
            // Planes stay until the end.
            Layout::Planar { .. } if self.rows > 0 => return,
            Layout::Planar { across, down, .. } => {
                let chroma = width.div_ceil(across as usize) * height.div_ceil(down as usize);
                width * height + 2 * chroma
            }
        };
        self.band.truncate(bytes);
        self.band.resize(bytes, 0);
    }
}

fn is_transparent(band: &[u8]) -> bool {
    let pixels = band.as_chunks::<4>().0.iter();
    pixels.fold(255, |all, [.., opacity]| all & opacity) != 255
}

/// Lays transparent pixels onto white, or weighs their colours by their opacity. Says whether there were any.
fn flatten(band: &mut [u8], alpha: Alpha) -> bool {
    if !is_transparent(band) {
        return false;
    }
    for pixel in band.as_chunks_mut::<4>().0 {
        let [a, b, c, opacity] = *pixel;
        let weigh = |value: u8| {
            let white = match alpha {
                Alpha::OntoWhite => 255 * (255 - u32::from(opacity)),
                Alpha::Kept => 0,
            };
            ((u32::from(value) * u32::from(opacity) + white + 127) / 255) as u8
        };
        let opacity = match alpha {
            Alpha::OntoWhite => 255,
            Alpha::Kept => opacity,
        };
        *pixel = [weigh(a), weigh(b), weigh(c), opacity];
    }
    true
}

/// Undoes the weighing of colours by their opacity.
fn straighten(pixels: &mut [u8]) {
    for pixel in pixels.as_chunks_mut::<4>().0 {
        let [a, b, c, opacity] = *pixel;
        let whole = u32::from(opacity);
        let straight = |value: u8| match whole {
            0 => 0,
            _ => ((u32::from(value) * 255 + whole / 2) / whole).min(255) as u8,
        };
        *pixel = [straight(a), straight(b), straight(c), opacity];
    }
}

/// Blue first to red first, and back.
fn swap(pixels: &mut [u8]) {
    for [first, _, third, _] in pixels.as_chunks_mut::<4>().0 {
        std::mem::swap(first, third);
    }
}

fn planes(
    stored: &[u8],
    from: (u32, u32),
    seen: (f64, f64),
    to: (u32, u32),
    (across, down): (u32, u32),
) -> Result<Planes, SmartSummaryError> {
    let chroma = (from.0.div_ceil(across), from.1.div_ceil(down));
    let missing = || SmartSummaryError::bug("a plane is missing");
    let (luma, rest) = stored
        .split_at_checked(from.0 as usize * from.1 as usize)
        .ok_or_else(missing)?;
    let (blue, red) = rest
        .split_at_checked(chroma.0 as usize * chroma.1 as usize)
        .ok_or_else(missing)?;
    // The last chroma sample of an odd edge covers one luma sample only: what is beyond the edge is cut off.
    let part = (seen.0 / f64::from(across), seen.1 / f64::from(down));
    Ok(Planes {
        luma: plane(luma, from, seen, to),
        blue: plane(blue, chroma, part, to),
        red: plane(red, chroma, part, to),
        width: to.0,
        height: to.1,
    })
}

fn plane(data: &[u8], from: (u32, u32), seen: (f64, f64), to: (u32, u32)) -> Vec<u8> {
    let narrow = filter::rows(data, Samples::One, from.0 as usize, seen.0, to.0 as usize);
    filter::columns(&narrow, to.0 as usize, seen.1, to.1 as usize)
}

#[cfg(feature = "drawings")]
/// Source: ITU-T H.273 section 8.3, with 16 bits after the point.
fn to_rgbx(planes: &Planes, matrix: Matrix, full_range: bool) -> Vec<u8> {
    let (kr, kb) = match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
    };
    let (luma_scale, chroma_scale, black) = if full_range {
        (1.0, 1.0, 0)
    } else {
        (255.0 / 219.0, 255.0 / 224.0, 16)
    };
    let fixed = |value: f64| (value * 65_536.0 + 0.5) as i32;
    let luma_scale = fixed(luma_scale);
    let red_of_red = fixed(2.0 * (1.0 - kr) * chroma_scale);
    let blue_of_blue = fixed(2.0 * (1.0 - kb) * chroma_scale);
    let green_of_red = fixed(2.0 * (1.0 - kr) * kr / (1.0 - kr - kb) * chroma_scale);
    let green_of_blue = fixed(2.0 * (1.0 - kb) * kb / (1.0 - kr - kb) * chroma_scale);
    let byte = |value: i32| (value >> 16).clamp(0, 255) as u8;

    let mut rgbx = vec![255; planes.luma.len() * 4];
    let samples = planes.luma.iter().zip(planes.blue.iter().zip(&planes.red));
    for (to, (y, (cb, cr))) in rgbx.as_chunks_mut::<4>().0.iter_mut().zip(samples) {
        let y = (i32::from(*y) - black) * luma_scale + (1 << 15);
        let (cb, cr) = (i32::from(*cb) - 128, i32::from(*cr) - 128);
        *to = [
            byte(y + cr * red_of_red),
            byte(y - cb * green_of_blue - cr * green_of_red),
            byte(y + cb * blue_of_blue),
            255,
        ];
    }
    rgbx
}

#[cfg(test)]
mod tests {
    use super::*;

    const RGBX: Layout = Layout::Packed {
        blue_first: false,
        alpha: false,
    };
    const BGRA: Layout = Layout::Packed {
        blue_first: true,
        alpha: true,
    };

    /// Writes `pixels` band by band, as the browser does.
    fn shrink(mut work: Shrink, pixels: &[u8]) -> Small {
        let mut rest = pixels;
        while work.band_rows() > 0 {
            let place = work.place();
            let (band, more) = rest.split_at(place.len());
            place.copy_from_slice(band);
            rest = more;
            work.take().unwrap();
        }
        assert!(rest.is_empty());
        match work.finish().unwrap() {
            Shrunk::Small(small) => small,
            Shrunk::Planes(planes) => Small {
                pixels: planes.to_pixels(false).data,
                width: planes.width,
                height: planes.height,
                has_alpha: false,
                transparent: false,
            },
        }
    }

    fn worst(one: &[u8], other: &[u8]) -> u8 {
        assert_eq!(one.len(), other.len());
        let pairs = one
            .chunks(4)
            .zip(other.chunks(4))
            .flat_map(|(a, b)| a[..3].iter().zip(b));
        let differences = pairs.map(|(a, b)| a.abs_diff(*b));
        differences.max().unwrap_or(0)
    }

    /// A picture with structure in every direction and every colour.
    fn waves(width: u32, height: u32) -> Vec<u8> {
        (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                [
                    (x * 7 + y) as u8,
                    (128.0 + 90.0 * (f64::from(x + 2 * y) / 9.0).sin()) as u8,
                    (y * 3) as u8,
                    9,
                ]
            })
            .collect()
    }

    #[test]
    fn bands_do_not_show() {
        let (width, height) = (3000, 1500);
        let pixels = waves(width, height);
        let work = Shrink::new(
            (width, height),
            (width, height),
            (500, 250),
            RGBX,
            Alpha::OntoWhite,
        );
        assert!(work.band_rows() < height, "more bands than one");
        let small = shrink(work, &pixels);
        let seen = (f64::from(width), f64::from(height));
        let whole = imaging::resample(
            &pixels,
            imaging::Samples::Four,
            (width, height),
            seen,
            (500, 250),
        )
        .unwrap();
        // Columns first or rows first round differently; a band that began a row too late would differ by more.
        let worst = worst(&small.pixels, &whole);
        assert!(worst <= 3, "{worst}");
        assert_eq!(
            (small.width, small.height, small.has_alpha),
            (500, 250, false)
        );
    }

    #[test]
    fn a_small_picture_is_left_as_it_is() {
        let work = Shrink::new((2, 1), (2, 1), (2, 1), BGRA, Alpha::Kept);
        let small = shrink(work, &[1, 2, 3, 255, 4, 5, 6, 255]);
        assert_eq!(small.pixels, [3, 2, 1, 255, 6, 5, 4, 255]);
        assert!(!small.transparent);
    }

    #[test]
    fn a_small_picture_keeps_its_transparency_until_it_is_decided_on() {
        let small = shrink(
            Shrink::new((2, 1), (2, 1), (2, 1), BGRA, Alpha::OntoWhite),
            &[1, 2, 3, 0, 4, 5, 6, 255],
        );
        assert_eq!(small.pixels, [3, 2, 1, 0, 6, 5, 4, 255]);
        assert!(small.has_alpha);
    }

    #[test]
    fn what_is_transparent_becomes_white_and_never_bleeds() {
        // Invisible red beside opaque blue.
        let pixels: Vec<u8> = [[0, 0, 255, 0], [255, 0, 0, 255]].as_flattened().repeat(8);
        let small = shrink(
            Shrink::new((16, 1), (16, 1), (1, 1), BGRA, Alpha::OntoWhite),
            &pixels,
        );
        let [r, g, b, _] = small.pixels[..] else {
            panic!("{small:?}")
        };
        assert!(
            small.transparent && r == g && r > 100 && b == 255,
            "{small:?}"
        );
        let kept = shrink(
            Shrink::new((16, 1), (16, 1), (1, 1), BGRA, Alpha::Kept),
            &pixels,
        );
        let [r, g, b, a] = kept.pixels[..] else {
            panic!("{kept:?}")
        };
        assert!(
            kept.has_alpha && (r, g) == (0, 0) && b > 250 && (120..136).contains(&a),
            "{kept:?}"
        );
    }

    /// RGB to planes, each chroma sample the mean of what it covers.
    fn to_planes(
        pixels: &[u8],
        width: usize,
        height: usize,
        across: usize,
        down: usize,
        full: bool,
    ) -> Vec<u8> {
        let ycc: Vec<[f64; 3]> = pixels
            .chunks(4)
            .map(|p| {
                let [r, g, b] = [f64::from(p[0]), f64::from(p[1]), f64::from(p[2])];
                let y = 0.299 * r + 0.587 * g + 0.114 * b;
                [y, (b - y) / 1.772, (r - y) / 1.402]
            })
            .collect();
        let (luma, chroma, black) = if full {
            (1.0, 1.0, 0.0)
        } else {
            (219.0 / 255.0, 224.0 / 255.0, 16.0)
        };
        let mut out: Vec<u8> = ycc
            .iter()
            .map(|[y, ..]| (y * luma + black).round() as u8)
            .collect();
        for chroma_of in [|[_, blue, _]: [f64; 3]| blue, |[.., red]: [f64; 3]| red] {
            for y in (0..height).step_by(down) {
                for x in (0..width).step_by(across) {
                    let covered: Vec<f64> = (y..(y + down).min(height))
                        .flat_map(|y| (x..(x + across).min(width)).map(move |x| (x, y)))
                        .map(|(x, y)| chroma_of(ycc[y * width + x]))
                        .collect();
                    let mean = covered.iter().sum::<f64>() / covered.len() as f64;
                    out.push((mean * chroma + 128.0).round() as u8);
                }
            }
        }
        out
    }

    #[track_caller]
    fn check_planes(format: &str, across: usize, down: usize, full_range: bool) {
        let (width, height) = (301, 201);
        // Smooth, so that what chroma loses is small.
        let pixels: Vec<u8> = (0..height)
            .flat_map(|y| {
                (0..width).map(move |x| {
                    [
                        (x * 255 / 301) as u8,
                        (y * 255 / 201) as u8,
                        ((x + y) / 2) as u8,
                        0,
                    ]
                })
            })
            .flatten()
            .collect();
        let layout = Layout::named(format, "smpte170m", full_range).unwrap();
        let stored = to_planes(&pixels, width, height, across, down, full_range);
        let small = shrink(
            Shrink::new((301, 201), (301, 201), (100, 67), layout, Alpha::OntoWhite),
            &stored,
        );
        let expected = shrink(
            Shrink::new((301, 201), (301, 201), (100, 67), RGBX, Alpha::OntoWhite),
            &pixels,
        );
        assert_eq!((small.width, small.height), (100, 67));
        let worst = worst(&small.pixels, &expected.pixels);
        assert!(worst < 6, "{format}: {worst}");
    }

    #[test]
    fn planes_give_the_same_picture_as_pixels() {
        check_planes("I444", 1, 1, true);
        check_planes("I422", 2, 1, true);
        check_planes("I420", 2, 2, true);
        check_planes("I420", 2, 2, false);
    }

    /// As planes and as pixels, within what chroma loses.
    #[track_caller]
    fn check_in_planes(from: (u32, u32), full: (u32, u32), to: (u32, u32), layout: Layout) {
        let (width, height) = from;
        // Smooth in colour, with structure in light.
        let pixels: Vec<u8> = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let light = (20.0 * (f64::from(x + 2 * y) / 5.0).sin()) as i32;
                let color = [
                    30 + x * 150 / width,
                    40 + y * 150 / height,
                    60 + (x + y) * 99 / (width + height),
                ];
                let [r, g, b] = color.map(|value| (value as i32 + light) as u8);
                [r, g, b, 7]
            })
            .collect();
        let of = || Shrink::new(from, full, to, layout, Alpha::OntoWhite);
        let expected = shrink(of(), &pixels);
        for (quarters, most) in [(false, 6), (true, 9)] {
            let planes = of().in_planes(quarters);
            assert!(planes.planes.is_some(), "large enough");
            let small = shrink(planes, &pixels);
            assert_eq!((small.width, small.height), to);
            let worst = worst(&small.pixels, &expected.pixels);
            assert!(worst <= most, "{from:?} to {to:?}, {quarters}: {worst}");
        }
    }

    #[test]
    fn a_photograph_is_the_same_whether_filtered_as_planes_or_as_pixels() {
        const BGRX: Layout = Layout::Packed {
            blue_first: true,
            alpha: false,
        };
        check_in_planes((640, 400), (640, 400), (320, 200), RGBX);
        check_in_planes((640, 400), (640, 400), (320, 200), BGRX);
        // Odd edges, and rows that end within eight pixels.
        check_in_planes((301, 203), (301, 203), (100, 67), RGBX);
        check_in_planes((302, 204), (603, 407), (100, 67), RGBX);
        // More bands than one.
        check_in_planes((1500, 1001), (1500, 1001), (300, 200), RGBX);
    }

    #[test]
    fn pixels_stay_pixels_where_planes_would_lose_what_is_seen() {
        let of = |to, layout| {
            Shrink::new((100, 100), (100, 100), to, layout, Alpha::Kept).in_planes(true)
        };
        assert!(of((90, 90), RGBX).planes.is_none(), "hardly made smaller");
        assert!(of((50, 50), BGRA).planes.is_none(), "transparent");
    }

    #[test]
    fn an_unknown_layout_is_not_guessed() {
        assert_eq!(Layout::named("NV12", "smpte170m", true), None);
        assert_eq!(Layout::named("I420", "bt2020-ncl", true), None);
    }

    #[test]
    fn missing_rows_are_told() {
        assert!(
            Shrink::new((4, 4), (4, 4), (2, 2), RGBX, Alpha::Kept)
                .finish()
                .is_err()
        );
    }
}
