use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use orthoscope::rng::{Purpose, Stream};

/// How many rounds of each campaign are made.
const ROUNDS: &str = "ORTHOSCOPE_CAMPAIGN_ROUNDS";

/// A stream of random numbers for each round of the campaign number `campaign`: `few` of them without the variable, always the
/// same.
pub fn rounds(campaign: u32, few: u32) -> impl Iterator<Item = Stream> {
    let wanted = std::env::var(ROUNDS).ok().filter(|text| !text.is_empty());
    let seed = wanted.as_ref().map_or(0, |_| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
    let count = wanted.map_or(few, |text| text.parse().unwrap_or_else(|_| panic!("{ROUNDS} must be a number, got {text}")));
    (0..count).map(move |round| Stream::new(seed, Purpose::Test, campaign, round))
}

/// Prints a line, also where the output of tests is captured.
pub fn note(line: std::fmt::Arguments<'_>) {
    std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
}
