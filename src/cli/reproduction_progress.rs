use std::time::{Duration, Instant};

use crate::run::LogEntry;
use crate::run::reproduction::{PlannedRun, RunReport};
use indicatif::{HumanDuration, ProgressBar};

use super::output::{harmless, note};
use super::progress;

/// Time between lines if standard error is not a terminal.
const LINE_EVERY: Duration = Duration::from_secs(60);

/// Progress over all runs on standard error: a bar in a terminal, otherwise lines.
pub struct ReproductionProgress {
    bar: ProgressBar,
    runs: usize,
    steps: u64,
    run: String,
    number: usize,
    begun: Begun,
    printed: Instant,
}

/// When the measured steps began.
struct Begun {
    at: Instant,
    steps: u64,
}

impl ReproductionProgress {
    /// Progress over `runs` trainings of `steps` each.
    pub fn new(runs: usize, steps: u64) -> Self {
        let bar = progress::bar(steps.saturating_mul(runs as u64), "{msg}  {eta} left");
        let now = Instant::now();
        Self { bar, runs, steps, run: String::new(), number: 0, begun: Begun { at: now, steps: 0 }, printed: now }
    }

    /// The next run begins.
    pub fn start(&mut self, run: &PlannedRun) {
        self.number += 1;
        // The bar does not escape the name of the folder.
        self.run = harmless(&format_args!("run {} of {}: {} seed {}", self.number, self.runs, run.category, run.seed));
        self.show(&self.run);
    }

    /// One step is done.
    pub fn step(&mut self, entry: &LogEntry) {
        let position = self.steps * (self.number as u64 - 1) + entry.step;
        let message = format!("{}, step {}/{}, loss {:.5}", self.run, entry.step, self.steps, entry.loss);
        if self.begun.steps == 0 {
            self.begun = Begun { at: Instant::now(), steps: position };
            self.bar.set_position(position);
            self.bar.reset_eta();
        }
        self.bar.set_position(position);
        if !self.bar.is_hidden() {
            // Within 80 columns, with the bar and the time left.
            return self.bar.set_message(format!("{}, {}/{}, loss {:.4}", self.run, entry.step, self.steps, entry.loss));
        }
        if self.printed.elapsed() >= LINE_EVERY && position > self.begun.steps {
            self.printed = Instant::now();
            let pace = self.begun.at.elapsed().as_secs_f64() / (position - self.begun.steps) as f64;
            let left = pace * (self.steps * self.runs as u64 - position) as f64;
            let left = Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX);
            note(format_args!("{message}, {} left for all runs", HumanDuration(left)));
        }
    }

    /// The training of the run is done.
    pub fn trained(&self) {
        self.show(&format!("{}, scoring", self.run));
    }

    /// The run is done.
    pub fn done(&self, report: &RunReport) {
        let metric = |(label, name): (&str, &str)| Some(format!("{label} {:.3}", report.metrics.get(name)?));
        let found: Vec<String> = [("image AUROC", "image_auroc"), ("pixel AUROC", "pixel_auroc"), ("AU-PRO", "au_pro")]
            .into_iter()
            .filter_map(metric)
            .collect();
        let words = if found.is_empty() { report.notes.join(" ") } else { found.join(", ") };
        self.line(format!("{}, {words}", self.run));
    }

    /// The run failed.
    pub fn failed(&self, error: &anyhow::Error) {
        self.line(format!("{} failed: {}", self.run, super::output::sentence(error)));
    }

    /// Clears the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, message: &str) {
        if self.bar.is_hidden() {
            note(message);
        } else {
            self.bar.set_message(message.to_owned());
        }
    }

    fn line(&self, message: String) {
        self.bar.suspend(|| note(message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_category_cannot_steer_the_terminal_from_the_bar() {
        let mut progress = ReproductionProgress::new(1, 1);
        progress.start(&PlannedRun { category: "a\u{1b}[2J\u{202e}b".into(), seed: 3 });
        assert_eq!(progress.run, "run 1 of 1: a\\u{1b}[2J\\u{202e}b seed 3");
    }
}
