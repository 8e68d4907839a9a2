//! The rules of the false driver itself.

use super::false_driver::FalseDriver;

/// Runs the program that breaks every rule, which fails if a rule is not enforced or not broken.
#[track_caller]
fn check(settings: &str, pageable: bool) {
    let driver = FalseDriver::get();
    let mut command = driver.broken_rules();
    command.envs(driver.environment(settings)).args(pageable.then_some("pageable"));
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.ends_with(" checks, 0 failures\n"), "{settings}: {}: {out}{err}", output.status);
}

#[test]
fn every_rule_is_enforced() {
    for seed in 1..=3 {
        check(&format!("seed={seed}"), false);
    }
}

#[test]
fn every_rule_is_enforced_where_the_gpu_reads_pageable_memory() {
    check("seed=4 pageable=1", true);
}
