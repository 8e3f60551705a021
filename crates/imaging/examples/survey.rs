//! Prints what becomes of each picture of a directory, and writes the results beside each other to look at.
//!
//! The MiB are the most memory above what the process had at its start, with the file; the allocator keeps what it once
//! had, so they are those of the picture when one picture is named.
//!
//! `cargo run --release -p imaging --example survey -- PICTURES [RESULTS]`
#![allow(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use imaging::{Options, Prepared};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let pictures = arguments.next().ok_or("name a directory or a picture")?;
    let results = arguments.next();
    let at_start = memory("VmRSS:");
    for path in listed(Path::new(&pictures))? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(&path)?;
        reset_peak();
        let start = Instant::now();
        let outcome = imaging::prepare(&bytes, &Options::default());
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let peak = memory("VmHWM:").saturating_sub(at_start) / 1024;
        match outcome {
            Ok(prepared) => {
                println!(
                    "{name:32} {milliseconds:7.1} ms {peak:4} MiB  {}",
                    line(&prepared)
                );
                if let Some(results) = &results {
                    let file = format!("{name}.{}", prepared.format.extension());
                    std::fs::write(Path::new(results).join(file), &prepared.bytes)?;
                }
            }
            Err(error) => println!("{name:32} {milliseconds:7.1} ms {peak:4} MiB  {error}"),
        }
    }
    Ok(())
}

/// Starts the count of the most memory anew. On systems other than Linux it is not counted.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// A number of KiB that the kernel tells about this process, 0 where it tells none.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}

/// The files of a directory by name, or the one file that was named.
fn listed(path: &Path) -> Result<Vec<std::path::PathBuf>, std::io::Error> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = std::fs::read_dir(path)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>, std::io::Error>>()?;
    files.retain(|file| {
        file.is_file() && file.extension().is_none_or(|extension| extension != "md")
    });
    files.sort();
    Ok(files)
}

fn line(prepared: &Prepared) -> String {
    let Prepared {
        original,
        format,
        width,
        height,
        looks,
        ..
    } = prepared;
    let removed: Vec<_> = prepared.removed.iter().map(|kind| kind.name()).collect();
    let warnings: Vec<_> = prepared
        .warnings
        .iter()
        .map(|warning| warning.name())
        .collect();
    format!(
        "{} {}x{} {} B -> {format} {width}x{height} {} B{}  {} flat {:.2} text {:.2} {} sharp {:.3}{}  removed {removed:?} {warnings:?}",
        original.format,
        original.width,
        original.height,
        prepared.original_bytes,
        prepared.bytes.len(),
        if prepared.passed_through {
            " (as it is)"
        } else {
            ""
        },
        looks.class.name(),
        looks.flatness,
        looks.text,
        looks.exposure.name(),
        looks.sharpness,
        if looks.too_soft { " SOFT" } else { "" },
    )
}
