//! Every reference value of the fixtures is met: the parity tool, as a test.

#[path = "../examples/parity/cases/mod.rs"]
mod cases;
mod common;

#[test]
fn every_reference_value_is_met() {
    let report = cases::run(common::fixtures(), |_| {});
    let failures: Vec<String> = report.failures().map(ToString::to_string).collect();
    assert!(
        report.is_ok(),
        "{} of {} checks failed:\n{}",
        failures.len(),
        report.rows().len(),
        failures.join("\n")
    );
}
