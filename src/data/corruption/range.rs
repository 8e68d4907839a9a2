//! Checks of config values against their domains.

use crate::error::{Error, Result};

/// Checks that both ends are inside `domain` and in order. `table` is the key below `corruption`.
pub(super) fn check_range(table: &str, min: f32, max: f32, domain: [f32; 2]) -> Result<()> {
    check(&format!("{table}.min"), min, domain)?;
    check(&format!("{table}.max"), max, domain)?;
    if min > max {
        return Err(Error::config(format!("corruption.{table}.min"), format!("{min} exceeds {table}.max {max}")));
    }
    Ok(())
}

/// Checks that the value of `corruption.{key}` is inside `domain`.
pub(super) fn check(key: &str, value: f32, domain: [f32; 2]) -> Result<()> {
    let [low, high] = domain;
    // A NaN is in no range.
    if !(low..=high).contains(&value) {
        return Err(Error::config(format!("corruption.{key}"), format!("{value} is outside [{low}, {high}]")));
    }
    Ok(())
}
