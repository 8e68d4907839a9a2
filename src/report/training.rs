//! A page about a training run: learning curves, progress, warnings. While the run goes on, the page reloads itself.

use super::curves::curves;
use super::document::{card, document, facts, header, reloading};
use super::html::escape;
use super::loss_curve::loss_curve;
use super::number::readable;
use crate::run::{LogEntry, LogLine, ValidationEntry, WarningEntry};
use crate::theory::figure::{AxisSpec, Chart, Series};

/// Rules of this page only.
const STYLE: &str = include_str!("training.css");

/// The speed is that of this many last steps.
const RECENT: usize = 50;
/// The loss of a card is the mean of this many last steps.
const OF_CARD: usize = 25;

/// The lines of a log, sorted by kind. Of a step only what a page shows is kept.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// (step, loss).
    losses: Vec<(u64, f64)>,
    last: Option<LogEntry>,
    validations: Vec<ValidationEntry>,
    warnings: Vec<WarningEntry>,
    /// Duration in milliseconds, and wait for data, of the last steps.
    recent: Vec<(f64, f64)>,
}

impl History {
    /// Takes in the next line.
    pub fn add(&mut self, line: &LogLine) {
        match line {
            LogLine::Step(entry) => {
                self.losses.push((entry.step, entry.loss));
                if self.recent.len() == RECENT {
                    self.recent.remove(0);
                }
                self.recent.push((entry.step_ms, entry.wait_ms));
                self.last = Some(*entry);
            }
            LogLine::Validation(entry) => self.validations.push(*entry),
            LogLine::Warning(entry) => self.warnings.push(entry.clone()),
        }
    }
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq)]
pub enum Status {
    /// It goes on; the page reloads itself after so many seconds.
    Running {
        /// Seconds between two versions of the page.
        reload: u64,
        /// Time left in words; none before it can be estimated.
        left: Option<String>,
    },
    /// All steps are done.
    Finished,
    /// It was interrupted and can be continued.
    Interrupted,
    /// It ended with an error, which is this sentence.
    Failed(String),
}

/// The content of a page. All text is plain text: markup in it is escaped.
#[derive(Clone, Debug)]
pub struct TrainingPage<'a> {
    /// e.g. the name of the category.
    pub title: &'a str,
    /// Steps of the whole run.
    pub steps: u64,
    /// Images per step.
    pub batch: usize,
    /// How far the run is.
    pub status: &'a Status,
    /// The log so far.
    pub history: &'a History,
    /// Steps between validations; 0 if there are none.
    pub validate_every: u64,
    /// Names and values that identify the run.
    pub facts: &'a [(String, String)],
    /// When this version of the page was written.
    pub written: &'a str,
}

/// What every page has and nothing else.
const MARK: &str = "<p class=\"subtitle\">Training</p>\n</header>\n<section class=\"progress\">";

/// Whether a file is a page of a training.
pub fn is_training_page(file: &[u8]) -> bool {
    file.windows(MARK.len()).any(|part| part == MARK.as_bytes())
}

impl TrainingPage<'_> {
    /// The page as one HTML document.
    pub fn render(&self) -> String {
        let body = [self.head(), self.warnings(), self.cards(), self.charts(), self.foot()].concat();
        let page = document(&format!("{}: {}", self.title, self.progress()), STYLE, &body);
        match self.status {
            Status::Running { reload, .. } => reloading(page, *reload),
            Status::Finished | Status::Interrupted | Status::Failed(_) => page,
        }
    }

    fn step(&self) -> u64 {
        self.history.last.map_or(0, |entry| entry.step)
    }

    /// e.g. `42 %`.
    fn progress(&self) -> String {
        format!("{:.0}\u{a0}%", (100.0 * self.step() as f64 / self.steps.max(1) as f64).floor())
    }

    fn head(&self) -> String {
        let (class, words) = match self.status {
            Status::Running { .. } => ("running", "training"),
            Status::Finished => ("right", "finished"),
            Status::Interrupted => ("wrong", "interrupted; --resume continues"),
            Status::Failed(_) => ("wrong", "stopped by an error"),
        };
        let (step, steps) = (readable(self.step() as f64, 10), readable(self.steps as f64, 10));
        format!(
            "{}<section class=\"progress\">\n<p><span class=\"verdict {class}\">{words}</span> step {step} of {steps}, {}</p>\n\
             <progress max=\"{}\" value=\"{}\">{}</progress>\n</section>\n",
            header(self.title, "Training"),
            self.progress(),
            self.steps,
            self.step(),
            self.progress()
        )
    }

    /// The error that ended the run, and the early warnings.
    fn warnings(&self) -> String {
        let failed = if let Status::Failed(sentence) = self.status { Some(sentence) } else { None };
        let sentences = failed.into_iter().chain(self.history.warnings.iter().map(|entry| &entry.message));
        let items: String = sentences.map(|sentence| format!("<li>{}</li>\n", escape(sentence))).collect();
        match items.is_empty() {
            true => String::new(),
            false => format!("<section class=\"warnings\" role=\"alert\">\n<h2>Warnings</h2>\n<ul>\n{items}</ul>\n</section>\n"),
        }
    }

    fn cards(&self) -> String {
        let history = self.history;
        let mut cards = vec![];
        if let Status::Running { left, .. } = self.status {
            cards.push(card(
                "Time left",
                left.as_deref().unwrap_or("–"),
                "At the mean speed since the start, validations included.",
            ));
        }
        let losses = &history.losses[history.losses.len().saturating_sub(OF_CARD)..];
        let mean = losses.iter().map(|point| point.1).sum::<f64>() / losses.len() as f64;
        cards.push(card("Mean loss", &readable(mean, 3), &format!("Of the last {} steps.", losses.len())));
        cards.push(self.speed());
        if let Some(ValidationEntry { step, validation }) = history.validations.last() {
            let note = format!("Synthetic defects on held-out images, after step {}.", readable(*step as f64, 10));
            cards.push(card("Validation image AUROC", &format!("{:.4}", validation.image_auroc), &note));
            cards.push(card("Validation pixel AUROC", &format!("{:.4}", validation.pixel_auroc), &note));
        }
        format!("<section>\n<dl class=\"cards\">\n{}</dl>\n</section>\n", cards.concat())
    }

    fn speed(&self) -> String {
        let recent = &self.history.recent;
        let (whole, wait) = recent.iter().fold((0.0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
        let speed = 1e3 * (self.batch * recent.len()) as f64 / whole;
        let note =
            format!("Mean of the last {} steps; {:.1}\u{a0}% of the time waiting for data.", recent.len(), 100.0 * wait / whole);
        card("Images per second", &readable(speed, 3), if speed.is_finite() { &note } else { "" })
    }

    fn charts(&self) -> String {
        let loss = loss_curve(&self.history.losses);
        let figure = |title: &str, text: &str, chart: &str| {
            format!("<figure><figcaption><h2>{title}</h2><p>{text}</p></figcaption>{chart}</figure>\n")
        };
        let mut charts = figure("Training loss", "The objective of each batch, on a logarithmic axis.", &loss);
        if self.validate_every > 0 || !self.history.validations.is_empty() {
            let text = "AUROC of the moving-average weights on held-out images with and without drawn defects. \
                        It is only reported: no checkpoint and no setting is chosen by it.";
            charts += &figure("Validation", text, &self.scores());
            let text = "Mean of (<i>x</i> − <i>f</i>(<i>x</i>))² over the pixels of the held-out normal images.";
            charts += &figure("Residual on normal images", text, &self.residual());
        }
        format!("<section class=\"charts\">\n{charts}</section>\n")
    }

    fn scores(&self) -> String {
        let points = |score: fn(&ValidationEntry) -> f64| self.over_steps(score);
        let series = vec![
            Series::line("image", points(|entry| entry.validation.image_auroc)),
            Series::line("pixel", points(|entry| entry.validation.pixel_auroc)),
        ];
        let chart = Chart { x: AxisSpec::linear("step"), y: AxisSpec::linear("AUROC"), series };
        curves("Image and pixel AUROC on the validation set over optimiser steps", &chart)
    }

    fn residual(&self) -> String {
        let series = vec![Series::line("residual", self.over_steps(|entry| entry.validation.normal_residual))];
        let chart = Chart { x: AxisSpec::linear("step"), y: AxisSpec::log("mean residual"), series };
        curves("Mean residual on normal images over optimiser steps, logarithmic", &chart)
    }

    fn over_steps(&self, score: fn(&ValidationEntry) -> f64) -> Vec<(f64, f64)> {
        self.history.validations.iter().map(|entry| (entry.step as f64, score(entry))).collect()
    }

    fn foot(&self) -> String {
        let validation = match self.validate_every {
            0 => "There is no validation; output.validate_every or --validate-every switches it on. ",
            _ => "",
        };
        let reload = match self.status {
            Status::Running { reload, .. } => format!(" The page reloads itself every {reload} seconds."),
            Status::Finished | Status::Interrupted | Status::Failed(_) => String::new(),
        };
        format!(
            "<section>\n{}</section>\n<footer>{validation}Written {}.{reload}</footer>\n",
            facts(self.facts),
            escape(self.written)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::document::{is_balanced, stands_alone};
    use super::*;

    fn lines(text: &str) -> History {
        let mut history = History::default();
        text.lines().for_each(|line| history.add(&serde_json::from_str(line).unwrap()));
        history
    }

    /// 60 steps of 100 ms with a tenth of it waiting, two validations, and a warning.
    fn history() -> History {
        let mut text = String::new();
        for step in 1..=60 {
            let loss = 1.0 / f64::from(step);
            text += &format!(
                "{{\"step\":{step},\"loss\":{loss},\"rate\":0.1,\"images_per_second\":80.0,\"step_ms\":100.0,\"wait_ms\":10.0}}\n"
            );
            if step % 30 == 0 {
                let scores = format!("{{\"image_auroc\":0.{step},\"pixel_auroc\":0.9,\"normal_residual\":0.001}}");
                text += &format!("{{\"step\":{step},\"validation\":{scores}}}\n");
            }
        }
        text += r#"{"step":60,"warning":"rising_loss","value":1.0,"reference":0.1,"message":"loss <far> above"}"#;
        lines(&text)
    }

    fn page(status: &Status, history: &History) -> String {
        let facts = [("category".to_owned(), "<cloth>".to_owned())];
        let page = TrainingPage {
            title: "cloth & co",
            steps: 20_000,
            batch: 8,
            status,
            history,
            validate_every: 30,
            facts: &facts,
            written: "today",
        };
        page.render()
    }

    const RELOAD: &str = "<meta http-equiv=\"refresh\" content=\"5\">";

    #[test]
    fn a_running_page_reloads_itself_and_shows_step_speed_time_and_scores() {
        let running = Status::Running { reload: 5, left: Some("3 minutes".into()) };
        let html = page(&running, &history());
        assert!(is_balanced(&html) && stands_alone(&html.replace(RELOAD, "")), "{html}");
        let shown = [
            RELOAD,
            "step 60 of 20\u{202f}000, 0\u{a0}%",
            "<dd class=\"value\">3 minutes</dd>",
            "<dt>Images per second</dt><dd class=\"value\">80</dd>",
            "10.0\u{a0}% of the time waiting for data",
            "<dd class=\"value\">0.6000</dd>",
            "<dd class=\"value\">0.9000</dd>",
            "<li>loss &lt;far&gt; above</li>",
            "cloth &amp; co",
            "&lt;cloth&gt;",
            "no checkpoint and no setting is chosen by it",
        ];
        for text in shown {
            assert!(html.contains(text), "{text} is missing in {html}");
        }
        assert_eq!(html.matches("<svg ").count(), 3);
    }

    #[test]
    fn a_page_of_a_run_that_has_ended_does_not_reload() {
        for (status, words) in [
            (Status::Finished, "finished"),
            (Status::Interrupted, "--resume continues"),
            (Status::Failed("the loss became <NaN>".into()), "<li>the loss became &lt;NaN&gt;</li>"),
        ] {
            let html = page(&status, &history());
            assert!(is_balanced(&html) && stands_alone(&html) && html.contains(words), "{html}");
            assert!(!html.contains("http-equiv") && !html.contains("Time left"));
        }
    }

    #[test]
    fn a_page_without_a_step_has_no_number_that_is_not_finite() {
        let html = page(&Status::Running { reload: 5, left: None }, &History::default());
        assert!(is_balanced(&html) && html.contains("no loss was recorded"), "{html}");
        assert!(!html.contains("NaN") && !html.contains("inf") && !html.contains("∞"), "{html}");
    }
}
