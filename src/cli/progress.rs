use std::fmt;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::data::shown;
use crate::report::detections::strips::Stage;
use crate::run::{LogEntry, LogLine};
use crate::theory::runner::Finding;
use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use super::output::{harmless, note};

/// Time between lines if standard error is not a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Progress of a training run on standard error: a bar in a terminal, otherwise a line from time to time.
pub struct TrainingProgress {
    bar: ProgressBar,
    steps: u64,
    start: Instant,
    first: Option<u64>,
    printed: Option<Instant>,
    loss: f64,
    /// The last one.
    validation: Option<f64>,
    supply: Supply,
}

/// Milliseconds, summed over all steps.
#[derive(Default)]
struct Supply {
    steps: u64,
    step: f64,
    batch: f64,
    wait: f64,
}

impl Supply {
    fn add(&mut self, entry: &LogEntry) {
        self.steps += 1;
        self.step += entry.step_ms;
        self.batch += entry.batch_ms;
        self.wait += entry.wait_ms;
    }

    /// One sentence on the time spent making batches and waiting for them.
    fn sentence(&self) -> String {
        let (step, batch) = (self.step / self.steps as f64, self.batch / self.steps as f64);
        if self.batch == 0.0 {
            return format!("the device made the batches, as part of a step of {step:.1} ms");
        }
        let share = 100.0 * self.wait / self.step;
        format!("waited for data {share:.1} % of the time; making a batch took {batch:.1} ms, a step {step:.1} ms")
    }
}

impl TrainingProgress {
    /// Progress towards `steps`.
    pub fn new(steps: u64) -> Self {
        let bar = bar(steps, "{pos}/{len}  {msg}  {eta} left");
        Self {
            bar,
            steps,
            start: Instant::now(),
            first: None,
            printed: None,
            loss: 0.0,
            validation: None,
            supply: Supply::default(),
        }
    }

    /// A line was added to the log.
    pub fn line(&mut self, line: &LogLine) {
        match line {
            LogLine::Step(entry) => self.step(entry),
            LogLine::Validation(entry) => self.validation = Some(entry.validation.image_auroc),
            LogLine::Warning(entry) => self.bar.suspend(|| note(format_args!("warning: {}", entry.message))),
        }
    }

    /// One step is done.
    fn step(&mut self, entry: &LogEntry) {
        self.supply.add(entry);
        let first = *self.first.get_or_insert(entry.step - 1);
        self.loss = if entry.step == first + 1 { entry.loss } else { 0.95 * self.loss + 0.05 * entry.loss };
        let validation = self.validation.map_or_else(String::new, |auroc| format!("  val. AUROC {auroc:.3}"));
        let message = format!("loss {:.5}  {:.0} images/s{validation}", self.loss, entry.images_per_second);
        if !self.bar.is_hidden() {
            if entry.step == first + 1 {
                // The remaining time is estimated from the steps since the run was resumed.
                self.bar.set_position(first);
                self.bar.reset_eta();
            }
            self.bar.set_message(message);
            self.bar.set_position(entry.step);
        } else if entry.step == self.steps || self.printed.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            self.printed = Some(Instant::now());
            let pace = self.start.elapsed().as_secs_f64() / (entry.step - first) as f64;
            let left = Duration::from_secs_f64(pace * (self.steps - entry.step) as f64);
            note(format_args!("step {}/{}  {message}  {} left", entry.step, self.steps, HumanDuration(left)));
        }
    }

    /// Leaves the bar on the screen in its last state, if there was a step.
    pub fn finish(&self) {
        if self.first.is_none() {
            return self.bar.finish_and_clear();
        }
        self.bar.set_style(style("{bar:8} {pos}/{len}  {msg}"));
        self.bar.abandon();
    }

    /// Reports the time spent on data, if there was a step; `loading` is the time for decoding the images before the first step.
    pub fn report_supply(&self, loading: Duration) {
        let (seconds, threads) = (loading.as_secs_f64(), rayon::current_num_threads());
        let plural = if threads == 1 { "" } else { "s" };
        if self.first.is_some() {
            note(format_args!(
                "{}; images were decoded and resized once, before the first, in {seconds:.2} s on {threads} thread{plural}",
                self.supply.sentence()
            ));
        }
    }
}

/// A bar that counts images; hidden if standard error is not a terminal.
pub fn image_bar(count: usize) -> ProgressBar {
    let bar = bar(count as u64, "");
    // Nothing is known of the time before the first image is done, which may take minutes.
    let left = |state: &ProgressState, out: &mut dyn fmt::Write| {
        let _ = if state.pos() > 0 { write!(out, "{:#} left", HumanDuration(state.eta())) } else { Ok(()) };
    };
    bar.set_style(style("{bar:8} image {pos}/{len}  {left}  {wide_msg}").with_key("left", left));
    bar
}

/// Shows on a bar of images how far a large one is.
pub fn show_stage(bar: &ProgressBar, path: &Path, stage: Stage) {
    bar.set_message(harmless(&format_args!("{}: {stage}", shown(path.as_os_str()))));
}

/// Progress of testing claims on standard error: a bar in a terminal, otherwise one line each.
pub struct ClaimProgress(ProgressBar);

impl ClaimProgress {
    /// Progress towards `count` findings.
    pub fn new(count: usize) -> Self {
        let bar = bar(count as u64, "{pos}/{len} measured  {elapsed}  {msg}");
        bar.enable_steady_tick(Duration::from_secs(1));
        Self(bar)
    }

    /// One claim has been measured with one seed.
    pub fn found(&self, finding: &Finding) {
        self.0.inc(1);
        let verdict = if finding.evidence.holds() { "holds" } else { "does not hold" };
        let message = format!("{} (seed {}) {verdict}, {:.1} s", finding.claim.id, finding.seed, finding.wall.as_secs_f64());
        if self.0.is_hidden() {
            note(message);
        } else {
            self.0.set_message(message);
        }
    }

    /// Clears the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// A bar followed by `words`; hidden if standard error is not a terminal.
pub(super) fn bar(count: u64, words: &str) -> ProgressBar {
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(count) } else { ProgressBar::hidden() };
    bar.set_style(style(&format!("{{bar:8}} {words}")));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).map_or_else(|_| ProgressStyle::default_bar(), |style| style.progress_chars("━╸─"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_shown_with_a_name_that_steers_nothing() {
        let bar = ProgressBar::hidden();
        show_stage(&bar, Path::new("a\u{1b}[2K\n.png"), Stage::Strip { number: 12, count: 40 });
        assert_eq!(bar.message(), "a\\u{1b}[2K\\u{a}.png: strip 12 of 40");
    }
}
