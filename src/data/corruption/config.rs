use super::options::{Colours, Foreground, KeptNoise, RegionWeight, Seamless, Shape};
use super::range::{check, check_range};
use super::source::Source;
use crate::data::Image;
use crate::error::{Error, Result};
use ndarray::Axis;
use serde::{Deserialize, Serialize};

/// How images are corrupted: table `[corruption]` of the config. Missing keys take their defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CorruptionConfig {
    /// Fraction of the images that get no patch, in [0, 1].
    pub clean: f32,
    /// Number of patches in one image.
    pub patches: Patches,
    /// Side of a patch.
    pub size: Size,
    /// Height over width of a patch.
    pub aspect: Aspect,
    /// Weights of the replacement sources.
    pub weights: Weights,
    /// Faint corruptions.
    pub blend: Blend,
    /// Fading boundary of the mask.
    pub softness: Softness,
    /// Elastic distortion of the mask.
    pub deformation: Deformation,
    /// A pixel belongs to the corrupted region (`M` of Method §3) where the soft mask exceeds this, in [0, 1).
    pub region_threshold: f32,
    /// Noise in input and target.
    pub kept_noise: KeptNoise,
    /// Shapes other than the deformed disk.
    pub shape: Shape,
    /// Weight of a corrupted pixel in the objective.
    pub region_weight: RegionWeight,
    /// Patches on the object only.
    pub foreground: Foreground,
    /// Scale of the patches of the source `seamless`.
    pub seamless: Seamless,
    /// Whether patches may be coloured.
    pub colours: Colours,
}

/// Number of patches in one image, uniform in [min, max], both included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Patches {
    /// Minimum; with 0 some images stay uncorrupted.
    pub min: u32,
    /// Maximum, at most [`Patches::LIMIT`].
    pub max: u32,
}

/// Geometric mean of the height and width of a patch, as a fraction of the image's smaller side, in (0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Size {
    /// Smallest.
    pub min: f32,
    /// Largest.
    pub max: f32,
    /// Distribution over [min, max).
    pub distribution: Distribution,
    /// Largest height of a patch, as a fraction of the image's height, in (0, 1]; 0 for no bound.
    pub max_height: f32,
    /// Largest width of a patch, as a fraction of the image's width, in (0, 1]; 0 for no bound.
    pub max_width: f32,
}

/// Distribution of a positive number over [min, max).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum Distribution {
    /// Log-uniform: as many patches of 6 to 12 pixels as of 24 to 48.
    LogUniform = 0,
    /// Uniform.
    Uniform = 1,
    /// For sizes only, as in NSA: height and width are independent, each `0.06 + Gamma(2, 0.1)` clipped to [min, max], as a
    /// fraction of the image's side along the same axis. The aspect ratio is not used.
    Gamma = 2,
}

/// Height over width, log-uniform in [min, max), in [0.1, 10].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Aspect {
    /// Flattest.
    pub min: f32,
    /// Tallest.
    pub max: f32,
}

/// Relative weights of the replacement sources; they need not sum to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weights {
    /// See [`Source::Texture`].
    pub texture: f32,
    /// See [`Source::OtherImage`].
    pub other_image: f32,
    /// See [`Source::Constant`].
    pub constant: f32,
    /// See [`Source::Brightness`].
    pub brightness: f32,
    /// See [`Source::Noise`].
    pub noise: f32,
    /// See [`Source::Elastic`].
    pub elastic: f32,
    /// See [`Source::Structure`].
    pub structure: f32,
    /// See [`Source::Seamless`].
    pub seamless: f32,
}

/// A patch is faint with `probability`: `y := a y + (1 - a) x`, with opacity a in [min, max), in (0, 1]. With probability 1 every
/// patch has a random opacity, as in DRAEM; with max = 1 some of them are nearly opaque.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Blend {
    /// In [0, 1].
    pub probability: f32,
    /// Faintest.
    pub min: f32,
    /// Most opaque.
    pub max: f32,
    /// Distribution over [min, max).
    pub distribution: Distribution,
}

/// Width of the mask's fading boundary relative to the radius of its disk, uniform in [min, max), in [0, 1]. 0 is a hard edge; 1
/// fades from the centre outwards.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Softness {
    /// Hardest.
    pub min: f32,
    /// Softest.
    pub max: f32,
}

/// Random displacement field of the mask. Lengths are relative to half the patch's side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Deformation {
    /// Weakest: standard deviation of the displacement, uniform in [min, max), in [0, 1]. 0 leaves the disk round.
    pub min: f32,
    /// Strongest.
    pub max: f32,
    /// Standard deviation σ of the Gaussian that smooths the field, in [0.05, 10].
    pub smoothing: f32,
}

impl Default for CorruptionConfig {
    fn default() -> Self {
        Self {
            clean: 0.0,
            patches: Patches::default(),
            size: Size::default(),
            aspect: Aspect::default(),
            weights: Weights::default(),
            blend: Blend::default(),
            softness: Softness::default(),
            deformation: Deformation::default(),
            region_threshold: 0.05,
            kept_noise: KeptNoise::default(),
            shape: Shape::default(),
            region_weight: RegionWeight::default(),
            foreground: Foreground::default(),
            seamless: Seamless::default(),
            colours: Colours::Auto,
        }
    }
}

impl Default for Patches {
    fn default() -> Self {
        Self { min: 1, max: 6 }
    }
}

impl Default for Size {
    fn default() -> Self {
        Self { min: 0.05, max: 0.7, distribution: Distribution::LogUniform, max_height: 0.0, max_width: 0.0 }
    }
}

impl Default for Aspect {
    fn default() -> Self {
        Self { min: 0.4, max: 2.5 }
    }
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            texture: 0.4,
            other_image: 0.2,
            constant: 0.2,
            brightness: 0.2,
            noise: 0.1,
            elastic: 0.1,
            structure: 0.0,
            seamless: 0.0,
        }
    }
}

impl Default for Blend {
    fn default() -> Self {
        Self { probability: 0.5, min: 0.1, max: 0.6, distribution: Distribution::Uniform }
    }
}

impl Default for Softness {
    fn default() -> Self {
        Self { min: 0.15, max: 0.7 }
    }
}

impl Default for Deformation {
    fn default() -> Self {
        Self { min: 0.05, max: 0.25, smoothing: 0.3 }
    }
}

impl Patches {
    /// Maximum number of patches in one image.
    pub const LIMIT: u32 = 1000;
}

impl Weights {
    /// The weight of `source`.
    pub fn of(&self, source: Source) -> f32 {
        match source {
            Source::Texture => self.texture,
            Source::OtherImage => self.other_image,
            Source::Constant => self.constant,
            Source::Brightness => self.brightness,
            Source::Noise => self.noise,
            Source::Elastic => self.elastic,
            Source::Structure => self.structure,
            Source::Seamless => self.seamless,
        }
    }

    fn validate(&self) -> Result<()> {
        for source in Source::ALL {
            let key = format!("corruption.weights.{}", source.key());
            let weight = self.of(source);
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Error::config(key, format!("a weight is a number from 0 up, this is {weight}")));
            }
        }
        let total: f32 = Source::ALL.iter().map(|&source| self.of(source)).sum();
        if !(total.is_finite() && total > 0.0) {
            return Err(Error::config(
                "corruption.weights",
                format!("the weights sum to {total}, they need a finite sum above 0"),
            ));
        }
        Ok(())
    }
}

impl CorruptionConfig {
    /// The same for these training images: [`Colours::Auto`] becomes [`Colours::Grey`] if all pixels of all images are grey, else
    /// [`Colours::Any`].
    pub fn for_images(&self, images: &[Image]) -> Self {
        let is_grey = |image: &Image| image.lanes(Axis(2)).into_iter().all(|pixel| pixel.iter().all(|value| *value == pixel[0]));
        let colours = match self.colours {
            Colours::Auto if !images.is_empty() && images.iter().all(is_grey) => Colours::Grey,
            Colours::Auto => Colours::Any,
            chosen => chosen,
        };
        Self { colours, ..self.clone() }
    }

    /// Whether patches are grey.
    pub fn is_grey(&self) -> bool {
        self.colours == Colours::Grey
    }

    /// Checks every value against its domain.
    ///
    /// # Errors
    /// [`Error::Config`] with the dotted key of the first value outside its domain, e.g. `corruption.patches.min`.
    pub fn validate(&self) -> Result<()> {
        let Patches { min, max } = self.patches;
        if max > Patches::LIMIT {
            return Err(Error::config("corruption.patches.max", format!("{max} exceeds the limit of {}", Patches::LIMIT)));
        }
        if min > max {
            return Err(Error::config("corruption.patches.min", format!("{min} exceeds patches.max {max}")));
        }
        check_range("size", self.size.min, self.size.max, [1e-3, 1.0])?;
        check("size.max_height", self.size.max_height, [0.0, 1.0])?;
        check("size.max_width", self.size.max_width, [0.0, 1.0])?;
        check_range("aspect", self.aspect.min, self.aspect.max, [0.1, 10.0])?;
        self.weights.validate()?;
        check("blend.probability", self.blend.probability, [0.0, 1.0])?;
        check_range("blend", self.blend.min, self.blend.max, [1e-3, 1.0])?;
        if self.blend.distribution == Distribution::Gamma {
            return Err(Error::config("corruption.blend.distribution", "gamma is a distribution of sizes, not of opacities"));
        }
        check_range("softness", self.softness.min, self.softness.max, [0.0, 1.0])?;
        check_range("deformation", self.deformation.min, self.deformation.max, [0.0, 1.0])?;
        check("deformation.smoothing", self.deformation.smoothing, [0.05, 10.0])?;
        check_range("kept_noise", self.kept_noise.min, self.kept_noise.max, [0.0, 1.0])?;
        self.shape.validate()?;
        self.region_weight.validate()?;
        self.foreground.validate()?;
        check_range("seamless", self.seamless.min, self.seamless.max, [0.25, 4.0])?;
        check("clean", self.clean, [0.0, 1.0])?;
        check("region_threshold", self.region_threshold, [0.0, 0.999])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_valid_and_round_trips_through_toml() {
        let config = CorruptionConfig::default();
        config.validate().unwrap();
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<CorruptionConfig>(&text).unwrap(), config);
        assert_eq!(toml::from_str::<CorruptionConfig>("").unwrap(), config);
    }

    #[test]
    fn missing_keys_take_their_defaults() {
        let config: CorruptionConfig =
            toml::from_str("region_threshold = 0.2\n[patches]\nmax = 9\n[size]\ndistribution = 'uniform'").unwrap();
        let mut expected = CorruptionConfig { region_threshold: 0.2, ..CorruptionConfig::default() };
        expected.patches.max = 9;
        expected.size.distribution = Distribution::Uniform;
        assert_eq!(config, expected);
    }

    #[test]
    fn errors_name_the_key_of_a_bad_value() {
        for (text, key) in [
            ("patches = { min = 7 }", "patches.min"),
            ("patches = { max = 1001 }", "patches.max"),
            ("size = { min = 0.0 }", "size.min"),
            ("size = { max = 1.5 }", "size.max"),
            ("size = { min = 0.5, max = 0.4 }", "size.min"),
            ("aspect = { max = 11.0 }", "aspect.max"),
            ("weights = { noise = -0.1 }", "weights.noise"),
            ("weights = { other_image = inf }", "weights.other_image"),
            ("weights = { texture = 0, other_image = 0, constant = 0, brightness = 0, noise = 0, elastic = 0 }", "weights"),
            ("weights = { structure = -1 }", "weights.structure"),
            ("size = { max_height = 1.1 }", "size.max_height"),
            ("size = { max_width = -0.1 }", "size.max_width"),
            ("blend = { distribution = 'gamma' }", "blend.distribution"),
            ("blend = { probability = 1.1 }", "blend.probability"),
            ("blend = { min = 0.0 }", "blend.min"),
            ("softness = { min = nan }", "softness.min"),
            ("softness = { max = 1.01 }", "softness.max"),
            ("deformation = { max = 2.0 }", "deformation.max"),
            ("deformation = { smoothing = 0.0 }", "deformation.smoothing"),
            ("region_threshold = 1.0", "region_threshold"),
            ("clean = 1.5", "clean"),
            ("kept_noise = { min = -0.1 }", "kept_noise.min"),
            ("kept_noise = { min = 0.2, max = 0.1 }", "kept_noise.min"),
            ("shape = { perlin = 1.5 }", "shape.perlin"),
            ("shape = { union = -0.1 }", "shape.union"),
            ("shape = { intersection = nan }", "shape.intersection"),
            ("shape = { union = 0.6, intersection = 0.5 }", "shape.intersection"),
            ("shape = { cells = 12 }", "shape.cells"),
            ("shape = { cells = 128 }", "shape.cells"),
            ("shape = { threshold = 0.95 }", "shape.threshold"),
            ("seamless = { min = 0.1 }", "seamless.min"),
            ("seamless = { min = 2, max = 1 }", "seamless.min"),
            ("weights = { seamless = nan }", "weights.seamless"),
            ("foreground = { threshold = 1.0 }", "foreground.threshold"),
            ("region_weight = { slope = -1 }", "region_weight.slope"),
            ("region_weight = { midpoint = 256 }", "region_weight.midpoint"),
        ] {
            let config: CorruptionConfig = toml::from_str(text).unwrap();
            match config.validate() {
                Err(Error::Config { key: named, .. }) => assert_eq!(named, format!("corruption.{key}"), "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
