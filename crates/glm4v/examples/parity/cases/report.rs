//! What was compared, and how it came out.

use std::fmt;

use anyhow::Result;

/// One check of one case.
#[derive(Debug, Clone)]
pub struct Row {
    checkpoint: String,
    case: String,
    check: String,
    /// Worst absolute difference; for exact checks the number of places that differ.
    worst: f64,
    allowed: f64,
    /// More than the numbers say, when there is more.
    note: String,
}

impl Row {
    /// A difference that is not a number is no agreement.
    fn is_ok(&self) -> bool {
        self.worst <= self.allowed
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_ok() { "ok" } else { "FAIL" };
        let worst = if self.worst.is_finite() {
            format!("{:.3e}", self.worst)
        } else {
            "-".to_owned()
        };
        let allowed = if self.allowed == 0.0 {
            "exact".to_owned()
        } else {
            format!("{:.0e}", self.allowed)
        };
        write!(
            f,
            "{:<10} {:<24} {:<34} {worst:>12} {allowed:>9}  {verdict}",
            self.checkpoint, self.case, self.check
        )?;
        if self.note.is_empty() {
            Ok(())
        } else {
            write!(f, "  {}", self.note)
        }
    }
}

/// All rows so far.
pub struct Report<'a> {
    rows: Vec<Row>,
    seen: Box<dyn FnMut(&Row) + 'a>,
}

impl<'a> Report<'a> {
    pub fn new(seen: impl FnMut(&Row) + 'a) -> Self {
        Self {
            rows: Vec::new(),
            seen: Box::new(seen),
        }
    }

    /// Where the next rows belong.
    pub fn at<'r>(&'r mut self, checkpoint: &str, case: &str) -> At<'r, 'a> {
        At {
            checkpoint: checkpoint.to_owned(),
            case: case.to_owned(),
            report: self,
        }
    }

    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    pub fn failures(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| !row.is_ok())
    }

    /// Nothing failed, and something was checked.
    pub fn is_ok(&self) -> bool {
        !self.rows.is_empty() && self.failures().next().is_none()
    }
}

/// A case whose checks are being reported.
pub struct At<'r, 'a> {
    checkpoint: String,
    case: String,
    report: &'r mut Report<'a>,
}

impl At<'_, '_> {
    /// A difference against what is allowed.
    pub fn within(&mut self, check: &str, worst: f64, allowed: f64) {
        self.push(check, worst, allowed, String::new());
    }

    /// As [`At::within`], with a remark.
    pub fn within_noted(&mut self, check: &str, worst: f64, allowed: f64, note: String) {
        self.push(check, worst, allowed, note);
    }

    /// Two lists of numbers, value by value; other lengths fail.
    pub fn close(&mut self, check: &str, found: &[f32], expected: &[f32], allowed: f64) {
        if found.len() != expected.len() {
            let note = format!("{} values instead of {}", found.len(), expected.len());
            return self.push(check, f64::NAN, allowed, note);
        }
        let difference = |(a, b): (&f32, &f32)| f64::from((a - b).abs());
        // `f64::max` would drop a NaN.
        let worst = found
            .iter()
            .zip(expected)
            .map(difference)
            .fold(0.0, |a, b| if a > b { a } else { b });
        self.push(check, worst, allowed, String::new());
    }

    /// Two things that must be the same.
    pub fn same<T: PartialEq + fmt::Debug + ?Sized>(
        &mut self,
        check: &str,
        found: &T,
        expected: &T,
    ) {
        let note = if found == expected {
            String::new()
        } else {
            shorten(&format!("{found:?} instead of {expected:?}"))
        };
        self.push(check, if found == expected { 0.0 } else { 1.0 }, 0.0, note);
    }

    /// A check that could not be made.
    pub fn failed(&mut self, check: &str, error: &anyhow::Error) {
        self.push(check, f64::NAN, 0.0, format!("{error:#}"));
    }

    /// Runs a check that may be impossible.
    pub fn attempt(&mut self, check: &str, run: impl FnOnce(&mut Self) -> Result<()>) {
        if let Err(error) = run(self) {
            self.failed(check, &error);
        }
    }

    fn push(&mut self, check: &str, worst: f64, allowed: f64, note: String) {
        let (checkpoint, case) = (self.checkpoint.clone(), self.case.clone());
        let row = Row {
            checkpoint,
            case,
            check: check.to_owned(),
            worst,
            allowed,
            note,
        };
        (self.report.seen)(&row);
        self.report.rows.push(row);
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}…", text.split_at(at).0),
        None => text.to_owned(),
    }
}
