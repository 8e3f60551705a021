//! What can be said about a picture without understanding it: sharpness, exposure, kind, text.
//!
//! All of it is measured on the small upright pixels that are sent, in two passes over at most a million of them.

#[cfg(feature = "decoders")]
use crate::pixels::Pixels;
use crate::planes::Planes;
use crate::sent::Sent;

/// Below this, [`Looks::sharpness`] means a picture that is visibly out of focus or shaken.
///
/// At 1024 pixels five photographs and screenshots have 0.7 to 2.9; blurred with a Gaussian of 3 pixels they have 0.016 to
/// 0.050. The softest that a person would still call sharp has 0.2 (`examples/survey.rs`).
pub const TOO_SOFT: f32 = 0.06;

/// Edge of the square tiles whose sharpness is judged one by one, in pixels.
const TILE: usize = 64;

/// A tile with less variance of luma than this is flat: sky, paper, a plain background.
const FLAT: f64 = 30.0;

/// Edge of the square tiles that are text or not, in pixels: one or two lines of small print.
const TEXT_TILE: usize = 16;

/// A step of luma between neighbours that ink on paper makes and a photograph seldom.
const INK: u8 = 40;

/// A step of luma between neighbours that nobody sees; the noise of a good JPEG.
const QUIET: u8 = 3;

/// From so many pixels on with the very colour of their left neighbour a picture may be drawn.
const DRAWN: f32 = 0.4;

/// Of the pixels that have another colour so many must differ visibly, or a picture is not drawn: the night is as flat as
/// a diagram, but has no edges. A photograph of the night has 0.16, what programs drew 0.33 and more.
const EDGES: f32 = 0.25;

/// What can be said about a picture without understanding it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Looks {
    /// How sharp the sharpest parts are: 0 for a blurred picture, above 1 for line art.
    pub sharpness: f32,
    /// Whether the picture is too blurred to be described well: `sharpness` is below [`TOO_SOFT`].
    pub too_soft: bool,
    /// Mean luma, 0 for black to 1 for white.
    pub brightness: f32,
    /// Whether too much of a photograph is black or white to be seen.
    pub exposure: Exposure,
    /// What kind of picture it is.
    pub class: Class,
    /// How much of the picture looks like lines of text, 0 to 1.
    pub text: f32,
    /// How many pixels have the very colour of their left neighbour, 0 to 1: above one half in what a program drew.
    pub flatness: f32,
}

/// How a photograph is exposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exposure {
    /// As it should be, or not a photograph.
    Good,
    /// Too dark: most of it is nearly black.
    Dark,
    /// Too bright: much of it is burnt out.
    Bright,
}

/// What kind of picture it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Light through a lens, or as rich: a painting, a rendered scene.
    Photo,
    /// Drawn by a program: a diagram, a chart, a screenshot, a page.
    ///
    /// These are not told apart: neither the share of text nor that of straight lines nor the number of colours does
    /// it, on the pictures of real articles. [`Looks::text`] says how much there is to read.
    Drawn,
}

impl Exposure {
    /// A stable name in snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Dark => "dark",
            Self::Bright => "bright",
        }
    }
}

impl Class {
    /// A stable name in snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Drawn => "drawn",
        }
    }
}

/// Judges the picture as it is sent.
pub(crate) fn looks(picture: &Sent) -> Looks {
    let planes = picture.planes();
    let (luma, width) = (planes.luma.as_slice(), (planes.width as usize).max(1));
    let sharpness = sharpness(luma, width);
    let text = text(luma, width);
    let light = Light::of(luma);
    // Colours that differ by a little may be one in planes.
    let runs = match picture.pixels() {
        Some(pixels) => Runs::of_pixels(pixels.rgb(), luma),
        None => Runs::of_planes(planes),
    };
    let class = runs.class();
    Looks {
        sharpness,
        too_soft: sharpness < TOO_SOFT,
        brightness: light.mean,
        exposure: light.exposure(class),
        class,
        text,
        flatness: runs.flatness,
    }
}

/// [`Looks::sharpness`] alone.
#[cfg(feature = "decoders")]
pub(crate) fn sharpness_of(pixels: &Pixels) -> f32 {
    let planes = Planes::of(pixels);
    sharpness(&planes.luma, (planes.width as usize).max(1))
}

/// How pixels compare with their left neighbours.
struct Runs {
    /// How many have the very same colour, 0 to 1.
    flatness: f32,
    /// How many of the others are visibly lighter or darker, 0 to 1.
    edges: f32,
}

/// Neighbours are compared so many at a time: a byte counts them, and a vector holds many bytes.
const COUNTED: usize = 128;

/// Whether a picture with this luma looks drawn, so that its colours have edges as fine as its light.
#[must_use]
pub fn looks_drawn(luma: &[u8]) -> bool {
    Runs::of_samples([luma; 3]).class() == Class::Drawn
}

impl Runs {
    fn of_planes(planes: &Planes) -> Self {
        Self::of_samples(if planes.is_quartered() {
            [&planes.luma; 3].map(Vec::as_slice)
        } else {
            [&planes.luma, &planes.blue, &planes.red].map(Vec::as_slice)
        })
    }

    /// Of luma and two of colour, as many of each.
    fn of_samples(all: [&[u8]; 3]) -> Self {
        let [luma, ..] = all;
        let mut equal = 0;
        let lefts = all.map(|plane| plane.chunks(COUNTED));
        let heres = all.map(|plane| plane.get(1..).unwrap_or_default().chunks(COUNTED));
        let ([ly, lb, lr], [hy, hb, hr]) = (lefts, heres);
        for (((ly, lb), lr), ((hy, hb), hr)) in ly.zip(lb).zip(lr).zip(hy.zip(hb).zip(hr)) {
            let mut count = 0_u8;
            let lefts = ly.iter().zip(lb).zip(lr);
            for (((ly, lb), lr), ((hy, hb), hr)) in lefts.zip(hy.iter().zip(hb).zip(hr)) {
                count += u8::from(ly == hy) & u8::from(lb == hb) & u8::from(lr == hr);
            }
            equal += u32::from(count);
        }
        Self::new(equal, luma)
    }

    fn of_pixels(colors: impl Iterator<Item = [u8; 3]>, luma: &[u8]) -> Self {
        // Of no colour that comes.
        let mut last = None;
        let mut equal = 0;
        for color in colors {
            equal += u32::from(last == Some(color));
            last = Some(color);
        }
        Self::new(equal, luma)
    }

    fn new(equal: u32, luma: &[u8]) -> Self {
        // The first pixel has no neighbour and counts as an edge: a picture of one colour is drawn.
        let mut visible = u32::from(!luma.is_empty());
        let rights = luma.get(1..).unwrap_or_default();
        for (lefts, rights) in luma.chunks(COUNTED).zip(rights.chunks(COUNTED)) {
            let mut count = 0_u8;
            for (left, right) in lefts.iter().zip(rights) {
                count += u8::from(left.abs_diff(*right) > QUIET);
            }
            visible += u32::from(count);
        }
        let other = luma.len() as u32 - equal;
        Self {
            flatness: equal as f32 / luma.len().max(1) as f32,
            edges: visible as f32 / other.max(1) as f32,
        }
    }

    /// A sensor's grain gives neighbours of one colour seldom, a program often; and what a program draws has edges.
    fn class(&self) -> Class {
        if self.flatness >= DRAWN && self.edges >= EDGES {
            Class::Drawn
        } else {
            Class::Photo
        }
    }
}

/// How sharp the sharpest parts of a picture are.
///
/// In tiles of 64 pixels the variance of the Laplacian is divided by the variance of luma, so that contrast and exposure
/// do not count; of all tiles that are not flat the ninth decile is taken, so that a sharp subject before a soft
/// background is sharp. A picture without such a tile has nothing that could be soft and gets 1.
fn sharpness(luma: &[u8], width: usize) -> f32 {
    let rows: Vec<&[u8]> = luma.chunks_exact(width).collect();
    let mut tiles: Vec<f32> = Vec::new();
    for band in rows.chunks(TILE) {
        let mut moments = vec![(Moments::default(), Moments::default()); width.div_ceil(TILE)];
        // Every other row says as much as all of them.
        for rows in band.windows(3).step_by(2) {
            let [above, row, below] = rows else { continue };
            for (index, (of_luma, of_laplacian)) in moments.iter_mut().enumerate() {
                let from = index * TILE;
                let to = (from + TILE).min(width);
                let (Some(above), Some(row), Some(below)) =
                    (above.get(from..to), row.get(from..to), below.get(from..to))
                else {
                    continue;
                };
                add_row(above, row, below, of_luma, of_laplacian);
            }
        }
        tiles.extend(moments.iter().filter_map(|(luma, laplacian)| {
            let variance = luma.variance()?;
            (variance >= FLAT).then_some((laplacian.variance()? / variance).abs() as f32)
        }));
    }
    ninth_decile(&tiles).unwrap_or(1.0)
}

/// The value that nine in ten do not exceed. None of no values.
///
/// Bits of floats that are not negative have the order of their values, so the answer's bits are found one by one: a sort
/// would be 5 kB of a module.
fn ninth_decile(values: &[f32]) -> Option<f32> {
    let rank = values.len().checked_sub(1)? * 9 / 10;
    let mut bits = 0;
    for bit in (0..31).rev() {
        let tried = bits | 1 << bit;
        let below = values.iter().filter(|value| value.to_bits() < tried);
        if below.count() <= rank {
            bits = tried;
        }
    }
    Some(f32::from_bits(bits))
}

/// Adds luma and Laplacian of one row of a tile, without its first and last pixel.
fn add_row(
    above: &[u8],
    row: &[u8],
    below: &[u8],
    of_luma: &mut Moments,
    of_laplacian: &mut Moments,
) {
    let inner = row.len().saturating_sub(2);
    let (mut luma_sum, mut luma_squares) = (0, 0);
    let (mut laplacian_sum, mut laplacian_squares) = (0, 0);
    // Slices, not iterators that skip: vectors are made of these.
    let (Some(heres), Some(easts)) = (row.get(1..), row.get(2..)) else {
        return;
    };
    let (Some(ups), Some(downs)) = (above.get(1..), below.get(1..)) else {
        return;
    };
    let rows = row.iter().zip(heres).zip(easts);
    for (((west, here), east), (up, down)) in rows.zip(ups.iter().zip(downs)) {
        let [west, here, east, up, down] = [west, here, east, up, down].map(|v| i32::from(*v));
        let laplacian = west + east + up + down - 4 * here;
        luma_sum += here;
        luma_squares += here * here;
        laplacian_sum += laplacian;
        laplacian_squares += laplacian * laplacian;
    }
    of_luma.add(inner, luma_sum, luma_squares);
    of_laplacian.add(inner, laplacian_sum, laplacian_squares);
}

#[derive(Debug, Default, Clone)]
struct Moments {
    count: usize,
    sum: i64,
    squares: i64,
}

impl Moments {
    fn add(&mut self, count: usize, sum: i32, squares: i32) {
        self.count += count;
        self.sum += i64::from(sum);
        self.squares += i64::from(squares);
    }

    fn variance(&self) -> Option<f64> {
        if self.count < 2 {
            return None;
        }
        let (count, sum) = (self.count as f64, self.sum as f64);
        Some(self.squares as f64 / count - (sum / count).powi(2))
    }
}

/// The share of tiles that look like text: on a quiet ground many short steps of ink, along the lines and across them.
fn text(luma: &[u8], width: usize) -> f32 {
    let rows: Vec<&[u8]> = luma.chunks_exact(width).collect();
    let (mut tiles, mut of_text) = (0_u32, 0_u32);
    for band in rows.chunks_exact(TEXT_TILE) {
        let mut counts = vec![Steps::default(); width / TEXT_TILE];
        for (row, next) in band.iter().zip(band.iter().skip(1)) {
            let row_tiles = row
                .chunks_exact(TEXT_TILE)
                .zip(next.chunks_exact(TEXT_TILE));
            for (count, (row, next)) in counts.iter_mut().zip(row_tiles) {
                count.add(row, next);
            }
        }
        tiles += counts.len() as u32;
        of_text += counts
            .iter()
            .map(|count| u32::from(count.is_text()))
            .sum::<u32>();
    }
    of_text as f32 / tiles.max(1) as f32
}

/// Steps between neighbours in one tile.
#[derive(Debug, Default, Clone)]
struct Steps {
    quiet: u32,
    ink_along: u32,
    ink_across: u32,
}

impl Steps {
    fn add(&mut self, row: &[u8], next: &[u8]) {
        // A tile's row has sixteen: a byte counts them, and a vector holds sixteen bytes.
        let (mut quiet, mut ink_along, mut ink_across) = (0_u8, 0_u8, 0_u8);
        let easts = row.get(1..).unwrap_or_default();
        for ((here, east), south) in row.iter().zip(easts).zip(next) {
            let (along, across) = (here.abs_diff(*east), here.abs_diff(*south));
            quiet += u8::from(along <= QUIET) & u8::from(across <= QUIET);
            ink_along += u8::from(along >= INK);
            ink_across += u8::from(across >= INK);
        }
        self.quiet += u32::from(quiet);
        self.ink_along += u32::from(ink_along);
        self.ink_across += u32::from(ink_across);
    }

    fn is_text(&self) -> bool {
        let all = (TEXT_TILE - 1) * (TEXT_TILE - 1);
        let share = |count: u32| count as f32 / all as f32;
        share(self.quiet) >= 0.25 && share(self.ink_along) >= 0.08 && share(self.ink_across) >= 0.05
    }
}

/// Brightness and its ends.
struct Light {
    count: f32,
    mean: f32,
    black: f32,
    white: f32,
}

impl Light {
    fn of(luma: &[u8]) -> Self {
        let (mut sum, mut black, mut white) = (0_u64, 0_u32, 0_u32);
        for row in luma.chunks(4096) {
            let of_row = row.iter().map(|value| u32::from(*value)).sum::<u32>();
            sum += u64::from(of_row);
            black += row.iter().map(|value| u32::from(*value < 16)).sum::<u32>();
            white += row.iter().map(|value| u32::from(*value > 250)).sum::<u32>();
        }
        let count = luma.len().max(1) as f32;
        Self {
            count,
            mean: sum as f32 / count / 255.0,
            black: black as f32 / count,
            white: white as f32 / count,
        }
    }

    fn exposure(&self, class: Class) -> Exposure {
        // Hardly anything can be said about an icon.
        if class != Class::Photo || self.count < 1024.0 {
            Exposure::Good
        } else if self.black > 0.6 && self.mean < 0.12 {
            Exposure::Dark
        } else if self.white > 0.35 && self.mean > 0.8 {
            Exposure::Bright
        } else {
            Exposure::Good
        }
    }
}
