/// Decimals of a score for readers, as on the terminal.
const DECIMALS: usize = 5;

/// A score and its threshold for readers: with as many decimals as it takes to see which one is larger, so that a verdict never
/// looks wrong.
pub(super) fn beside(score: f64, threshold: f64) -> (String, String) {
    let is_seen = |(a, b): &(String, String)| a.parse::<f64>().ok() > b.parse::<f64>().ok() || score <= threshold;
    let written = |decimals: usize| (format!("{score:.decimals$}"), format!("{threshold:.decimals$}"));
    (DECIMALS..=17).map(written).find(is_seen).unwrap_or_else(|| (score.to_string(), threshold.to_string()))
}

/// A number for readers.
pub(super) fn plain(value: f64) -> String {
    format!("{value:.DECIMALS$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_above_the_threshold_looks_so() {
        let shown = |score, threshold| beside(score, threshold);
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(shown(2.0, 1.5), pair("2.00000", "1.50000"));
        assert_eq!(shown(1.500_000_2, 1.5), pair("1.5000002", "1.5000000"));
        assert_eq!(shown(1.5, 1.5), pair("1.50000", "1.50000"));
        assert_eq!(shown(1.499_999_9, 1.5), pair("1.50000", "1.50000"), "not above it, which equal digits allow");
        let next = f64::from_bits(1e-30_f64.to_bits() + 1);
        let (score, threshold) = shown(next, 1e-30);
        assert!(score.parse::<f64>().unwrap() > threshold.parse::<f64>().unwrap());
        let (score, threshold) = shown(1e9_f64.next_up(), 1e9);
        assert!(score.parse::<f64>().unwrap() > threshold.parse::<f64>().unwrap());
    }
}
