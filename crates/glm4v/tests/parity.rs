//! Every reference value of the fixtures is met: the parity tool, as a test.

use candle_core::Device;

#[path = "../examples/parity/cases/mod.rs"]
mod cases;
mod common;

#[test]
fn every_reference_value_is_met() {
    let report = cases::run(common::fixtures(), &Device::Cpu, |_| {});
    let failures: Vec<String> = report.failures().map(ToString::to_string).collect();
    assert!(
        report.is_ok(),
        "{} of {} checks failed:\n{}",
        failures.len(),
        report.rows().len(),
        failures.join("\n")
    );
}

#[test]
fn a_device_that_is_not_there_is_told_in_one_line() {
    #[track_caller]
    fn refused(name: &str, expect: &str) {
        let line = format!("{:#}", cases::device(name).unwrap_err());
        assert!(line.starts_with(expect), "{line}");
        assert!(!line.contains('\n'), "{line}");
    }
    assert!(cases::device("cpu").unwrap().is_cpu());
    for name in ["", "gpu", "cuda0", "cuda:", "cuda:x"] {
        refused(name, &format!("`{name}` is no device"));
    }
    if cfg!(not(feature = "cuda")) {
        let reason = "this program was built without the feature `cuda`";
        refused("cuda", &format!("`cuda` cannot be used: {reason}"));
        refused("cuda:1", &format!("`cuda:1` cannot be used: {reason}"));
    }
}
