//! The trainings: images, network, and budget.

use std::sync::Arc;

use crate::data::corruption::{CorruptionConfig, Patches};
use crate::error::Result;
use crate::model::Architecture;
use crate::theory::claim::{Effort, Setting};
use crate::theory::manifold::{Gratings, Manifold, Rendered};
use crate::theory::pictures::{Layout, Pictures};
use crate::train::{ObjectiveConfig, OptimiserConfig, Recipe};

use super::experiment::Experiment;

/// λ, the weight of the corrupted region. Below ½, because the region is harder and would otherwise dominate errors outside it.
const LAMBDA: f64 = 0.2;
/// Sides of the images in the full form.
const SIDES: [usize; 3] = [16, 32, 64];

/// What the images show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    fn manifold(self, side: usize) -> Result<Arc<dyn Manifold>> {
        Ok(match self {
            Self::Gratings => Arc::new(Gratings::standard(side, 2)?),
            Self::Disks => Arc::new(Rendered::disk(side)?),
            Self::Bars => Arc::new(Rendered::bar(side)?),
        })
    }
}

/// The kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Net {
    Mlp,
    ModelI,
    ModelII,
}

impl Net {
    pub(super) const ALL: [Self; 3] = [Self::Mlp, Self::ModelI, Self::ModelII];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mlp => "MLP",
            Self::ModelI => "Model I",
            Self::ModelII => "Model II",
        }
    }

    /// The layout of its input: grey for the fully connected network, RGB for Models I and II.
    fn layout(self) -> Layout {
        if self == Self::Mlp { Layout::Grey } else { Layout::Rgb }
    }

    /// The network for images of `side` x `side`: fully connected with ELU, or Model I or II with base width 8.
    fn architecture(self, side: usize) -> Result<Architecture> {
        match self {
            Self::Mlp if side > 16 => Architecture::mlp(side * side, &[128, 256, 128]),
            Self::Mlp => Architecture::mlp(side * side, &[64, 256, 64]),
            Self::ModelI => Architecture::autoencoder(1, 8),
            Self::ModelII => Architecture::autoencoder(2, 8),
        }
    }

    /// Steps, images per step and learning rate: half a minute to three minutes each on one core in the full form. With a higher rate the
    /// MLP at 64 pixels and Model I at 16 (with a bottleneck of 2x2 pixels) may get stuck at the mean image.
    fn budget(self, side: usize, effort: Effort) -> (u64, usize, f64) {
        match (self, side, effort) {
            (Self::Mlp, _, Effort::Quick) => (2000, 64, 8e-3),
            (Self::Mlp, ..=16, _) => (6000, 64, 8e-3),
            (Self::Mlp, ..=32, _) => (6000, 32, 4e-3),
            (Self::Mlp, ..) => (8000, 32, 2e-3),
            (Self::ModelI, ..=16, _) => (6000, 16, 1e-3),
            (Self::ModelI, ..=32, _) => (2500, 8, 2e-3),
            (Self::ModelII, ..=16, _) => (3000, 16, 4e-3),
            (Self::ModelII, ..=32, _) => (3000, 8, 3e-3),
            _ => (1500, 8, 3e-3),
        }
    }
}

/// One training with its control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub world: World,
    pub net: Net,
    pub side: usize,
}

impl Case {
    /// The case of the quick form.
    pub(super) const QUICK: Self = Self { world: World::Gratings, net: Net::Mlp, side: 16 };

    /// All cases of this effort, ordered by world, network and size.
    pub(super) fn all(effort: Effort) -> Vec<Self> {
        let sides = |world, net| SIDES.map(|side| Self { world, net, side });
        match effort {
            Effort::Quick => vec![Self::QUICK],
            Effort::Full => {
                World::ALL.iter().flat_map(|&world| Net::ALL.into_iter().flat_map(move |net| sides(world, net))).collect()
            }
        }
    }

    /// e.g. `gratings, MLP`.
    pub(super) fn subject(&self) -> String {
        format!("{}, {}", self.world.name(), self.net.name())
    }

    /// e.g. `gratings 16x16, MLP`.
    pub(super) fn name(&self) -> String {
        format!("{} {side}x{side}, {}", self.world.name(), self.net.name(), side = self.side)
    }

    pub(super) fn experiment(&self, setting: &Setting) -> Result<Experiment> {
        let (steps, batch, rate) = self.net.budget(self.side, setting.effort());
        let grey = self.world.manifold(self.side)?;
        let pictures = Pictures::new(grey, self.side, self.net.layout(), Some(corruption()), setting.seed())?;
        let recipe = Recipe {
            architecture: self.net.architecture(self.side)?,
            objective: ObjectiveConfig { lambda: LAMBDA, ..ObjectiveConfig::default() },
            optimiser: OptimiserConfig { steps, batch, learning_rate: rate, beta2: 0.99, ..OptimiserConfig::default() },
            seed: setting.seed(),
        };
        Ok(Experiment { pictures, recipe, cpu: setting.cpu()? })
    }
}

/// The corruption of Method §2 with one or two patches, so that most of an image is kept; without the source "noise", so that white noise
/// is new to the network; and with smooth outlines, which small images resolve. Every changed pixel belongs to the region.
fn corruption() -> CorruptionConfig {
    let mut config =
        CorruptionConfig { region_threshold: 0.0, patches: Patches { min: 1, max: 2 }, ..CorruptionConfig::default() };
    config.weights.noise = 0.0;
    config.deformation.smoothing = 1.0;
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_occurs_once() {
        let full = Case::all(Effort::Full);
        assert_eq!((full.len(), Case::all(Effort::Quick).len()), (27, 1));
        assert!(full.iter().enumerate().all(|(index, case)| !full[..index].contains(case)));
        assert_eq!((full[5].name().as_str(), full[26].subject().as_str()), ("gratings 64x64, Model I", "bars, Model II"));
    }
}
