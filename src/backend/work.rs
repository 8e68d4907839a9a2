//! What an operation or a launch costs, by formula: floating-point operations and bytes that it must move at least.
//!
//! A multiply-add counts as 2 operations; an addition, a comparison, a quotient, a root, an exponential as 1. Padding taps of
//! convolutions count, as in PyTorch's counters. Bytes are those of operands read once, results written once, and of what is added to
//! read and written: the least traffic that memory must carry, whatever caches do.

use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// Operations and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Floating-point operations.
    pub flops: u64,
    /// Bytes of memory traffic at least.
    pub bytes: u64,
}

impl Work {
    /// Only traffic.
    pub fn traffic(bytes: u64) -> Self {
        Self { flops: 0, bytes }
    }

    /// Operations per byte; infinite where nothing is moved, and not a number where nothing is done either.
    pub fn intensity(&self) -> f64 {
        self.flops as f64 / self.bytes as f64
    }
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { flops: self.flops + other.flops, bytes: self.bytes + other.bytes }
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::default(), Add::add)
    }
}

/// What does the arithmetic: each has a peak of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Multiply-adds on registers.
    #[default]
    Vector,
    /// The matrix unit: products of bf16 with f32 sums.
    Matrix,
}

impl Unit {
    /// One word for tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Vector => "vector",
            Self::Matrix => "matrix",
        }
    }
}
