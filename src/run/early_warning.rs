//! Early warning for a run that diverges or collapses. It looks at the losses and, from time to time, at the output for a few
//! training images. It changes nothing.

use std::collections::VecDeque;

use super::config::Config;
use super::log::{LogEntry, LogLine, WarningEntry, WarningKind};
use crate::data::{Image, crop, row_major};
use crate::error::Result;
use crate::ops::Backend;
use crate::shape::Shape;
use crate::train::Trainer;

/// The level of the loss is the median of this many losses. Batches differ a lot, above all small ones.
const WINDOW: usize = 100;
/// The first level is the median of this many losses.
const FIRST: usize = 10;
/// A level this many times the lowest earlier one is far above it. In healthy runs of 750 to 6250 steps the factor stayed below
/// 1.3.
const FAR_ABOVE: f64 = 4.0;
/// A rise is over once the level is below this many times the lowest one. Another rise is then reported again.
const RECOVERED: f64 = 2.0;
/// Lower losses count as this one, because changes between them do not matter: the error is a quarter of a grey level.
const NEGLIGIBLE_LOSS: f64 = 1e-6;

/// Steps between two looks at the output.
const LOOK_EVERY: u64 = 100;
/// Training images whose output is looked at.
const IMAGES: usize = 4;
/// The output counts as constant if its standard deviation is below this fraction of that of the images.
const CONSTANT: f64 = 0.05;
/// Images that vary less than one grey level are uniform themselves, so a constant output would be right for them.
const UNIFORM: f64 = 1.0 / 255.0;

/// Watches a run.
pub(super) struct EarlyWarning {
    loss: LossLevel,
    /// None if there is nothing to look at or no need any more: uniform images, a warning given, too little memory.
    output: Option<OutputVariation>,
}

impl EarlyWarning {
    /// For training with `images`.
    ///
    /// # Errors
    /// An image smaller than a training crop.
    pub(super) fn new(config: &Config, images: &[Image]) -> Result<Self> {
        let output = OutputVariation::new(images, config.data.size, config.train.warmup_steps)?;
        Ok(Self { loss: LossLevel::default(), output })
    }

    /// Takes in a line that an earlier process wrote, in the order of the log.
    pub(super) fn earlier(&mut self, line: &LogLine) {
        match line {
            LogLine::Step(entry) => drop(self.loss.add(entry)),
            LogLine::Warning(entry) if entry.warning == WarningKind::ConstantOutput => self.output = None,
            LogLine::Warning(_) | LogLine::Validation(_) => {}
        }
    }

    /// The warnings after a step.
    ///
    /// # Errors
    /// The device failed.
    pub(super) fn after<B: Backend>(&mut self, entry: &LogEntry, trainer: &Trainer<B>) -> Result<Vec<WarningEntry>> {
        let loss = self.loss.add(entry);
        let output = match self.output.as_ref().map(|output| output.look(trainer)) {
            Some(Err(error)) if error.is_out_of_memory() => {
                log::warn!("the output is not checked for being constant: {error}");
                self.output = None;
                None
            }
            Some(found) => found?,
            None => None,
        };
        if output.is_some() {
            self.output = None;
        }
        Ok(loss.into_iter().chain(output).collect())
    }
}

/// The level of the loss against the lowest earlier one.
#[derive(Default)]
struct LossLevel {
    recent: VecDeque<f64>,
    /// The lowest level, and the last step of its losses.
    lowest: Option<(f64, u64)>,
    is_high: bool,
}

impl LossLevel {
    /// Takes in a step; a warning if the loss has just risen far above its lowest level.
    fn add(&mut self, entry: &LogEntry) -> Option<WarningEntry> {
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(entry.loss);
        let wanted = if self.lowest.is_none() { FIRST } else { WINDOW };
        if self.recent.len() < wanted {
            return None;
        }
        let level = median(&self.recent);
        let (lowest, at) = *self.lowest.get_or_insert((level, entry.step));
        if level < lowest {
            self.lowest = Some((level, entry.step));
        }
        let ratio = level / lowest.max(NEGLIGIBLE_LOSS);
        let was_high = self.is_high;
        self.is_high = ratio > FAR_ABOVE || was_high && ratio > RECOVERED;
        (self.is_high && !was_high).then(|| rising_loss(entry.step, level, (lowest, at)))
    }
}

fn rising_loss(step: u64, level: f64, (lowest, at): (f64, u64)) -> WarningEntry {
    let message = format!(
        "step {step}: the loss (median of {WINDOW} steps) is {level:.3e}, {:.1} times its lowest level of {lowest:.3e} at step {at}; \
         the training may be diverging, and a lower train.learning_rate may help",
        level / lowest.max(NEGLIGIBLE_LOSS)
    );
    WarningEntry { step, warning: WarningKind::RisingLoss, value: level, reference: lowest, message }
}

/// The upper median; 0 without values.
fn median(values: &VecDeque<f64>) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// How much the output varies over pixels and images, against the images themselves.
struct OutputVariation {
    /// Shape of one input, `[1, size, size, 3]`.
    shape: Shape,
    images: Vec<Vec<f32>>,
    /// Standard deviation of the images.
    deviation: f64,
    /// The first look is after the warm-up.
    warmup_steps: u64,
}

impl OutputVariation {
    /// Looks at the centres of the first images, of the size of a training crop. None if they are uniform.
    fn new(images: &[Image], size: usize, warmup_steps: u64) -> Result<Option<Self>> {
        let centre = |image: &Image| {
            let (height, width, _) = image.dim();
            let part = crop(image, height.saturating_sub(size) / 2, width.saturating_sub(size) / 2, size, size)?;
            Ok(row_major(&part).into_owned())
        };
        let images = images.iter().take(IMAGES).map(centre).collect::<Result<Vec<_>>>()?;
        let (shape, deviation) = (Shape::new(&[1, size, size, 3])?, deviation(&images));
        Ok((deviation >= UNIFORM).then_some(Self { shape, images, deviation, warmup_steps }))
    }

    /// Looks at the output of the weights that the run would save now. Does nothing between the steps for that.
    fn look<B: Backend>(&self, trainer: &Trainer<B>) -> Result<Option<WarningEntry>> {
        let step = trainer.step();
        if !step.is_multiple_of(LOOK_EVERY) || step <= self.warmup_steps {
            return Ok(None);
        }
        let output = |image: &Vec<f32>| trainer.weights().infer(trainer.backend(), self.shape, image);
        let found = deviation(&self.images.iter().map(output).collect::<Result<Vec<_>>>()?);
        log::debug!("step {step}: standard deviation of the output {found}, of the images {}", self.deviation);
        Ok((found < CONSTANT * self.deviation).then(|| self.constant_output(step, found)))
    }

    fn constant_output(&self, step: u64, found: f64) -> WarningEntry {
        let message = format!(
            "step {step}: the output is nearly constant: its standard deviation over the pixels of {} training images is {found:.2e}, \
             {:.1} % of that of the images; the training has probably collapsed, and a lower train.learning_rate or another seed may help",
            self.images.len(),
            100.0 * found / self.deviation
        );
        WarningEntry { step, warning: WarningKind::ConstantOutput, value: found, reference: self.deviation, message }
    }
}

/// Standard deviation over the pixels of all images, each channel around its own mean. The channels are interleaved.
fn deviation(images: &[Vec<f32>]) -> f64 {
    let channel = |channel: usize| {
        let values = || images.iter().flat_map(move |image| image.iter().skip(channel).step_by(3)).map(|&value| f64::from(value));
        let count = values().count().max(1) as f64;
        let mean = values().sum::<f64>() / count;
        values().map(|value| (value - mean).powi(2)).sum::<f64>() / count
    };
    ((0..3).map(channel).sum::<f64>() / 3.0).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    fn entry(step: u64, loss: f64) -> LogEntry {
        serde_json::from_str(&format!(r#"{{"step":{step},"loss":{loss},"rate":0.1,"images_per_second":1.0}}"#)).unwrap()
    }

    /// The steps with a warning about these losses.
    fn warned(losses: impl IntoIterator<Item = f64>) -> Vec<u64> {
        let mut level = LossLevel::default();
        (1..).zip(losses).filter_map(|(step, loss)| Some(level.add(&entry(step, loss))?.step)).collect()
    }

    /// A falling loss whose logarithm scatters with standard deviation `scatter`.
    fn healthy(steps: u32, scatter: f64) -> Vec<f64> {
        let noise = |step| (scatter * Stream::new(3, Purpose::Test, step, 0).normal()).exp();
        (1..=steps).map(|step| (0.002 + 0.2 / f64::from(step)) * noise(step)).collect()
    }

    #[test]
    fn a_scattering_loss_that_falls_or_stays_gives_no_warning() {
        for scatter in [0.0, 0.3, 1.0] {
            assert!(warned(healthy(20_000, scatter)).is_empty(), "{scatter}");
        }
        // One bad batch, or half a window of them, is not a level.
        let mut losses = healthy(2000, 0.3);
        losses[1000..1049].iter_mut().for_each(|loss| *loss *= 1000.0);
        assert!(warned(losses).is_empty());
        assert!(warned((0..500).map(|step| 1e-9 * f64::from(step))).is_empty(), "all of these losses are negligible");
    }

    #[test]
    fn a_loss_that_stays_high_gives_one_warning_until_it_has_recovered() {
        let mut losses = healthy(3000, 0.3);
        losses[1000..1500].iter_mut().for_each(|loss| *loss *= 8.0);
        losses[2000..].iter_mut().for_each(|loss| *loss *= 8.0);
        let found = warned(losses);
        assert!(found.len() == 2 && (1045..1100).contains(&found[0]) && (2045..2100).contains(&found[1]), "{found:?}");
        // From the start on: against the first losses.
        let found = warned((0..200).map(|step| if step < 20 { 0.1 } else { 1.0 }));
        assert!(found == [100], "{found:?}");
    }

    #[test]
    fn a_resumed_run_warns_as_one_that_was_not_interrupted() {
        let mut losses = healthy(1200, 0.3);
        losses[700..].iter_mut().for_each(|loss| *loss *= 20.0);
        let whole = warned(losses.clone());
        let images = [Image::zeros((8, 8, 3))];
        let mut config = Config::default();
        config.data.size = 8;
        let mut resumed = EarlyWarning::new(&config, &images).unwrap();
        (1..=730).zip(&losses).for_each(|(step, &loss)| resumed.earlier(&LogLine::Step(entry(step, loss))));
        assert!(resumed.output.is_none(), "uniform images");
        let found: Vec<u64> =
            (731..).zip(&losses[730..]).filter_map(|(step, &loss)| Some(resumed.loss.add(&entry(step, loss))?.step)).collect();
        assert!(whole.len() == 1 && found == whole, "{whole:?} {found:?}");
    }

    #[test]
    fn the_sentence_states_the_numbers() {
        let warning = rising_loss(812, 0.31, (0.05, 540));
        let text = "step 812: the loss (median of 100 steps) is 3.100e-1, 6.2 times its lowest level of 5.000e-2 at step 540; ";
        assert!(warning.message.starts_with(text), "{}", warning.message);
        assert_eq!((warning.value, warning.reference), (0.31, 0.05));
    }

    #[test]
    fn the_deviation_is_over_pixels_and_images_but_not_over_channels() {
        assert_eq!(deviation(&[vec![0.1, 0.5, 0.9, 0.1, 0.5, 0.9], vec![0.1, 0.5, 0.9]]), 0.0);
        // Red is 0, 0, 1, 1 around 0.5; green and blue do not vary.
        let found = deviation(&[vec![0.0, 0.3, 0.3, 0.0, 0.3, 0.3], vec![1.0, 0.3, 0.3, 1.0, 0.3, 0.3]]);
        assert!((found - (0.25_f64 / 3.0).sqrt()).abs() < 1e-7, "{found}");
    }
}
