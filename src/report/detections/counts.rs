use std::fmt;

use super::finding::Verdict;
use super::row::Row;

/// How many pictures are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Inspected.
    pub inspected: usize,
    /// Their score exceeds the threshold.
    pub anomalous: usize,
    /// There is no threshold.
    pub unknown: usize,
    /// Could not be inspected.
    pub skipped: usize,
    /// Unlike the training images.
    pub unlike: usize,
}

impl Counts {
    /// Of these pictures.
    pub fn of(rows: &[Row]) -> Self {
        let mut counts = Self::default();
        for row in rows {
            let verdict = row.verdict();
            counts.anomalous += usize::from(verdict == Verdict::Anomalous);
            counts.unknown += usize::from(verdict == Verdict::Unknown);
            counts.skipped += usize::from(verdict == Verdict::Skipped);
            counts.inspected += usize::from(verdict != Verdict::Skipped);
            counts.unlike += usize::from(row.warning().is_some());
        }
        counts
    }
}

/// e.g. `3 of 29 anomalous, 2 skipped`. The skipped ones are not among the 29.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inspected, anomalous, unknown, skipped, .. } = self;
        match unknown {
            _ if *inspected == 0 && *skipped > 0 => return write!(f, "none inspected, {skipped} skipped"),
            0 => write!(f, "{anomalous} of {inspected} anomalous")?,
            _ => write!(f, "{unknown} without a verdict")?,
        }
        if *skipped > 0 { write!(f, ", {skipped} skipped") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::examples;
    use super::*;

    #[test]
    fn the_summary_is_one_line() {
        let counts = Counts::of(&examples());
        assert_eq!(counts, Counts { inspected: 4, anomalous: 2, unknown: 0, skipped: 1, unlike: 1 });
        assert_eq!(counts.to_string(), "2 of 4 anomalous, 1 skipped");
        assert_eq!(Counts { skipped: 3, ..Counts::default() }.to_string(), "none inspected, 3 skipped");
        assert_eq!(Counts { skipped: 0, ..counts }.to_string(), "2 of 4 anomalous");
        assert_eq!(Counts { unknown: 4, anomalous: 0, ..counts }.to_string(), "4 without a verdict, 1 skipped");
    }
}
