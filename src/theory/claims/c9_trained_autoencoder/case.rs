//! What the pictures show, and which network sees them.

use std::sync::Arc;

use serde::Deserialize;

use super::registration::{NetworkBudget, Registration};
use crate::data::corruption::{CorruptionConfig, Patches};
use crate::error::Result;
use crate::model::Architecture;
use crate::theory::manifold::{Gratings, Manifold, Rendered};
use crate::theory::pictures::{Layout, Pictures};
use crate::theory::robust_fit::AffineSpace;
use crate::train::{ObjectiveConfig, OptimiserConfig, Recipe};

/// Number of gratings in one picture.
const WAVES: usize = 2;

/// What the pictures show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum World {
    Gratings,
    Disks,
    Bars,
}

impl World {
    pub(super) const ALL: [Self; 3] = [Self::Gratings, Self::Disks, Self::Bars];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gratings => "gratings",
            Self::Disks => "disks",
            Self::Bars => "bars",
        }
    }

    /// D as grey pictures, and its affine hull where that is small.
    pub(super) fn manifold(self, side: usize, amplitude: f64) -> Result<(Arc<dyn Manifold>, Option<AffineSpace>)> {
        Ok(match self {
            Self::Gratings => {
                let gratings = Gratings::standard_of(side, WAVES, amplitude / WAVES as f64)?;
                let hull = gratings.hull()?;
                (Arc::new(gratings), Some(hull))
            }
            Self::Disks => (Arc::new(Rendered::disk(side)?), None),
            Self::Bars => (Arc::new(Rendered::bar(side)?), None),
        })
    }
}

/// The kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Kind {
    #[serde(rename = "mlp")]
    Mlp,
    #[serde(rename = "model-1")]
    ModelI,
    #[serde(rename = "model-2")]
    ModelII,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mlp => "MLP",
            Self::ModelI => "Model I",
            Self::ModelII => "Model II",
        }
    }

    /// The layout of its input: grey for the fully connected network, RGB for Models I and II.
    pub(super) fn layout(self) -> Layout {
        if self == Self::Mlp { Layout::Grey } else { Layout::Rgb }
    }
}

/// A network on the pictures of a world.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Case {
    pub(super) world: World,
    pub(super) budget: NetworkBudget,
}

impl Case {
    /// e.g. `gratings 16x16, MLP`.
    pub(super) fn name(&self) -> String {
        let NetworkBudget { kind, side, .. } = self.budget;
        format!("{} {side}x{side}, {}", self.world.name(), kind.name())
    }

    /// A name for files, e.g. `gratings-16-ModelI`.
    pub(super) fn key(&self) -> String {
        format!("{}-{}-{:?}", self.world.name(), self.budget.side, self.budget.kind)
    }

    fn architecture(&self) -> Result<Architecture> {
        let NetworkBudget { kind, side, hidden, width, .. } = &self.budget;
        match kind {
            Kind::Mlp => Architecture::mlp(side * side, hidden),
            Kind::ModelI => Architecture::autoencoder(1, *width),
            Kind::ModelII => Architecture::autoencoder(2, *width),
        }
    }

    /// The pictures of training, with a share of clean ones.
    pub(super) fn training_pictures(&self, registration: &Registration, seed: u64) -> Result<Pictures> {
        self.pictures(registration, self.budget.kind.layout(), corruption(registration.pictures.clean), seed)
    }

    /// Pictures of which every one is corrupted.
    pub(super) fn corrupted_pictures(&self, registration: &Registration, layout: Layout, seed: u64) -> Result<Pictures> {
        self.pictures(registration, layout, corruption(0.0), seed)
    }

    fn pictures(&self, registration: &Registration, layout: Layout, corruption: CorruptionConfig, seed: u64) -> Result<Pictures> {
        let (grey, _) = self.world.manifold(self.budget.side, registration.pictures.amplitude)?;
        Pictures::new(grey, self.budget.side, layout, Some(corruption), seed)
    }

    pub(super) fn recipe(&self, registration: &Registration, seed: u64) -> Result<Recipe> {
        let NetworkBudget { steps, batch, learning_rate, .. } = self.budget;
        Ok(Recipe {
            architecture: self.architecture()?,
            objective: ObjectiveConfig { lambda: registration.training.lambda, ..ObjectiveConfig::default() },
            optimiser: OptimiserConfig { steps, batch, learning_rate, beta2: 0.99, ..OptimiserConfig::default() },
            seed,
        })
    }
}

/// The corruption of Method §2 with one or two patches, so that most of an image is kept; without the source "noise", so that
/// white noise is new to the network; and with smooth outlines, which small images resolve. Every changed pixel belongs to the
/// region.
fn corruption(clean: f32) -> CorruptionConfig {
    let patches = Patches { min: 1, max: 2 };
    let mut config = CorruptionConfig { clean, region_threshold: 0.0, patches, ..CorruptionConfig::default() };
    config.weights.noise = 0.0;
    config.deformation.smoothing = 1.0;
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::claim::{Effort, Setting};

    #[test]
    fn every_case_occurs_once() {
        let registration = Registration::of(&Setting::new(0, Effort::Full).unwrap()).unwrap();
        let full = registration.cases(Effort::Full);
        assert_eq!(full.len(), 12);
        let keys: std::collections::HashSet<String> = full.iter().map(Case::key).collect();
        assert_eq!(keys.len(), 12);
        assert_eq!((full[0].name().as_str(), full[11].key().as_str()), ("gratings 16x16, MLP", "bars-32-ModelII"));
        let quick = Registration::of(&Setting::new(0, Effort::Quick).unwrap()).unwrap();
        assert_eq!(quick.cases(Effort::Quick).iter().map(Case::key).collect::<Vec<_>>(), ["gratings-16-Mlp"]);
    }

    #[test]
    fn corrupted_pictures_are_all_corrupted_and_others_not() {
        let registration = Registration::of(&Setting::new(3, Effort::Quick).unwrap()).unwrap();
        let case = &registration.cases(Effort::Quick)[0];
        let share = |pictures: Pictures| {
            let samples = pictures.samples(400).unwrap();
            samples.iter().filter(|sample| sample.corrupted == sample.target).count() as f64 / 400.0
        };
        assert_eq!(share(case.corrupted_pictures(&registration, Layout::Grey, 3).unwrap()), 0.0);
        let clean = share(case.training_pictures(&registration, 3).unwrap());
        assert!((clean - 0.15).abs() < 0.06, "{clean}");
    }
}
