//! Running other programs: each is printed before it runs, and a failure names it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// The project's root folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// A command that will run in `dir`, which is relative to the root.
pub(crate) fn command(dir: &str, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root().join(dir)).args(args);
    command
}

/// Runs a program in `dir` and waits for it.
///
/// # Errors
/// When it cannot be started or ends with a status other than zero.
pub(crate) fn run(dir: &str, program: &str, args: &[&str]) -> Result<()> {
    run_command(command(dir, program, args))
}

/// Runs a prepared command and waits for it.
///
/// # Errors
/// When it cannot be started or ends with a status other than zero.
pub(crate) fn run_command(mut command: Command) -> Result<()> {
    let shown = shown(&command);
    println!("$ {shown}");
    let status = command
        .status()
        .with_context(|| format!("`{shown}` could not be started"))?;
    ensure!(status.success(), "`{shown}` failed with {status}");
    Ok(())
}

/// Runs a program and gives what it printed.
///
/// # Errors
/// As [`run`]; also when the output is not UTF-8.
pub(crate) fn output(dir: &str, program: &str, args: &[&str]) -> Result<String> {
    output_of(command(dir, program, args))
}

/// Runs a prepared command and gives what it printed.
///
/// # Errors
/// As [`output`].
pub(crate) fn output_of(mut command: Command) -> Result<String> {
    let shown = shown(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{shown}` could not be started"))?;
    ensure!(
        output.status.success(),
        "`{shown}` failed with {}",
        output.status
    );
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{shown}` printed something that is not UTF-8"))
}

/// Whether a program can be started at all.
pub(crate) fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs one named part and prints how long it took.
///
/// # Errors
/// The part's own.
pub(crate) fn part<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    println!("== {name}");
    let value = work().with_context(|| format!("{name} failed"))?;
    println!("== {name}: {:.1} s", start.elapsed().as_secs_f64());
    Ok(value)
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
