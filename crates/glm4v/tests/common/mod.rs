//! The fixture directory, complete: what `tests/fixtures` stores, and the weights that it only describes.
//!
//! See `tests/fixtures/README.md` for what is drawn again here and how close it comes.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test support: each test binary uses its part, and a broken fixture may panic"
)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;

/// A directory in the layout of the reference's generator, with every weight file in place.
pub fn fixtures() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("glm4v-fixtures");
        let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        copy_tree(&stored, &dir);
        for name in ["checkpoint-a/model", "lora-basic/adapter_model"] {
            let file = dir.join(name).with_extension("safetensors");
            write_if_changed(&file, &draw(&file.with_file_name("weights.json")));
        }
        dir
    })
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            write_if_changed(&target, &fs::read(entry.path()).unwrap());
        }
    }
}

/// Test binaries may run side by side: a file is complete before it has its name, and stays when it is right.
fn write_if_changed(file: &Path, bytes: &[u8]) {
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return;
    }
    let mut partial = file.as_os_str().to_owned();
    partial.push(format!(".{}", std::process::id()));
    fs::write(&partial, bytes).unwrap();
    fs::rename(&partial, file).unwrap();
}

#[derive(Deserialize)]
struct Recipe {
    seed: u32,
    tensors: Vec<(String, Vec<usize>, Spread)>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Spread {
    /// Normal around 0 with this deviation.
    Deviation(f64),
    /// The word `norm`: 1 plus a quarter of a normal number cut off at two deviations.
    Norm(#[allow(dead_code)] String),
}

fn draw(recipe: &Path) -> Vec<u8> {
    let recipe: Recipe = serde_json::from_slice(&fs::read(recipe).unwrap()).unwrap();
    let mut rng = MersenneTwister::new(recipe.seed);
    let drawn: HashMap<String, (Vec<usize>, Vec<u8>)> = recipe
        .tensors
        .into_iter()
        .map(|(name, shape, spread)| {
            let values = normal(&mut rng, shape.iter().product());
            let bytes = values
                .into_iter()
                .map(|x| match spread {
                    Spread::Deviation(deviation) => x * deviation,
                    Spread::Norm(_) => 1.0 + 0.25 * x.clamp(-2.0, 2.0),
                })
                .flat_map(|x| (x as f32).to_le_bytes())
                .collect();
            (name, (shape, bytes))
        })
        .collect();
    let views = drawn.iter().map(|(name, (shape, bytes))| {
        (
            name,
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    safetensors::serialize(views, None).unwrap()
}

/// Standard normal numbers as `torch.randn` draws them on the CPU, for at least sixteen.
fn normal(rng: &mut MersenneTwister, count: usize) -> Vec<f64> {
    assert!(count >= 16, "torch draws fewer than sixteen in another way");
    let mut values: Vec<f64> = (0..count).map(|_| rng.unit()).collect();
    let whole = count / 16 * 16;
    values[..whole].chunks_exact_mut(16).for_each(box_muller);
    if whole < count {
        // The last sixteen are drawn anew, over what the blocks before have left there.
        let last = &mut values[count - 16..];
        last.iter_mut().for_each(|x| *x = rng.unit());
        box_muller(last);
    }
    values
}

fn box_muller(block: &mut [f64]) {
    let (a, b) = block.split_at_mut(8);
    for (a, b) in a.iter_mut().zip(b) {
        let radius = (-2.0 * (1.0 - *a).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * *b).sin_cos();
        (*a, *b) = (radius * cos, radius * sin);
    }
}

/// MT19937 (Matsumoto and Nishimura, 1998).
struct MersenneTwister {
    state: [u32; 624],
    next: usize,
}

impl MersenneTwister {
    fn new(seed: u32) -> Self {
        let mut state = [seed; 624];
        for i in 1..624 {
            let before = state[i - 1];
            state[i] = (before ^ (before >> 30))
                .wrapping_mul(1_812_433_253)
                .wrapping_add(i as u32);
        }
        Self { state, next: 624 }
    }

    /// In [0, 1), with 24 random bits: what torch makes of a float32.
    fn unit(&mut self) -> f64 {
        f64::from(self.word() & 0xff_ffff) / f64::from(1 << 24)
    }

    fn word(&mut self) -> u32 {
        if self.next == 624 {
            self.turn();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn turn(&mut self) {
        for i in 0..624 {
            let joined = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + 397) % 624] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }
}
