//! Prepares pictures one by one as they are asked for, for a bench that asks others in turn.
//!
//! Reads a path a line; answers the milliseconds of [`imaging::prepare`] and the bytes of the result, or `- 0` when the
//! picture is refused. Reading the file is not timed.
#![allow(clippy::print_stdout, reason = "printing is what this example is for")]

use std::error::Error;
use std::io::{BufRead, Write};
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let options = imaging::Options::default();
    for path in std::io::stdin().lock().lines() {
        let bytes = std::fs::read(path?)?;
        let start = Instant::now();
        let outcome = imaging::prepare(&bytes, &options);
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        match outcome {
            Ok(prepared) => println!("{milliseconds:.3} {}", prepared.bytes.len()),
            Err(_) => println!("- 0"),
        }
        std::io::stdout().flush()?;
    }
    Ok(())
}
