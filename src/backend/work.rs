//! Cost of an operation or a launch by formula: floating-point operations, and a lower bound on the bytes moved.
//!
//! A multiply-add counts as 2 operations; an addition, a comparison, a quotient, a root or an exponential counts as 1.
//! Convolution taps in the padding count, as in PyTorch's counters. Operands are read once, results are written once, and
//! accumulation targets are read and written once. This is the minimum memory traffic with ideal caches.

use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

/// The hardware unit that does the arithmetic of an operation. It determines the peak that the operation is compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Fused multiply-add units, in the element type.
    #[default]
    Fma,
    /// The matrix unit: bf16 products and f32 sums. The small amount of arithmetic outside the products is ignored.
    Matrix,
    /// Some products on each unit, as in the branches of an SDC.
    Both,
}

impl Unit {
    /// One word for tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fma => "fma",
            Self::Matrix => "matrix",
            Self::Both => "both",
        }
    }
}

/// Operations and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// Floating-point operations.
    pub flops: u64,
    /// Minimum bytes of memory traffic.
    pub bytes: u64,
    /// Operations executed by the matrix unit.
    #[serde(default)]
    pub matrix: u64,
    /// Operations of the formula that were not executed, because the algorithm needs fewer or skips taps that read only padding.
    /// 0 in older records, which did not count them.
    #[serde(default)]
    pub saved: u64,
}

impl Work {
    /// Operations, none of them on the matrix unit, and traffic.
    pub fn new(flops: u64, bytes: u64) -> Self {
        Self { flops, bytes, ..Self::default() }
    }

    /// Only traffic.
    pub fn traffic(bytes: u64) -> Self {
        Self::new(0, bytes)
    }

    /// The cost of one of `count` equal parts.
    #[must_use]
    pub fn per(&self, count: usize) -> Self {
        let count = count.max(1) as u64;
        Self { flops: self.flops / count, bytes: self.bytes / count, matrix: self.matrix / count, saved: self.saved / count }
    }

    /// Operations that were executed.
    pub fn executed(&self) -> u64 {
        self.flops.saturating_sub(self.saved)
    }

    /// The unit of the operations. Operations outside the matrix unit are ignored if they are less than a tenth of all.
    pub fn unit(&self) -> Unit {
        match self.matrix {
            0 => Unit::Fma,
            matrix if self.flops.saturating_sub(matrix).saturating_mul(10) < self.flops => Unit::Matrix,
            _ => Unit::Both,
        }
    }

    /// Operations per byte; infinite if no bytes are moved, NaN if there are no operations either.
    pub fn intensity(&self) -> f64 {
        self.flops as f64 / self.bytes as f64
    }
}

impl Add for Work {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            flops: self.flops + other.flops,
            bytes: self.bytes + other.bytes,
            matrix: self.matrix + other.matrix,
            saved: self.saved + other.saved,
        }
    }
}

impl Sum for Work {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_depends_on_the_share_of_the_matrix_unit() {
        let unit = |matrix: u64| Work { matrix, ..Work::new(1000, 1) }.unit();
        assert_eq!(
            [0, 1, 500, 900, 901, 1000].map(unit),
            [Unit::Fma, Unit::Both, Unit::Both, Unit::Both, Unit::Matrix, Unit::Matrix]
        );
        let sum: Work = [Work { matrix: 3, saved: 1, ..Work::new(4, 5) }; 2].into_iter().sum();
        assert_eq!((sum, sum.executed()), (Work { flops: 8, bytes: 10, matrix: 6, saved: 2 }, 6));
    }

    #[test]
    fn records_without_matrix_operations_can_be_read() {
        let work: Work = serde_json::from_str(r#"{"flops": 2, "bytes": 1}"#).unwrap();
        assert_eq!((work, work.unit()), (Work::new(2, 1), Unit::Fma));
    }
}
