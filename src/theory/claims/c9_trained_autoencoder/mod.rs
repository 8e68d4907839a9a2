//! C9

pub mod experiment;
