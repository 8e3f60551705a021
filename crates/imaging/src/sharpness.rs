//! A blur measure for "this photo is too soft to describe".

use crate::Decoded;

/// Below this, [`sharpness`] means a picture that is visibly out of focus or shaken.
///
/// At 1024 pixels five photographs and screenshots have 0.7 to 2.9; blurred with a Gaussian of 3 pixels they have 0.016 to
/// 0.050. The softest that a person would still call sharp has 0.2 (`examples/survey.rs`).
pub const TOO_SOFT: f32 = 0.06;

/// Edge of the square tiles that are judged one by one, in pixels.
const TILE: usize = 64;

/// A tile with less variance of luma than this is flat: sky, paper, a plain background.
const FLAT: f32 = 30.0;

/// How sharp the sharpest parts of a picture are, 0 for a blurred one, above 1 for line art.
///
/// In tiles of 64 pixels the variance of the Laplacian is divided by the variance of luma, so that contrast and exposure
/// do not count; of all tiles that are not flat the ninth decile is taken, so that a sharp subject before a soft
/// background is sharp. A picture without such a tile has nothing that could be soft and gets 1.
#[must_use]
pub fn sharpness(picture: &Decoded) -> f32 {
    let width = picture.width as usize;
    let luma = luma(picture);
    let mut tiles: Vec<f32> = Vec::new();
    let rows: Vec<&[u8]> = luma.chunks_exact(width.max(1)).collect();
    for band in rows.chunks(TILE) {
        for left in (0..width).step_by(TILE) {
            tiles.extend(tile(band, left));
        }
    }
    tiles.sort_by(f32::total_cmp);
    tiles
        .get(tiles.len().saturating_sub(1) * 9 / 10)
        .copied()
        .unwrap_or(1.0)
}

/// Rec. 601 luma.
fn luma(picture: &Decoded) -> Vec<u8> {
    let weigh = |r: u8, g: u8, b: u8| {
        ((u32::from(r) * 77 + u32::from(g) * 150 + u32::from(b) * 29) >> 8) as u8
    };
    picture
        .pixels
        .chunks_exact(picture.channels.count())
        .map(|pixel| match pixel {
            [r, g, b, ..] => weigh(*r, *g, *b),
            _ => 0,
        })
        .collect()
}

/// Variance of the Laplacian over variance of luma in the tile of `band` that starts at column `left`; none if flat.
fn tile(band: &[&[u8]], left: usize) -> Option<f32> {
    let (mut luma, mut laplacian) = (Moments::default(), Moments::default());
    for rows in band.windows(3) {
        let [above, row, below] = rows else { continue };
        let cut = |row: &'_ [u8]| -> Option<Vec<i32>> {
            let end = (left + TILE).min(row.len());
            Some(
                row.get(left..end)?
                    .iter()
                    .map(|value| i32::from(*value))
                    .collect(),
            )
        };
        let (above, row, below) = (cut(above)?, cut(row)?, cut(below)?);
        for ((near, up), down) in row
            .windows(3)
            .zip(above.iter().skip(1))
            .zip(below.iter().skip(1))
        {
            let [west, here, east] = near else { continue };
            luma.add(*here);
            laplacian.add(west + east + up + down - 4 * here);
        }
    }
    let variance = luma.variance()?;
    (variance >= FLAT).then_some(laplacian.variance()? / variance)
}

#[derive(Default)]
struct Moments {
    count: i64,
    sum: i64,
    squares: i64,
}

impl Moments {
    fn add(&mut self, value: i32) {
        let value = i64::from(value);
        self.count += 1;
        self.sum += value;
        self.squares += value * value;
    }

    fn variance(&self) -> Option<f32> {
        if self.count < 2 {
            return None;
        }
        let (count, sum) = (self.count as f64, self.sum as f64);
        Some((self.squares as f64 / count - (sum / count).powi(2)) as f32)
    }
}
