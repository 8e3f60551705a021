//! What the colours of a file mean, and how they become sRGB.
//!
//! The profiles of cameras, phones and screens are three curves and a matrix; those are read and applied here, in few
//! bytes of code, so that a browser need not load a whole colour engine for a photo in Display P3. Profiles with look-up
//! tables are left to the decoders' engine. Source: ICC.1:2022, sections 7 to 10.

use crate::pixels::Pixels;

/// What the colours of a file mean.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Profile {
    /// sRGB, said or unsaid, or so near that no byte would differ by more than one.
    Srgb,
    /// Three curves and a matrix: Display P3, Adobe RGB, Rec. 2020, channels in another order, a PNG's own numbers.
    Matrix(Box<Matrix>),
    /// A curve for grey.
    Gray(Box<Gray>),
    /// An ICC profile with look-up tables. It is converted only with the feature `decoders`.
    Table(Vec<u8>),
    /// One that is broken or of a kind that is not converted; the values are taken as sRGB.
    Ignored,
}

impl Profile {
    /// A stable name in snake case.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Srgb => "srgb",
            Self::Matrix(_) => "matrix",
            Self::Gray(_) => "gray",
            Self::Table(_) => "table",
            Self::Ignored => "ignored",
        }
    }
}

/// The curves to linear light of three channels, and the matrix from there to linear sRGB.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    curves: [[f32; 256]; 3],
    rows: [[f32; 3]; 3],
}

/// The sRGB value of each grey.
#[derive(Debug, Clone, PartialEq)]
pub struct Gray {
    curve: [u8; 256],
}

/// XYZ of the primaries of sRGB, adapted to the D50 of the connection space, a row for each of X, Y and Z.
const SRGB_TO_XYZ: [[f64; 3]; 3] = [
    [0.436_066, 0.385_147, 0.143_066],
    [0.222_488, 0.716_873, 0.060_608],
    [0.013_916, 0.097_076, 0.714_096],
];

/// More entries than a table of a real profile has; a longer one is not read.
const MAX_TAGS: usize = 200;

/// Reads an ICC profile.
pub(crate) fn read(icc: Vec<u8>) -> Profile {
    let Some(file) = Tags::open(&icc) else {
        return Profile::Ignored;
    };
    match file.space {
        b"RGB " if file.find(b"A2B0").is_some() => Profile::Table(icc),
        b"RGB " => file.matrix().map_or(Profile::Ignored, Matrix::into_profile),
        b"GRAY" => file
            .find(b"kTRC")
            .and_then(curve)
            .map_or(Profile::Ignored, Gray::into_profile),
        _ => Profile::Ignored,
    }
}

/// Colours that are named by codes. Source: ITU-T H.273, tables 2 and 3; the matrices from linear light to that of sRGB follow
/// from the chromaticities there, all with the white of D65.
#[cfg(feature = "drawings")]
pub(crate) fn coded(primaries: u8, transfer: u8) -> Profile {
    let rows = match primaries {
        1 => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        9 => [
            [1.660_491, -0.587_641, -0.072_85],
            [-0.124_55, 1.132_9, -0.008_349],
            [-0.018_151, -0.100_579, 1.118_73],
        ],
        12 => [
            [1.224_94, -0.224_94, 0.0],
            [-0.042_057, 1.042_057, 0.0],
            [-0.019_638, -0.078_636, 1.098_274],
        ],
        _ => return Profile::Ignored,
    };
    let light: fn(f64) -> f64 = match transfer {
        1 | 6 | 14 | 15 => |value| {
            if value < 0.081 {
                value / 4.5
            } else {
                ((value + 0.099) / 1.099).powf(1.0 / 0.45)
            }
        },
        4 => |value| value.powf(2.2),
        8 => |value| value,
        13 => |value| {
            if value <= 0.040_45 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        },
        // PQ and HLG mean more light than sRGB has.
        _ => return Profile::Ignored,
    };
    let curve = std::array::from_fn(|value| light(value as f64 / 255.0) as f32);
    Matrix {
        curves: [curve; 3],
        rows,
    }
    .into_profile()
}

/// The exponent that stands for the curve of sRGB where no curve can be written.
#[cfg(feature = "drawings")]
const GAMMA_OF_SRGB: f64 = 1.0 / 2.2;

/// Chromaticities of white, red, green and blue. Source: IEC 61966-2-1.
#[cfg(feature = "drawings")]
const CHROMATICITIES_OF_SRGB: [f64; 8] = [0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06];

/// Colours that are told by numbers: the exponent with which light was stored, and chromaticities as those of sRGB above.
///
/// As browsers show them, with one exception: those that have the numbers of sRGB are sRGB. Programs that write its numbers
/// in place of its name mean it, and a power of 2.2 would darken the dark ones by up to six.
///
/// Source: PNG (third edition), sections 11.3.2.1 and 11.3.2.2; how near an exponent must be is libpng's rule.
#[cfg(feature = "drawings")]
pub(crate) fn measured(gamma: f64, chromaticities: Option<[f64; 8]>) -> Profile {
    let of_srgb = |found: &[f64; 8]| {
        let mut pairs = found.iter().zip(CHROMATICITIES_OF_SRGB);
        pairs.all(|(found, exact)| (found - exact).abs() < 0.001)
    };
    let chromaticities = chromaticities.filter(|found| !of_srgb(found));
    let rows = chromaticities.as_ref().and_then(to_linear_srgb);
    if gamma == 0.0 || (rows.is_none() && (gamma / GAMMA_OF_SRGB - 1.0).abs() <= 0.05) {
        return Profile::Srgb;
    }
    let curve = std::array::from_fn(|value| (value as f64 / 255.0).powf(1.0 / gamma) as f32);
    Matrix {
        curves: [curve; 3],
        rows: rows.unwrap_or([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
    }
    .into_profile()
}

/// The matrix from linear light of these chromaticities to that of sRGB, white to white.
#[cfg(feature = "drawings")]
fn to_linear_srgb([wx, wy, rx, ry, gx, gy, bx, by]: &[f64; 8]) -> Option<[[f32; 3]; 3]> {
    // Bradford's cones; by them profiles are adapted to D50. Source: ICC.1:2022, annex E.
    const CONES: [[f64; 3]; 3] = [
        [0.8951, 0.2664, -0.1614],
        [-0.7502, 1.7135, 0.0367],
        [0.0389, -0.0685, 1.0296],
    ];
    const D50: [f64; 3] = [0.9642, 1.0, 0.8249];
    let xyz = |x: f64, y: f64| [x, y, 1.0 - x - y];
    let ([rx, ry, rz], [gx, gy, gz]) = (xyz(*rx, *ry), xyz(*gx, *gy));
    let [bx, by, bz] = xyz(*bx, *by);
    let primaries = [[rx, gx, bx], [ry, gy, by], [rz, gz, bz]];
    let white = xyz(*wx, *wy).map(|value| value / wy);
    let lights = times(&inverse(&primaries)?, white);
    let (seen, wanted) = (times(&CONES, white), times(&CONES, D50));
    let mut adapted = product(&CONES, &primaries);
    for (row, (seen, wanted)) in adapted.iter_mut().zip(seen.into_iter().zip(wanted)) {
        for (cell, light) in row.iter_mut().zip(lights) {
            *cell *= light * wanted / seen;
        }
    }
    let rows = product(&inverse(&product(&CONES, &SRGB_TO_XYZ))?, &adapted);
    let finite = rows.iter().flatten().all(|cell| cell.is_finite());
    finite.then(|| rows.map(|row| row.map(|cell| cell as f32)))
}

/// The tags of a profile.
struct Tags<'a> {
    icc: &'a [u8],
    space: &'a [u8; 4],
}

impl<'a> Tags<'a> {
    fn open(icc: &'a [u8]) -> Option<Self> {
        (icc.get(36..40)? == b"acsp").then_some(())?;
        let space = icc.get(16..)?.first_chunk()?;
        Some(Self { icc, space })
    }

    /// The data of the tag `name`.
    fn find(&self, name: &[u8; 4]) -> Option<&'a [u8]> {
        let count = u32_at(self.icc, 128)? as usize;
        let table = self.icc.get(132..)?;
        let entry = table
            .as_chunks::<12>()
            .0
            .iter()
            .take(count.min(MAX_TAGS))
            .find(|entry| entry.starts_with(name))?;
        let (start, length) = (u32_at(entry, 4)? as usize, u32_at(entry, 8)? as usize);
        self.icc.get(start..start.checked_add(length)?)
    }

    fn matrix(&self) -> Option<Matrix> {
        // Curves and matrix connect to XYZ only; a profile that connects to Lab has tables.
        (self.icc.get(20..24)? == b"XYZ ").then_some(())?;
        let [red, green, blue] =
            [b"rXYZ", b"gXYZ", b"bXYZ"].map(|name| self.find(name).and_then(xyz));
        let (red, green, blue) = (red?, green?, blue?);
        let mut to_xyz = [[0.0; 3]; 3];
        for (row, ((r, g), b)) in to_xyz.iter_mut().zip(red.into_iter().zip(green).zip(blue)) {
            *row = [r, g, b];
        }
        let [red, green, blue] =
            [b"rTRC", b"gTRC", b"bTRC"].map(|name| self.find(name).and_then(curve));
        Some(Matrix {
            curves: [red?, green?, blue?].map(|curve| curve.map(|value| value as f32)),
            rows: product(&inverse(&SRGB_TO_XYZ)?, &to_xyz).map(|row| row.map(|cell| cell as f32)),
        })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// An s15Fixed16Number.
fn fixed(bytes: &[u8], at: usize) -> Option<f64> {
    let bits = i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?);
    Some(f64::from(bits) / 65536.0)
}

/// XYZType, section 10.31.
fn xyz(tag: &[u8]) -> Option<[f64; 3]> {
    tag.starts_with(b"XYZ ").then_some(())?;
    Some([fixed(tag, 8)?, fixed(tag, 12)?, fixed(tag, 16)?])
}

/// curveType or parametricCurveType, sections 10.6 and 10.18: linear light of each 8-bit value, 0 to 1.
fn curve(tag: &[u8]) -> Option<[f64; 256]> {
    let shape: Box<dyn Fn(f64) -> Option<f64>> = match tag.first_chunk()? {
        b"curv" => sampled(tag)?,
        b"para" => parametric(tag)?,
        _ => return None,
    };
    let mut values = [0.0; 256];
    for (index, value) in values.iter_mut().enumerate() {
        *value = shape(index as f64 / 255.0)?.clamp(0.0, 1.0);
    }
    Some(values)
}

type Shape<'a> = Box<dyn Fn(f64) -> Option<f64> + 'a>;

fn sampled(tag: &[u8]) -> Option<Shape<'_>> {
    let count = u32_at(tag, 8)? as usize;
    let samples = tag.get(12..12_usize.checked_add(count.checked_mul(2)?)?)?;
    let sample = |index: usize| {
        let pair = samples.as_chunks::<2>().0.get(index)?;
        Some(f64::from(u16::from_be_bytes(*pair)))
    };
    Some(match count {
        0 => Box::new(Some),
        1 => {
            let gamma = sample(0)? / 256.0;
            Box::new(move |x| Some(x.powf(gamma)))
        }
        _ => Box::new(move |x| {
            let place = x * (count - 1) as f64;
            let below = (place as usize).min(count - 2);
            let share = place - below as f64;
            Some((sample(below)? * (1.0 - share) + sample(below + 1)? * share) / 65535.0)
        }),
    })
}

fn parametric(tag: &[u8]) -> Option<Shape<'_>> {
    let kind = u16::from_be_bytes(*tag.get(8..)?.first_chunk()?);
    let parameter = |index: usize| fixed(tag, 12 + 4 * index);
    let g = parameter(0)?;
    // Y = (aX + b)^g + e above d, cX + f below; the simpler kinds leave some of these out.
    let [a, b, c, d, e, f] = match kind {
        0 => [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        1 => {
            let (a, b) = (parameter(1)?, parameter(2)?);
            [a, b, 0.0, -b / a, 0.0, 0.0]
        }
        2 => {
            let (a, b, c) = (parameter(1)?, parameter(2)?, parameter(3)?);
            [a, b, 0.0, -b / a, c, c]
        }
        3 => [
            parameter(1)?,
            parameter(2)?,
            parameter(3)?,
            parameter(4)?,
            0.0,
            0.0,
        ],
        4 => [
            parameter(1)?,
            parameter(2)?,
            parameter(3)?,
            parameter(4)?,
            parameter(5)?,
            parameter(6)?,
        ],
        _ => return None,
    };
    Some(Box::new(move |x| {
        let y = if x >= d {
            (a * x + b).max(0.0).powf(g) + e
        } else {
            c * x + f
        };
        y.is_finite().then_some(y)
    }))
}

fn product(left: &[[f64; 3]; 3], right: &[[f64; 3]; 3]) -> [[f64; 3]; 3] {
    left.map(|[x, y, z]| {
        let [first, second, third] = right;
        let mut row = [0.0; 3];
        for (cell, ((a, b), c)) in row.iter_mut().zip(first.iter().zip(second).zip(third)) {
            *cell = x * a + y * b + z * c;
        }
        row
    })
}

#[cfg(feature = "drawings")]
fn times(matrix: &[[f64; 3]; 3], [x, y, z]: [f64; 3]) -> [f64; 3] {
    matrix.map(|[a, b, c]| a * x + b * y + c * z)
}

fn inverse(matrix: &[[f64; 3]; 3]) -> Option<[[f64; 3]; 3]> {
    let [[a, b, c], [d, e, f], [g, h, i]] = *matrix;
    let determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
    if determinant.abs() < 1e-9 {
        return None;
    }
    let cofactors = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ];
    Some(cofactors.map(|row| row.map(|cell| cell / determinant)))
}

/// Linear light to the sRGB byte. Source: IEC 61966-2-1.
fn encode(linear: f64) -> u8 {
    let value = if linear <= 0.003_130_8 {
        linear * 12.92
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    };
    // Half a step is added because the conversion cuts off.
    (value * 255.0 + 0.5) as u8
}

/// Steps of linear light in [`encodings`]; the steepest part of the curve moves by 0.8 of a byte in one.
const STEPS: usize = 4096;

/// [`encode`] as a table.
fn encodings() -> Vec<u8> {
    (0..STEPS)
        .map(|step| encode(step as f64 / (STEPS - 1) as f64))
        .collect()
}

impl Matrix {
    /// Colours that are sRGB all the same need no pass over the pixels.
    fn into_profile(self) -> Profile {
        let encodings = encodings();
        let near = (0..=255_u8).step_by(5).all(|value| {
            [
                [value, value, value],
                [value, 0, 0],
                [0, value, 0],
                [0, 0, value],
            ]
            .into_iter()
            .all(|color| {
                self.convert(color, &encodings)
                    .into_iter()
                    .zip(color)
                    .all(|(to, from)| to.abs_diff(from) <= 1)
            })
        });
        if near {
            Profile::Srgb
        } else {
            Profile::Matrix(Box::new(self))
        }
    }

    #[inline]
    fn convert(&self, [r, g, b]: [u8; 3], encodings: &[u8]) -> [u8; 3] {
        let [reds, greens, blues] = &self.curves;
        let (Some(r), Some(g), Some(b)) = (
            reds.get(usize::from(r)),
            greens.get(usize::from(g)),
            blues.get(usize::from(b)),
        ) else {
            return [r, g, b];
        };
        self.rows.map(|[x, y, z]| {
            let linear = (x * r + y * g + z * b).clamp(0.0, 1.0);
            let step = (linear * (STEPS - 1) as f32 + 0.5) as usize;
            encodings.get(step).copied().unwrap_or(255)
        })
    }

    /// Converts pixels to sRGB in place. Colours that sRGB does not have become the nearest channel by channel.
    pub(crate) fn apply(&self, pixels: &mut Pixels) {
        let encodings = encodings();
        for pixel in pixels.data.chunks_exact_mut(pixels.channels.count()) {
            if let [r, g, b, ..] = pixel {
                [*r, *g, *b] = self.convert([*r, *g, *b], &encodings);
            }
        }
    }
}

impl Gray {
    fn into_profile(linear: [f64; 256]) -> Profile {
        let curve = linear.map(encode);
        if curve
            .into_iter()
            .zip(0..=255_u8)
            .all(|(to, from)| to.abs_diff(from) <= 1)
        {
            Profile::Srgb
        } else {
            Profile::Gray(Box::new(Self { curve }))
        }
    }

    /// Converts pixels to sRGB in place.
    pub(crate) fn apply(&self, pixels: &mut Pixels) {
        for pixel in pixels.data.chunks_exact_mut(pixels.channels.count()) {
            for value in pixel.iter_mut().take(3) {
                *value = self
                    .curve
                    .get(usize::from(*value))
                    .copied()
                    .unwrap_or(*value);
            }
        }
    }
}

#[cfg(all(test, feature = "drawings"))]
mod tests {
    use super::*;

    #[track_caller]
    fn check(profile: Profile, color: [u8; 3], expected: [u8; 3]) {
        let found = match profile {
            Profile::Matrix(matrix) => matrix.convert(color, &encodings()),
            _ => color,
        };
        let near = |(found, expected): (u8, u8)| found.abs_diff(expected) <= 1;
        assert!(
            found.into_iter().zip(expected).all(near),
            "{found:?} is not {expected:?}"
        );
    }

    /// The expected values follow from the chromaticities and curves of H.273 in double precision.
    #[test]
    fn codes_mean_what_the_standard_says() {
        check(coded(12, 13), [200, 100, 50], [215, 93, 31]);
        check(coded(12, 13), [60, 180, 120], [0, 183, 114]);
        check(coded(12, 1), [200, 100, 50], [220, 107, 52]);
        check(coded(9, 13), [200, 100, 50], [241, 76, 29]);
        check(coded(9, 1), [60, 180, 120], [0, 197, 126]);
        assert_eq!(coded(1, 13), Profile::Srgb);
    }

    const ADOBE_RGB: [f64; 8] = [0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06];

    /// The expected values are those that Chromium 156 and Firefox 153 show.
    #[test]
    fn numbers_mean_what_browsers_show() {
        for (gamma, chromaticities, expected) in [
            (1.0, None, [188, 137, 99]),
            (0.55556, None, [146, 81, 43]),
            (1.0, Some(CHROMATICITIES_OF_SRGB), [188, 137, 99]),
            (1.0, Some(ADOBE_RGB), [204, 137, 97]),
            (0.45455, Some(ADOBE_RGB), [146, 62, 23]),
        ] {
            check(measured(gamma, chromaticities), [128, 64, 32], expected);
        }
    }

    #[test]
    fn the_numbers_of_srgb_are_srgb_and_those_of_nothing_change_nothing() {
        let nowhere = [0.3127, 0.329, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        for (gamma, chromaticities) in [
            (0.45455, None),
            (0.47, None),
            (0.45455, Some(CHROMATICITIES_OF_SRGB)),
            (0.45455, Some(nowhere)),
            (0.45455, Some([0.0; 8])),
            (0.0, Some(ADOBE_RGB)),
        ] {
            assert_eq!(measured(gamma, chromaticities), Profile::Srgb, "{gamma}");
        }
    }

    #[test]
    fn what_cannot_be_converted_is_ignored() {
        for (primaries, transfer) in [(9, 16), (9, 18), (2, 2), (0, 0), (255, 13)] {
            assert_eq!(coded(primaries, transfer), Profile::Ignored);
        }
    }
}
