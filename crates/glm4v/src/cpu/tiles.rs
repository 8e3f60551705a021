//! Products of bfloat16 by Intel's matrix unit (AMX): sixteen rows times sixteen outputs in one instruction.
//!
//! The unit has eight registers, called tiles, of sixteen rows of 64 bytes. Four of them hold the sums of 32 rows and one
//! panel, two the activations, two the weights; a [`Line`] already lies as the unit wants a row of weights. The
//! instructions are those of Intel's Software Developer's Manual, volume 2; Rust names them in assembly only.
#![expect(
    clippy::indexing_slicing,
    reason = "every slice is cut from lengths that the packing made; the tests walk all edges"
)]

use std::arch::asm;
use std::sync::OnceLock;

use super::kernel::Sums;
use super::matrix::{Line, PANEL, Rows};

/// Rows of a tile, and words of such a row.
pub(super) const SIDE: usize = 16;
/// Rows whose sums are held together.
pub(super) const ROWS: usize = 2 * SIDE;
/// Words per pass: a panel's stretch has 32 KiB and stays in the first cache while all rows pass it.
const STRETCH: usize = 16 * SIDE;

/// Whether the processor has the unit and the system lets this process use it.
pub(super) fn are_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| has_unit() && is_permitted())
}

/// Bits 22 (bfloat16) and 24 (tiles) of the extended features.
fn has_unit() -> bool {
    let features = std::arch::x86_64::__cpuid_count(7, 0).edx;
    [22, 24].iter().all(|bit| features >> bit & 1 == 1)
}

/// Linux keeps tiles for a thread only when its process has asked for it.
fn is_permitted() -> bool {
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    const XFEATURE_XTILEDATA: libc::c_long = 18;
    #[expect(unsafe_code, reason = "a system call")]
    // SAFETY: the call takes two numbers and touches no memory of ours.
    let refused = unsafe {
        libc::syscall(
            libc::SYS_arch_prctl,
            ARCH_REQ_XCOMP_PERM,
            XFEATURE_XTILEDATA,
        )
    };
    refused == 0
}

/// Adds `x` times the panels in `lines` (`words` each) to `y`; a panel may hang over the rows' ends.
///
/// Every sum is made in the order of the words, whatever rows are beside it.
pub(super) fn product(x: &Rows<'_>, lines: &[Line], words: usize, y: &mut Sums<'_>) {
    let mut unit = Unit { shapes: None };
    for (panel, lines) in lines.chunks(words.max(1)).enumerate() {
        for (stretch, lines) in lines.chunks(STRETCH).enumerate() {
            let (whole, rest) = lines.split_at(lines.len() / SIDE * SIDE);
            let start = stretch * STRETCH;
            // A step that is not whole has other shapes: it comes once all rows have had the whole ones.
            for (start, lines) in [(start, whole), (start + whole.len(), rest)] {
                if lines.is_empty() {
                    continue;
                }
                for row in (0..x.rows).step_by(ROWS) {
                    block(&mut unit, x, row, start, lines, panel, y);
                }
            }
        }
    }
}

/// Lays out at most [`SIDE`] rows of `width` words in the unit's order, `[steps, rows, SIDE]`; words behind a row's end
/// stay as they are.
pub(super) fn arrange(flat: &[u32], width: usize, tiles: &mut [u32]) {
    let height = flat.len() / width.max(1);
    for (row, flat) in flat.chunks(width.max(1)).enumerate() {
        let tiles = tiles.chunks_mut((height * SIDE).max(1));
        for (tile, flat) in tiles.zip(flat.chunks(SIDE)) {
            tile[row * SIDE..][..flat.len()].copy_from_slice(flat);
        }
    }
}

/// The sums of [`ROWS`] rows, or as many as are left, from `row` on, and one panel over `lines`: those of the words from
/// `start` on, which are whole tiles or one that is not.
fn block(
    unit: &mut Unit,
    x: &Rows<'_>,
    row: usize,
    start: usize,
    lines: &[Line],
    panel: usize,
    y: &mut Sums<'_>,
) {
    let width = x.words.len() / x.rows;
    let count = ROWS.min(x.rows - row);
    let steps = lines.len().div_ceil(SIDE);
    let first = y.first + panel * PANEL;
    let columns = PANEL.min(y.width - first);
    let sums = &mut y.values[row * y.width..][..count * y.width];
    let heights = [count.min(SIDE), count.saturating_sub(SIDE)];
    let tiles = |part: usize| {
        let height = heights[part];
        let tiles = &x.words[(row + part * SIDE) * width..][..height * width];
        &tiles[start * height..][..steps * height * SIDE]
    };
    unit.shape(heights, SIDE.min(lines.len()));
    let run = |sums: &mut [f32], width: usize| match heights {
        [height, 0] => unit.one(steps, lines, height, tiles(0), sums, width),
        _ => unit.two(steps, lines, heights, [tiles(0), tiles(1)], sums, width),
    };
    if columns == PANEL {
        return run(&mut sums[first..], y.width);
    }
    // The unit would write behind the row's end.
    let mut whole = [0.0; ROWS * PANEL];
    for (whole, sums) in whole.chunks_mut(PANEL).zip(sums.chunks(y.width)) {
        whole[..columns].copy_from_slice(&sums[first..]);
    }
    run(&mut whole, PANEL);
    for (whole, sums) in whole.chunks(PANEL).zip(sums.chunks_mut(y.width)) {
        sums[first..].copy_from_slice(&whole[..columns]);
    }
}

/// How tall and wide each tile is, in the form that the unit reads.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    /// In bytes.
    widths: [u16; 16],
    heights: [u8; 16],
}

/// The matrix unit of this thread, until it is dropped.
struct Unit {
    /// Rows of the two tiles of activations, and words of a step.
    shapes: Option<([usize; 2], usize)>,
}

impl Drop for Unit {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "an instruction that has no name in Rust yet")]
        // SAFETY: the unit is there; its tiles hold nothing that is read again.
        unsafe {
            asm!("tilerelease", options(nostack, nomem));
        }
    }
}

impl Unit {
    /// Tiles 0 to 3 are for sums, 4 and 5 for activations, 6 and 7 for `words` lines of weights. To shape them takes as long
    /// as many products, so they stay as they are while they can.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "heights and words are 16 at most"
    )]
    fn shape(&mut self, heights: [usize; 2], words: usize) {
        if self.shapes == Some((heights, words)) {
            return;
        }
        self.shapes = Some((heights, words));
        // A tile without rows is no tile.
        let [upper, lower] = heights.map(|height| height.max(1) as u8);
        let words = words as u8;
        let narrow = u16::from(words) * 4;
        let mut shapes = Shapes {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            widths: [0; 16],
            heights: [0; 16],
        };
        shapes.widths[..8].copy_from_slice(&[64, 64, 64, 64, narrow, narrow, 64, 64]);
        shapes.heights[..8]
            .copy_from_slice(&[upper, upper, lower, lower, upper, lower, words, words]);
        #[expect(unsafe_code, reason = "an instruction that has no name in Rust yet")]
        // SAFETY: the unit is there and reads the 64 bytes of `shapes`, which it allows. Nothing else on this thread uses
        // tiles, so they keep their shapes until the next call.
        unsafe {
            asm!("ldtilecfg [{shapes}]", shapes = in(reg) &shapes, options(nostack, readonly));
        }
    }

    /// Adds the products of at most [`SIDE`] rows to `y`, whose rows are `width` values apart.
    fn one(
        &self,
        steps: usize,
        lines: &[Line],
        height: usize,
        x: &[u32],
        y: &mut [f32],
        width: usize,
    ) {
        assert_eq!(self.shapes, Some(([height, 0], SIDE.min(lines.len()))));
        assert!(x.len() == steps * height * SIDE && y.len() >= (height - 1) * width + PANEL);
        assert!(lines.len() == steps * SIDE || steps == 1);
        #[expect(unsafe_code, reason = "instructions that have no name in Rust yet")]
        // SAFETY: the unit is there. The shapes say that a step reads `height` rows of `x` and at most sixteen lines; with the
        // lengths above, all of `steps` steps lie within the slices. Rows of `y` are read and written at `width` values from
        // each other, a panel of each, the last within the slice. No other memory is touched.
        unsafe {
            asm!(
                "tileloadd tmm0, [{y} + {y_stride}]",
                "tileloadd tmm1, [{y} + {y_stride} + 64]",
                "2:",
                "tileloadd tmm4, [{x} + {x_stride}]",
                "tileloadd tmm6, [{lines} + {line}]",
                "tileloadd tmm7, [{lines} + {line} + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "add {x}, {x_step}",
                "add {lines}, 2048",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{y} + {y_stride}], tmm0",
                "tilestored [{y} + {y_stride} + 64], tmm1",
                y = in(reg) y.as_mut_ptr(),
                y_stride = in(reg) 4 * width,
                x = inout(reg) x.as_ptr() => _,
                x_stride = in(reg) 4 * SIDE,
                x_step = in(reg) 4 * SIDE * height,
                lines = inout(reg) lines.as_ptr() => _,
                line = in(reg) size_of::<Line>(),
                steps = inout(reg) steps => _,
                out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }

    /// As [`one`] for [`SIDE`] rows and some more, which lie behind them in `y`.
    fn two(
        &self,
        steps: usize,
        lines: &[Line],
        heights: [usize; 2],
        x: [&[u32]; 2],
        y: &mut [f32],
        width: usize,
    ) {
        assert_eq!(self.shapes, Some((heights, SIDE.min(lines.len()))));
        let [upper, lower] = heights;
        let (above, below) = y.split_at_mut(upper * width);
        assert!(upper == SIDE && above.len() >= PANEL && width >= PANEL);
        assert!(x[0].len() == steps * upper * SIDE && x[1].len() == steps * lower * SIDE);
        assert!(below.len() >= (lower - 1) * width + PANEL);
        assert!(lines.len() == steps * SIDE || steps == 1);
        #[expect(unsafe_code, reason = "instructions that have no name in Rust yet")]
        // SAFETY: as in `one`, with a second tile of activations and a second pair of tiles of sums.
        unsafe {
            asm!(
                "tileloadd tmm0, [{above} + {y_stride}]",
                "tileloadd tmm1, [{above} + {y_stride} + 64]",
                "tileloadd tmm2, [{below} + {y_stride}]",
                "tileloadd tmm3, [{below} + {y_stride} + 64]",
                "2:",
                "tileloadd tmm6, [{lines} + {line}]",
                "tileloadd tmm4, [{upper} + {x_stride}]",
                "tileloadd tmm7, [{lines} + {line} + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{lower} + {x_stride}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {upper}, 1024",
                "add {lower}, {lower_step}",
                "add {lines}, 2048",
                "dec {steps}",
                "jnz 2b",
                "tilestored [{above} + {y_stride}], tmm0",
                "tilestored [{above} + {y_stride} + 64], tmm1",
                "tilestored [{below} + {y_stride}], tmm2",
                "tilestored [{below} + {y_stride} + 64], tmm3",
                above = in(reg) above.as_mut_ptr(),
                below = in(reg) below.as_mut_ptr(),
                y_stride = in(reg) 4 * width,
                upper = inout(reg) x[0].as_ptr() => _,
                lower = inout(reg) x[1].as_ptr() => _,
                lower_step = in(reg) 4 * SIDE * lower,
                x_stride = in(reg) 4 * SIDE,
                lines = inout(reg) lines.as_ptr() => _,
                line = in(reg) size_of::<Line>(),
                steps = inout(reg) steps => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}
