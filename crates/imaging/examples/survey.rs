//! Prints what becomes of each picture of a directory, and writes the results beside each other to look at.
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
    for path in listed(Path::new(&pictures))? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let bytes = std::fs::read(&path)?;
        let start = Instant::now();
        let outcome = imaging::prepare(&bytes, &Options::default());
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        match outcome {
            Ok(prepared) => {
                println!("{name:32} {milliseconds:7.1} ms  {}", line(&prepared));
                if let Some(results) = &results {
                    let file = format!("{name}.{}", prepared.format.extension());
                    std::fs::write(Path::new(results).join(file), &prepared.bytes)?;
                }
            }
            Err(error) => println!("{name:32} {milliseconds:7.1} ms  {error}"),
        }
    }
    Ok(())
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
        ..
    } = prepared;
    let removed: Vec<_> = prepared.removed.iter().map(|kind| kind.name()).collect();
    let warnings: Vec<_> = prepared
        .warnings
        .iter()
        .map(|warning| warning.name())
        .collect();
    format!(
        "{} {}x{} {} B -> {format} {width}x{height} {} B{}  sharp {:.3}{}  removed {removed:?} {warnings:?}",
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
        prepared.sharpness,
        if prepared.too_soft { " SOFT" } else { "" },
    )
}
