//! The configs of `paper/configs`, which are part of the program.

use std::path::{Path, PathBuf};

use crate::disk::bounded;
use crate::error::Result;
use crate::run::Config;

/// What all categories share, unless the user gives another base.
const BASE: &str = include_str!("../../../paper/configs/base.toml");

/// What a category has over the base.
const OWN: [(&str, &str); 18] = [
    ("bottle", include_str!("../../../paper/configs/bottle.toml")),
    ("cable", include_str!("../../../paper/configs/cable.toml")),
    ("capsule", include_str!("../../../paper/configs/capsule.toml")),
    ("carpet", include_str!("../../../paper/configs/carpet.toml")),
    ("fabric", include_str!("../../../paper/configs/fabric.toml")),
    ("glassfiber", include_str!("../../../paper/configs/glassfiber.toml")),
    ("grid", include_str!("../../../paper/configs/grid.toml")),
    ("hazelnut", include_str!("../../../paper/configs/hazelnut.toml")),
    ("leather", include_str!("../../../paper/configs/leather.toml")),
    ("magnetic_tile", include_str!("../../../paper/configs/magnetic_tile.toml")),
    ("metal_nut", include_str!("../../../paper/configs/metal_nut.toml")),
    ("pill", include_str!("../../../paper/configs/pill.toml")),
    ("screw", include_str!("../../../paper/configs/screw.toml")),
    ("tile", include_str!("../../../paper/configs/tile.toml")),
    ("toothbrush", include_str!("../../../paper/configs/toothbrush.toml")),
    ("transistor", include_str!("../../../paper/configs/transistor.toml")),
    ("wood", include_str!("../../../paper/configs/wood.toml")),
    ("zipper", include_str!("../../../paper/configs/zipper.toml")),
];

/// Texts of config files with their names; later ones override earlier ones.
type Layers = Vec<(PathBuf, String)>;

/// The base config, and the configs of categories over it.
#[derive(Clone, Debug)]
pub struct Configs {
    base: Layers,
    steps: Option<u64>,
}

impl Configs {
    /// The base from these files, later ones over earlier ones; without any, that of the program. `steps` overrides
    /// `train.steps`.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn new(files: &[PathBuf], steps: Option<u64>) -> Result<Self> {
        let read = |path: &PathBuf| Ok((path.clone(), bounded::read_text(path, bounded::CONFIG)?));
        let base = match files {
            [] => vec![named("base", BASE)],
            files => files.iter().map(read).collect::<Result<_>>()?,
        };
        Ok(Self { base, steps })
    }

    /// The base alone.
    ///
    /// # Errors
    /// As [`Config::read_layers`].
    pub fn base(&self) -> Result<Config> {
        self.complete(&self.base)
    }

    /// The config of a category, with seed 0, and whether it has more than the base.
    ///
    /// # Errors
    /// As [`Config::read_layers`].
    pub fn of(&self, category: &str) -> Result<(Config, bool)> {
        let own = OWN.iter().find(|(name, _)| *name == category).map(|(name, text)| named(name, text));
        let is_own = own.is_some();
        let layers: Layers = self.base.iter().cloned().chain(own).collect();
        Ok((self.complete(&layers)?, is_own))
    }

    fn complete(&self, layers: &Layers) -> Result<Config> {
        let mut config = Config { seed: 0, ..Config::of_layers(layers)? };
        config.train.steps = self.steps.unwrap_or(config.train.steps);
        config.validate().map(|()| config)
    }
}

/// A file of the program, under the name it has in the source.
fn named(name: &str, text: &str) -> (PathBuf, String) {
    (Path::new("paper/configs").join(format!("{name}.toml")), text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_part_of_the_program_and_valid() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("paper/configs");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| !["base", "paper"].contains(&name.as_str()))
            .collect();
        names.sort();
        assert_eq!(names, OWN.map(|(name, _)| name));
        let configs = Configs::new(&[], None).unwrap();
        for name in names {
            let (_, is_own) = configs.of(&name).unwrap();
            assert!(is_own, "{name}");
        }
        let (unknown, is_own) = configs.of("peanut").unwrap();
        assert!(!is_own);
        assert_eq!(unknown, configs.base().unwrap());
    }

    #[test]
    fn the_config_in_the_form_of_the_paper_is_the_default() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("paper/configs/paper.toml");
        assert_eq!(Config::read(&path).unwrap(), Config::default());
    }

    /// Textures are flipped and turned, four objects are rotated a little, and nothing else is augmented; a category changes
    /// nothing else of the base but how images are fitted.
    #[test]
    fn categories_differ_from_the_base_in_augmentation_and_fit_only() {
        let configs = Configs::new(&[], None).unwrap();
        let base = configs.base().unwrap();
        let textures = ["carpet", "grid", "leather", "tile", "wood"];
        for (name, text) in OWN {
            let (mut config, _) = configs.of(name).unwrap();
            let augment = &config.augment;
            let mirrored = [augment.flip_horizontal, augment.flip_vertical];
            let rotation = if ["bottle", "hazelnut", "metal_nut", "screw"].contains(&name) { 5.0 } else { 0.0 };
            assert_eq!(f64::from(augment.rotation), rotation, "{name}");
            assert_eq!(mirrored, [textures.contains(&name) || name == "fabric"; 2], "{name}");
            assert_eq!(augment.quarter_turns, textures.contains(&name), "{name}");
            config.augment = base.augment.clone();
            config.data.fit = base.data.fit;
            assert_eq!(config, base, "{name}");
            let reasons: Vec<&str> = text.lines().filter(|line| line.starts_with("# ") && !line.contains("on top of")).collect();
            assert!(reasons.iter().any(|line| line.len() > 20), "{name} gives no reason: {reasons:?}");
        }
    }

    #[test]
    fn steps_override_the_base() {
        let configs = Configs::new(&[], Some(7)).unwrap();
        assert_eq!([configs.base().unwrap().train.steps, configs.of("bottle").unwrap().0.train.steps], [7, 7]);
        let error = Configs::new(&[], Some(0)).unwrap().base().unwrap_err().to_string();
        assert!(error.contains("`train.steps`"), "{error}");
    }
}
