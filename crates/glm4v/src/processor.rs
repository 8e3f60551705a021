//! Pixels to patches: smart resize, bicubic resampling, normalisation, and the order in which the vision tower reads.
//!
//! The arithmetic is that of `Glm4vImageProcessor` and, below it, of torchvision's resampler for 8-bit pictures:
//! 16-bit weights, horizontal pass first, each pass rounded and clamped to 8 bits.
//!
//! A [`Processor`] takes upright, opaque RGB.
//! Turning a picture as its EXIF orientation says is the caller's work, and so is transparency, for which
//! [`Rgb::from_rgba_on_white`] does what the reference does.

use std::path::Path;

use pulp::Arch;
use rayon::prelude::*;
use serde::Deserialize;

use crate::{Error, Result, json};

const FILE: &str = "preprocessor_config.json";

/// The longest side may be this many times the shortest.
const MAX_ASPECT_RATIO: f64 = 200.0;

/// `preprocessor_config.json`, names as in the file.
///
/// Both spellings of the limits are read: `size` with `shortest_edge` and `longest_edge`, and the older
/// `min_pixels` and `max_pixels`. Neither are edges: both count pixels times `temporal_patch_size`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "File")]
pub struct PreprocessorConfig {
    /// Side of a patch in pixels.
    pub patch_size: usize,
    /// Frames in a patch; a still picture is repeated that often.
    pub temporal_patch_size: usize,
    /// Side of the block of patches that becomes one token.
    pub merge_size: usize,
    /// Least number of pixels times `temporal_patch_size` after resizing.
    pub min_pixels: usize,
    /// Largest number of pixels times `temporal_patch_size` after resizing.
    pub max_pixels: usize,
    /// Subtracted from each channel, after rescaling.
    pub image_mean: Vec<f64>,
    /// Divides each channel, after the mean.
    pub image_std: Vec<f64>,
    /// Multiplies the 8-bit values.
    pub rescale_factor: f64,
    /// 3 is bicubic, the only filter that is implemented.
    pub resample: u32,
    /// Whether pictures are resized at all; otherwise their sides must be multiples of a block's.
    pub do_resize: bool,
    /// Whether values are multiplied by `rescale_factor`.
    pub do_rescale: bool,
    /// Whether mean and deviation are applied.
    pub do_normalize: bool,
}

/// The file as it is; what is missing has the class default of the reference.
#[derive(Deserialize)]
#[serde(default)]
struct File {
    patch_size: usize,
    temporal_patch_size: usize,
    merge_size: usize,
    size: Size,
    min_pixels: Option<usize>,
    max_pixels: Option<usize>,
    image_mean: Vec<f64>,
    image_std: Vec<f64>,
    rescale_factor: f64,
    resample: u32,
    do_resize: bool,
    do_rescale: bool,
    do_normalize: bool,
}

#[derive(Deserialize, Default)]
struct Size {
    shortest_edge: Option<usize>,
    longest_edge: Option<usize>,
}

impl Default for File {
    fn default() -> Self {
        Self {
            patch_size: 14,
            temporal_patch_size: 2,
            merge_size: 2,
            size: Size::default(),
            min_pixels: None,
            max_pixels: None,
            image_mean: vec![0.481_454_66, 0.457_827_5, 0.408_210_73],
            image_std: vec![0.268_629_54, 0.261_302_58, 0.275_777_11],
            rescale_factor: 1.0 / 255.0,
            resample: 3,
            do_resize: true,
            do_rescale: true,
            do_normalize: true,
        }
    }
}

impl From<File> for PreprocessorConfig {
    fn from(file: File) -> Self {
        Self {
            patch_size: file.patch_size,
            temporal_patch_size: file.temporal_patch_size,
            merge_size: file.merge_size,
            min_pixels: file
                .size
                .shortest_edge
                .or(file.min_pixels)
                .unwrap_or(112 * 112),
            max_pixels: file
                .size
                .longest_edge
                .or(file.max_pixels)
                .unwrap_or(28 * 28 * 15_000),
            image_mean: file.image_mean,
            image_std: file.image_std,
            rescale_factor: file.rescale_factor,
            resample: file.resample,
            do_resize: file.do_resize,
            do_rescale: file.do_rescale,
            do_normalize: file.do_normalize,
        }
    }
}

/// Rows of 8-bit RGB, top to bottom, without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rgb {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Rgb {
    /// `pixels`: `height * width * 3` bytes.
    ///
    /// # Errors
    /// [`Error::Image`] when a side is 0 or the number of bytes is another.
    pub fn new(width: usize, height: usize, pixels: Vec<u8>) -> Result<Self> {
        check_buffer(width, height, 3, pixels.len())?;
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Lays RGBA over white, rounding as Pillow's `alpha_composite` does: what the reference shows the model when it is
    /// given a picture with transparency.
    ///
    /// `pixels`: `height * width * 4` bytes, colours not premultiplied.
    ///
    /// # Errors
    /// [`Error::Image`] when a side is 0 or the number of bytes is another.
    pub fn from_rgba_on_white(width: usize, height: usize, pixels: &[u8]) -> Result<Self> {
        check_buffer(width, height, 4, pixels.len())?;
        let (pixels, _) = pixels.as_chunks();
        let over_white = |colour: u8, alpha: u8| {
            let (colour, alpha) = (u32::from(colour), u32::from(alpha));
            // Seven extra bits, then a division by 255 as two shifts.
            let sum = ((colour * alpha + 255 * (255 - alpha)) << 7) + (0x80 << 7);
            ((((sum >> 8) + sum) >> 8) >> 7) as u8
        };
        let pixels = pixels
            .iter()
            .flat_map(|&[r, g, b, a]| [r, g, b].map(|colour| over_white(colour, a)))
            .collect();
        Ok(Self {
            width,
            height,
            pixels,
        })
    }

    /// Columns.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.height
    }

    /// `height * width * 3` bytes.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

fn check_buffer(width: usize, height: usize, channels: usize, found: usize) -> Result<()> {
    let expected = width
        .checked_mul(height)
        .and_then(|area| area.checked_mul(channels));
    if expected == Some(found) && found > 0 {
        return Ok(());
    }
    let reason = format!("with {channels} channels cannot have {found} bytes");
    Err(Error::Image {
        width,
        height,
        reason,
    })
}

/// What the vision tower reads of one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// Patches in time, down and across.
    pub grid_thw: [usize; 3],
    /// `[rows, row_len]`, row after row.
    ///
    /// Rows run block after block of `merge x merge` patches: (block row, block column, row in block, column in block).
    /// Each row is (channel, time, y, x).
    pub patches: Vec<f32>,
    /// Number of patches, the product of `grid_thw`.
    pub rows: usize,
    /// `channels * temporal_patch_size * patch_size^2`.
    pub row_len: usize,
}

/// Turns pictures into [`Pixels`], as one checkpoint wants them.
#[derive(Clone, Debug)]
pub struct Processor {
    config: PreprocessorConfig,
    /// `value * scale + shift`, per channel.
    normal: [(f32, f32); 3],
}

impl Processor {
    /// Checks the configuration once.
    ///
    /// # Errors
    /// [`Error::Config`] when a size is 0, the filter is not bicubic, or mean and deviation are not three usable numbers.
    pub fn new(config: PreprocessorConfig) -> Result<Self> {
        let refuse = |key: &str, reason: &str| Err(Error::config(FILE, key, reason));
        for (key, value) in [
            ("patch_size", config.patch_size),
            ("temporal_patch_size", config.temporal_patch_size),
            ("merge_size", config.merge_size),
            ("size.longest_edge", config.max_pixels),
        ] {
            if value == 0 {
                return refuse(key, "must not be 0");
            }
        }
        if config.min_pixels > config.max_pixels {
            return refuse("size.shortest_edge", "must not exceed size.longest_edge");
        }
        if config.do_resize && config.resample != 3 {
            return refuse("resample", "must be 3 (bicubic)");
        }
        let (Ok(mean), Ok(std)) = (
            <[f64; 3]>::try_from(&*config.image_mean),
            <[f64; 3]>::try_from(&*config.image_std),
        ) else {
            return refuse("image_mean", "and image_std must have three numbers each");
        };
        if !std.iter().all(|x| *x > 0.0) {
            return refuse("image_std", "must be positive");
        }
        let factor = if config.do_rescale {
            config.rescale_factor
        } else {
            1.0
        };
        let channel = |mean: f64, std: f64| match config.do_normalize {
            true => ((factor / std) as f32, (-mean / std) as f32),
            false => (factor as f32, 0.0),
        };
        let ([m0, m1, m2], [s0, s1, s2]) = (mean, std);
        Ok(Self {
            normal: [channel(m0, s0), channel(m1, s1), channel(m2, s2)],
            config,
        })
    }

    /// Reads `preprocessor_config.json` of a checkpoint's directory.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::File`] when it cannot be read; those of [`Processor::new`].
    pub fn from_dir(dir: &Path) -> Result<Self> {
        Self::new(json::read(&dir.join(FILE))?)
    }

    /// The configuration as it was read.
    #[must_use]
    pub const fn config(&self) -> &PreprocessorConfig {
        &self.config
    }

    /// The grid of patches of a picture of this size, before any pixel is touched.
    ///
    /// # Errors
    /// Those of [`smart_resize`]; without resizing, [`Error::Image`] when the sides are not multiples of a block's.
    pub fn grid_thw(&self, width: usize, height: usize) -> Result<[usize; 3]> {
        let (width, height) = self.size(width, height)?;
        Ok([
            1,
            height / self.config.patch_size,
            width / self.config.patch_size,
        ])
    }

    /// Tokens that a picture with this grid occupies in the prompt.
    #[must_use]
    pub const fn tokens(&self, grid_thw: [usize; 3]) -> usize {
        let [time, rows, columns] = grid_thw;
        time * rows * columns / (self.config.merge_size * self.config.merge_size)
    }

    /// Picture to patches.
    ///
    /// # Errors
    /// Those of [`Processor::grid_thw`].
    pub fn process(&self, image: &Rgb) -> Result<Pixels> {
        let (width, height) = self.size(image.width, image.height)?;
        let planes = widen(image, width);
        let rows = if height == image.height {
            None
        } else {
            Some(Filter::bicubic(image.height, height))
        };
        Ok(self.patchify(&planes, rows.as_ref(), width, height))
    }

    /// Only the resizing, for those who want to see what the model sees.
    ///
    /// # Errors
    /// Those of [`Processor::grid_thw`].
    pub fn resize(&self, image: &Rgb) -> Result<Rgb> {
        let (width, height) = self.size(image.width, image.height)?;
        let planes = widen(image, width);
        let rows = if height == image.height {
            None
        } else {
            Some(Filter::bicubic(image.height, height))
        };
        let mut pixels = vec![0; width * height * 3];
        pixels
            .par_chunks_mut(width * 3)
            .enumerate()
            .for_each_init(Vec::new, |row, (y, out)| {
                row.resize(width * 3, 0);
                heighten(&planes, rows.as_ref(), y, row);
                for (c, plane) in row.chunks_exact(width).enumerate() {
                    for (pixel, value) in out.chunks_exact_mut(3).zip(plane) {
                        if let Some(place) = pixel.get_mut(c) {
                            *place = *value;
                        }
                    }
                }
            });
        Ok(Rgb {
            width,
            height,
            pixels,
        })
    }

    /// Sides after resizing, `(width, height)`.
    fn size(&self, width: usize, height: usize) -> Result<(usize, usize)> {
        let config = &self.config;
        let factor = config.patch_size * config.merge_size;
        if config.do_resize {
            let (height, width) = smart_resize(
                config.temporal_patch_size,
                height,
                width,
                config.temporal_patch_size,
                factor,
                config.min_pixels,
                config.max_pixels,
            )?;
            return Ok((width, height));
        }
        if width == 0
            || height == 0
            || !width.is_multiple_of(factor)
            || !height.is_multiple_of(factor)
        {
            let reason = format!("is not made of blocks of {factor} x {factor}");
            return Err(Error::Image {
                width,
                height,
                reason,
            });
        }
        Ok((width, height))
    }

    fn patchify(
        &self,
        planes: &Planes,
        rows: Option<&Filter>,
        width: usize,
        height: usize,
    ) -> Pixels {
        let PreprocessorConfig {
            patch_size,
            temporal_patch_size,
            merge_size,
            ..
        } = self.config;
        let block = patch_size * merge_size;
        let frame = patch_size * patch_size;
        let row_len = 3 * temporal_patch_size * frame;
        let grid_thw = [1, height / patch_size, width / patch_size];
        let count = grid_thw.iter().product::<usize>();
        let mut patches = vec![0.0; count * row_len];
        // One strip is a row of blocks: `block` rows of pixels in, a contiguous run of patches out.
        let strip = grid_thw[2] * merge_size * row_len;
        patches.par_chunks_mut(strip).enumerate().for_each_init(
            || vec![0; 3 * width * block],
            |pixels, (strip, out)| {
                for (y, row) in pixels.chunks_exact_mut(3 * width).enumerate() {
                    heighten(planes, rows, strip * block + y, row);
                }
                for (i, patch) in out.chunks_exact_mut(row_len).enumerate() {
                    let (column, within) =
                        (i / (merge_size * merge_size), i % (merge_size * merge_size));
                    let top = within / merge_size * patch_size;
                    let left = column * block + within % merge_size * patch_size;
                    let channels = patch.chunks_exact_mut(temporal_patch_size * frame);
                    for (c, (values, (scale, shift))) in channels.zip(self.normal).enumerate() {
                        let (first, again) = values.split_at_mut(frame);
                        let lines = pixels.chunks_exact(3 * width).skip(top);
                        for (line, out) in lines.zip(first.chunks_exact_mut(patch_size)) {
                            let line = line.iter().skip(c * width + left);
                            out.iter_mut()
                                .zip(line)
                                .for_each(|(out, x)| *out = f32::from(*x) * scale + shift);
                        }
                        again
                            .chunks_exact_mut(frame)
                            .for_each(|later| later.copy_from_slice(first));
                    }
                }
            },
        );
        Pixels {
            grid_thw,
            patches,
            rows: count,
            row_len,
        }
    }
}

/// Sides after resizing, `(height, width)`: multiples of `factor` whose product with `num_frames` lies between the limits.
///
/// A picture smaller than one block is first scaled up, truncating; sides are then rounded half to even.
///
/// ```
/// use glm4v::processor::smart_resize;
///
/// // A photo of 1024 x 768 for GLM-4.6V-Flash: 54 x 74 patches, 999 tokens.
/// assert_eq!(smart_resize(2, 768, 1024, 2, 28, 12_544, 9_633_792)?, (756, 1036));
/// # Ok::<(), glm4v::Error>(())
/// ```
///
/// # Errors
/// [`Error::Image`] when a side is 0, or one is more than 200 times the other, also after scaling up; [`Error::Config`] for fewer frames than `temporal_factor` or a `factor` of 0.
///
/// Source: `smart_resize` of the reference implementation.
pub fn smart_resize(
    num_frames: usize,
    height: usize,
    width: usize,
    temporal_factor: usize,
    factor: usize,
    min_pixels: usize,
    max_pixels: usize,
) -> Result<(usize, usize)> {
    if temporal_factor == 0 || factor == 0 || num_frames < temporal_factor {
        let reason =
            format!("is {temporal_factor}, for {num_frames} frames and blocks of {factor} pixels");
        return Err(Error::config(FILE, "temporal_patch_size", reason));
    }
    if height == 0 || width == 0 {
        return Err(Error::Image {
            width,
            height,
            reason: "is empty".to_owned(),
        });
    }
    // Python's floats are ours, and so the same sizes come out to the last bit.
    let unit = factor as f64;
    let (mut h, mut w) = (height as f64, width as f64);
    if height < factor || width < factor {
        let scale = (unit / h).max(unit / w);
        (h, w) = ((h * scale).trunc(), (w * scale).trunc());
    }
    if h.max(w) / h.min(w) > MAX_ASPECT_RATIO {
        let reason = format!("is more than {MAX_ASPECT_RATIO} times as long as wide");
        return Err(Error::Image {
            width,
            height,
            reason,
        });
    }
    let multiple = |x: f64| x.round_ties_even() * unit;
    let (mut h_bar, mut w_bar) = (multiple(h / unit), multiple(w / unit));
    let frames = num_frames as f64;
    let t_bar = (frames / temporal_factor as f64).round_ties_even() * temporal_factor as f64;
    let volume = t_bar * h_bar * w_bar;
    if volume > max_pixels as f64 {
        let beta = (frames * h * w / max_pixels as f64).sqrt();
        h_bar = unit.max((h / beta / unit).floor() * unit);
        w_bar = unit.max((w / beta / unit).floor() * unit);
    } else if volume < min_pixels as f64 {
        let beta = (min_pixels as f64 / (frames * h * w)).sqrt();
        h_bar = (h * beta / unit).ceil() * unit;
        w_bar = (w * beta / unit).ceil() * unit;
    }
    Ok((h_bar as usize, w_bar as usize))
}

/// For every output sample: where its window begins, and the weights of the window in 16-bit fixed point.
///
/// Source: torchvision's antialiased 8-bit path, whose weights have as many bits as the largest of them allows.
struct Filter {
    windows: Vec<Window>,
    bits: u32,
}

struct Window {
    first: usize,
    weights: Vec<i16>,
}

impl Filter {
    /// Cubic convolution with a = -0.5, widened when it shrinks.
    fn bicubic(input: usize, output: usize) -> Self {
        let scale = input as f64 / output as f64;
        let stretch = scale.max(1.0);
        let support = 2.0 * stretch;
        let exact: Vec<(usize, Vec<f64>)> = (0..output)
            .map(|i| {
                let centre = scale * (i as f64 + 0.5);
                let first = (centre - support + 0.5).max(0.0) as usize;
                let end = ((centre + support + 0.5) as usize).min(input);
                let weights: Vec<f64> = (first..end)
                    .map(|j| cubic((j as f64 - centre + 0.5) / stretch))
                    .collect();
                let total: f64 = weights.iter().sum();
                (first, weights.into_iter().map(|w| w / total).collect())
            })
            .collect();
        let largest = exact
            .iter()
            .flat_map(|(_, weights)| weights)
            .fold(0.0_f64, |a, b| a.max(*b));
        let bits = (0..22)
            .find(|bits| (0.5 + largest * f64::from(1 << (bits + 1))) as i64 >= 1 << 15)
            .unwrap_or(22);
        let unit = f64::from(1 << bits);
        let windows = exact
            .into_iter()
            .map(|(first, weights)| {
                // Adding half and cutting off rounds halves away from zero, as the reference does.
                let weights = weights
                    .into_iter()
                    .map(|w| (w * unit + 0.5_f64.copysign(w)) as i16)
                    .collect();
                Window { first, weights }
            })
            .collect();
        Self { windows, bits }
    }
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// Rows of the picture; in each row first all red, then all green, then all blue.
struct Planes {
    width: usize,
    values: Vec<u8>,
}

/// Rows that the horizontal pass takes together, so that its inner loop runs over rows as the vertical one runs over
/// columns: contiguous, and as wide as the machine's registers.
const LANES: usize = 16;

/// The horizontal pass.
fn widen(image: &Rgb, width: usize) -> Planes {
    let mut values = vec![0; image.height * 3 * width];
    let filter = if width == image.width {
        None
    } else {
        Some(Filter::bicubic(image.width, width))
    };
    let sources = image.pixels.par_chunks(LANES * 3 * image.width);
    values
        .par_chunks_mut(LANES * 3 * width)
        .zip(sources)
        .for_each_init(
            || {
                (
                    vec![[0; LANES]; 3 * image.width],
                    vec![[0; LANES]; 3 * width],
                )
            },
            |(columns, planes), (out, rows)| {
                for (lane, row) in rows.chunks_exact(3 * image.width).enumerate() {
                    for (column, value) in columns.iter_mut().zip(row) {
                        if let Some(place) = column.get_mut(lane) {
                            *place = i16::from(*value);
                        }
                    }
                }
                Arch::new().dispatch(|| sample(columns, filter.as_ref(), planes));
                for (lane, row) in out.chunks_exact_mut(3 * width).enumerate() {
                    for (place, lanes) in row.iter_mut().zip(&*planes) {
                        *place = lanes.get(lane).copied().unwrap_or(0);
                    }
                }
            },
        );
    Planes { width, values }
}

/// The horizontal pass for a few rows, one lane each. `columns`: interleaved channels; `planes`: one channel after another.
#[inline(always)]
fn sample(columns: &[[i16; LANES]], filter: Option<&Filter>, planes: &mut [[u8; LANES]]) {
    let width = planes.len() / 3;
    for (c, plane) in planes.chunks_exact_mut(width.max(1)).enumerate() {
        let Some(filter) = filter else {
            let channel = columns.iter().skip(c).step_by(3);
            plane
                .iter_mut()
                .zip(channel)
                .for_each(|(out, lanes)| *out = lanes.map(|v| v as u8));
            continue;
        };
        for (out, window) in plane.iter_mut().zip(&filter.windows) {
            let mut sums = [1_i32 << (filter.bits - 1); LANES];
            let columns = columns.get(3 * window.first + c..).unwrap_or_default();
            for (column, weight) in columns.iter().step_by(3).zip(&window.weights) {
                for (sum, value) in sums.iter_mut().zip(column) {
                    *sum += i32::from(*value) * i32::from(*weight);
                }
            }
            *out = sums.map(|sum| (sum >> filter.bits).clamp(0, 255) as u8);
        }
    }
}

/// The vertical pass for one row: `out` has the three planes of row `y`.
fn heighten(planes: &Planes, rows: Option<&Filter>, y: usize, out: &mut [u8]) {
    let row = 3 * planes.width;
    let Some(filter) = rows else {
        if let Some(source) = planes.values.get(y * row..(y + 1) * row) {
            out.copy_from_slice(source);
        }
        return;
    };
    let Some(window) = filter.windows.get(y) else {
        return;
    };
    let Some(sources) = planes
        .values
        .get(window.first * row..(window.first + window.weights.len()) * row)
    else {
        return;
    };
    Arch::new().dispatch(|| weigh(sources, row, &window.weights, filter.bits, out));
}

/// The weighted sum of lines of `row` values, in the widest registers that the machine has.
#[inline(always)]
fn weigh(lines: &[u8], row: usize, weights: &[i16], bits: u32, out: &mut [u8]) {
    const SPAN: usize = 64;
    let (spans, rest) = out.as_chunks_mut::<SPAN>();
    let done = spans.len() * SPAN;
    for (at, out) in spans.iter_mut().enumerate() {
        let mut sums = [1_i32 << (bits - 1); SPAN];
        for (line, weight) in lines.chunks_exact(row).zip(weights) {
            // A length that the compiler knows: the sums stay in registers.
            let line = line.get(at * SPAN..).and_then(<[u8]>::first_chunk::<SPAN>);
            for (sum, value) in sums.iter_mut().zip(line.unwrap_or(&[0; SPAN])) {
                *sum += i32::from(*value) * i32::from(*weight);
            }
        }
        *out = sums.map(|sum| (sum >> bits).clamp(0, 255) as u8);
    }
    for (i, out) in rest.iter_mut().enumerate() {
        let value = |line: &[u8]| i32::from(line.get(done + i).copied().unwrap_or(0));
        let lines = lines.chunks_exact(row).zip(weights);
        let sum: i32 = lines
            .map(|(line, weight)| value(line) * i32::from(*weight))
            .sum();
        *out = ((sum + (1 << (bits - 1))) >> bits).clamp(0, 255) as u8;
    }
}
