use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::Architecture;
use crate::ops::{AdamStep, Penalty, check_scales, check_ssim_window};

/// Everything that defines training except the data: network, objective, optimiser.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// The network f.
    pub architecture: Architecture,
    /// The loss L.
    pub objective: ObjectiveConfig,
    /// Adam and its schedule.
    pub optimiser: OptimiserConfig,
    /// Seed of the initial weights.
    pub seed: u64,
}

/// The objective (Method §3): two regions, and optional terms over the whole image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ObjectiveConfig {
    /// λ in [0, 1], the weight of the corrupted region.
    pub lambda: f64,
    /// ρ: `squared` (the paper) or `charbonnier`.
    pub penalty: Penalty,
    /// ε of `charbonnier`, in units of pixel value.
    pub epsilon: f64,
    /// `[objective.ssim]`: structural similarity. Not in the paper.
    pub ssim: SsimConfig,
    /// `[objective.gradient]`: gradient magnitude similarity. Not in the paper.
    pub gradient: GradientConfig,
}

/// Loss term 1 - mean SSIM of output and target, over the whole image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SsimConfig {
    /// Weight of the term; 0 leaves it out.
    pub weight: f64,
    /// Height and width of the Gaussian window in pixels, odd; its standard deviation is 1.5/11 of that.
    pub window: usize,
}

impl Default for SsimConfig {
    fn default() -> Self {
        Self { weight: 0.0, window: 11 }
    }
}

/// Loss term 1 - mean multi-scale gradient magnitude similarity of output and target, over the whole image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GradientConfig {
    /// Weight of the term; 0 leaves it out.
    pub weight: f64,
    /// Number of scales; each halves the one before.
    pub scales: u32,
}

impl Default for GradientConfig {
    fn default() -> Self {
        Self { weight: 0.0, scales: 4 }
    }
}

impl Default for ObjectiveConfig {
    fn default() -> Self {
        Self {
            lambda: 0.5,
            penalty: Penalty::Squared,
            epsilon: 0.05,
            ssim: SsimConfig::default(),
            gradient: GradientConfig::default(),
        }
    }
}

impl ObjectiveConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// λ outside [0, 1]; ε not above 0; a weight that is negative or above 1000; a window or a number of scales outside its
    /// range.
    pub fn validate(&self) -> Result<()> {
        in_range("objective.lambda", self.lambda, 0.0..=1.0)?;
        in_range("objective.epsilon", self.epsilon, f64::MIN_POSITIVE..=1.0)?;
        in_range("objective.ssim.weight", self.ssim.weight, 0.0..=1e3)?;
        check_ssim_window("objective.ssim.window", self.ssim.window)?;
        in_range("objective.gradient.weight", self.gradient.weight, 0.0..=1e3)?;
        check_scales("objective.gradient.scales", self.gradient.scales)
    }
}

/// Adam (Kingma and Ba 2015) with linear warm-up, cosine decay, and a moving average of the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OptimiserConfig {
    /// Optimiser steps of the whole run; the schedule ends there.
    pub steps: u64,
    /// Images per step.
    pub batch: usize,
    /// Learning rate after warm-up.
    #[serde(alias = "rate")]
    pub learning_rate: f64,
    /// Steps of linear warm-up.
    #[serde(alias = "warmup")]
    pub warmup_steps: u64,
    /// Learning rate at the last step, as a fraction of `learning_rate`.
    #[serde(alias = "final_fraction")]
    pub final_lr_fraction: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decay of the exponential moving average (EMA) of the weights; 0 for no average. The average is what is saved and used.
    #[serde(alias = "average")]
    pub ema_decay: f64,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            steps: 2000,
            batch: 8,
            learning_rate: 1e-3,
            warmup_steps: 50,
            final_lr_fraction: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            ema_decay: 0.99,
        }
    }
}

impl OptimiserConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn validate(&self) -> Result<()> {
        if self.steps == 0 || self.steps > u64::from(u32::MAX) {
            return Err(Error::config("train.steps", format!("must be 1 to {}, got {}", u32::MAX, self.steps)));
        }
        if !(1..=65_535).contains(&self.batch) {
            return Err(Error::config("train.batch", format!("must be 1 to 65535, got {}", self.batch)));
        }
        in_range("train.learning_rate", self.learning_rate, f64::MIN_POSITIVE..=1e3)?;
        in_range("train.final_lr_fraction", self.final_lr_fraction, 0.0..=1.0)?;
        in_range("train.beta1", self.beta1, 0.0..=0.999_999)?;
        in_range("train.beta2", self.beta2, 0.0..=0.999_999_999)?;
        in_range("train.epsilon", self.epsilon, f64::MIN_POSITIVE..=1.0)?;
        in_range("train.ema_decay", self.ema_decay, 0.0..=0.999_999)
    }

    /// Learning rate of `step`, counted from 1: linear over the warm-up, then half a cosine down to `final_lr_fraction`.
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        if step <= self.warmup_steps {
            return self.learning_rate * step as f64 / self.warmup_steps as f64;
        }
        let length = self.steps.saturating_sub(self.warmup_steps).max(1) as f64;
        let progress = ((step - self.warmup_steps) as f64 / length).min(1.0);
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        self.learning_rate * (self.final_lr_fraction + (1.0 - self.final_lr_fraction) * cosine)
    }

    /// The values that change from step to step. Early on the EMA decay is at most `(1 + t) / (10 + t)`, so that the average
    /// soon forgets the random initial weights.
    pub(super) fn constants(&self, step: u64) -> AdamStep {
        let t = step as f64;
        AdamStep {
            rate: self.learning_rate_at(step),
            correction1: 1.0 - self.beta1.powf(t),
            correction2: 1.0 - self.beta2.powf(t),
            decay: self.ema_decay.min((1.0 + t) / (10.0 + t)),
        }
    }
}

fn in_range(key: &str, value: f64, range: std::ops::RangeInclusive<f64>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let low = if *range.start() == f64::MIN_POSITIVE { "above 0".into() } else { range.start().to_string() };
    Err(Error::config(key, format!("must be {low} to {}, got {value}", range.end())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_warms_up_and_decays_to_its_final_fraction() {
        let config =
            OptimiserConfig { steps: 100, warmup_steps: 10, learning_rate: 1.0, final_lr_fraction: 0.1, ..Default::default() };
        assert!((config.learning_rate_at(1) - 0.1).abs() < 1e-12 && (config.learning_rate_at(10) - 1.0).abs() < 1e-12);
        assert!((config.learning_rate_at(55) - 0.55).abs() < 1e-12, "halfway between 1 and 0.1");
        assert!((config.learning_rate_at(100) - 0.1).abs() < 1e-12 && (config.learning_rate_at(200) - 0.1).abs() < 1e-12);
        assert!((10..100).all(|step| config.learning_rate_at(step + 1) < config.learning_rate_at(step)));
    }

    #[test]
    fn values_outside_their_range_name_their_key() {
        let bad = OptimiserConfig { learning_rate: f64::NAN, ..Default::default() };
        assert!(bad.validate().unwrap_err().to_string().contains("train.learning_rate"));
        let ssim = |weight, window| ObjectiveConfig { ssim: SsimConfig { weight, window }, ..Default::default() };
        let gradient = |weight, scales| ObjectiveConfig { gradient: GradientConfig { weight, scales }, ..Default::default() };
        for (bad, key) in [
            (ObjectiveConfig { lambda: 1.5, ..Default::default() }, "objective.lambda"),
            (ssim(-0.1, 11), "objective.ssim.weight"),
            (ssim(f64::NAN, 11), "objective.ssim.weight"),
            (ssim(1.0, 4), "objective.ssim.window"),
            (ssim(0.0, 1), "objective.ssim.window"),
            (ssim(1.0, 33), "objective.ssim.window"),
            (gradient(1001.0, 1), "objective.gradient.weight"),
            (gradient(1.0, 0), "objective.gradient.scales"),
            (gradient(1.0, 9), "objective.gradient.scales"),
        ] {
            assert!(bad.validate().unwrap_err().to_string().contains(&format!("`{key}`")), "{key}");
        }
    }
}
