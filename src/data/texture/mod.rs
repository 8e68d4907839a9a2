//! Procedural textures for tests, the demo and small experiments: materials that vary from image to image (position, rotation,
//! light, irregular structure, sensor noise), and defects with exact ground truth.
//!
//! Structures have a fixed size in pixels (a thread about 7, a tile about 25) and suit images of 64 to 256 pixels.

mod cloth;
mod defect;
mod grid;
mod noise;
mod pebbles;
mod scene;
mod tiles;
mod wood;

use std::fmt;
use std::str::FromStr;

pub use defect::{Defect, Defective};

use super::decode::MAX_PIXELS;
use super::image::Image;
use crate::error::{Error, Result};
use crate::rng::Stream;
use crate::shape::in_pixels;
use scene::{Intact, Material, Scene};

/// A kind of material. Its name, as written by `Display`, is its name in configs and folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Plain-woven cloth.
    Cloth,
    /// Perforated metal.
    Grid,
    /// A plank.
    Wood,
    /// Glazed tiles in mortar.
    Tiles,
    /// Pebbles in sand.
    Pebbles,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 5] = [Self::Cloth, Self::Grid, Self::Wood, Self::Tiles, Self::Pebbles];

    /// Name in configs and folders, e.g. `cloth`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cloth => "cloth",
            Self::Grid => "grid",
            Self::Wood => "wood",
            Self::Tiles => "tiles",
            Self::Pebbles => "pebbles",
        }
    }

    /// The defects this material can have.
    pub fn defects(self) -> &'static [Defect] {
        use Defect::{Bend, BrokenBar, Crack, Hole, Knot, MissingStone, MissingThread, MissingTile, Scratch, Stain};
        match self {
            Self::Cloth => &[Bend, Hole, MissingThread, Scratch, Stain],
            Self::Grid => &[Bend, BrokenBar, Scratch, Stain],
            Self::Wood => &[Crack, Hole, Knot, Scratch, Stain],
            Self::Tiles => &[Crack, Hole, MissingTile, Scratch, Stain],
            Self::Pebbles => &[Crack, MissingStone, Scratch, Stain],
        }
    }

    /// A normal image `[height, width, 3]` with values that are multiples of 1/255.
    ///
    /// # Errors
    /// A side of 0, or more than [`MAX_PIXELS`] pixels.
    pub fn render(self, stream: &mut Stream, height: usize, width: usize) -> Result<Image> {
        check_size(height, width, 1)?;
        Ok(self.scene(stream, height, width).render(&Intact))
    }

    /// An image with one defect, the same image without it, and the exact mask.
    ///
    /// # Errors
    /// A defect this material cannot have, a side below 32, or more than [`MAX_PIXELS`] pixels.
    pub fn render_defect(self, defect: Defect, stream: &mut Stream, height: usize, width: usize) -> Result<Defective> {
        check_size(height, width, 32)?;
        if !self.defects().contains(&defect) {
            let known: Vec<&str> = self.defects().iter().map(|defect| defect.name()).collect();
            return Err(Error::argument(format!("{self} has no defect {defect}; it has {}", known.join(", "))));
        }
        defect::draw(defect, stream, |stream| self.scene(stream, height, width))
    }

    fn scene(self, stream: &mut Stream, height: usize, width: usize) -> Scene {
        let (material, degrees): (Box<dyn Material>, f32) = match self {
            Self::Cloth => (Box::new(cloth::Cloth::new(stream)), 4.0),
            Self::Grid => (Box::new(grid::Grid::new(stream)), 3.0),
            Self::Wood => (Box::new(wood::Wood::new(stream)), 4.0),
            Self::Tiles => (Box::new(tiles::Tiles::new(stream)), 3.0),
            Self::Pebbles => (Box::new(pebbles::Pebbles::new(stream)), 180.0),
        };
        Scene::new(material, degrees.to_radians(), height, width, stream)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Family {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|family| family.name() == name);
        found.ok_or_else(|| Error::argument(format!("there is no texture `{name}`; known textures are {}", known())))
    }
}

fn check_size(height: usize, width: usize, min: usize) -> Result<()> {
    let pixels = (height as u64).saturating_mul(width as u64);
    if height < min || width < min || pixels > MAX_PIXELS {
        let size = in_pixels(height, width);
        let text = format!("a texture of {size}: sides must be at least {min}, pixels at most {MAX_PIXELS}");
        return Err(Error::argument(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;
    use ndarray::Axis;

    fn stream(seed: u64) -> Stream {
        Stream::new(seed, Purpose::Test, 0, 0)
    }

    fn grey(image: &Image) -> Vec<f64> {
        let values: Vec<f64> = image.lanes(Axis(2)).into_iter().map(|rgb| f64::from(rgb[0] + rgb[1] + rgb[2]) / 3.0).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|v| v - mean).collect()
    }

    /// Correlation of a picture with itself, `shift` pixels to the right.
    fn correlation(image: &Image, shift: usize) -> f64 {
        let values = grey(image);
        let rows = || values.chunks_exact(image.dim().1);
        let product: f64 = rows().map(|row| row.iter().zip(&row[shift..]).map(|(a, b)| a * b).sum::<f64>()).sum();
        let square: f64 = rows().map(|row| row[shift..].iter().map(|a| a * a).sum::<f64>()).sum();
        product / square
    }

    #[test]
    fn equal_streams_give_equal_pictures_and_different_streams_different_ones() {
        for family in Family::ALL {
            let image = family.render(&mut stream(1), 40, 56).unwrap();
            assert_eq!(image.dim(), (40, 56, 3));
            assert_eq!(family.render(&mut stream(1), 40, 56).unwrap(), image);
            let other = family.render(&mut stream(2), 40, 56).unwrap();
            let change: f32 = image.iter().zip(&other).map(|(a, b)| (a - b).abs()).sum();
            assert!(change / image.len() as f32 > 0.02, "{family}");
        }
    }

    #[test]
    fn pictures_are_neither_flat_nor_clipped_and_fit_eight_bits() {
        for family in Family::ALL {
            let image = family.render(&mut stream(3), 64, 64).unwrap();
            let spread = (grey(&image).iter().map(|v| v * v).sum::<f64>() / 4096.0).sqrt();
            assert!(spread > 0.04, "{family}: {spread}");
            let clipped = image.iter().filter(|&&v| v == 0.0 || v == 1.0).count();
            assert!(clipped * 50 < image.len(), "{family}: {clipped}");
            assert!(image.iter().all(|&v| (v * 255.0 - (v * 255.0).round()).abs() < 1e-3));
        }
    }

    #[test]
    fn woven_and_laid_materials_have_their_period() {
        for (family, period) in [(Family::Cloth, 15), (Family::Grid, 15), (Family::Tiles, 25)] {
            let image = family.render(&mut stream(4), 64, 96).unwrap();
            let (whole, half) = (correlation(&image, period), correlation(&image, period / 2));
            assert!(whole > half + 0.1, "{family}: {whole} {half}");
        }
    }

    #[test]
    fn the_holes_of_the_grid_cover_the_expected_area() {
        let image = Family::Grid.render(&mut stream(5), 96, 96).unwrap();
        let dark = image.lanes(Axis(2)).into_iter().filter(|rgb| rgb[1] < 0.3).count() as f64 / (96.0 * 96.0);
        // Holes of 0.65 to 0.69 periods, minus rounded corners and lit walls.
        assert!((0.30..0.48).contains(&dark), "{dark}");
    }

    #[test]
    fn names_are_the_same_everywhere() {
        for family in Family::ALL {
            assert_eq!(family.name().parse::<Family>().unwrap(), family);
            assert_eq!(serde_json::to_value(family).unwrap(), family.to_string());
        }
        for defect in Defect::ALL {
            assert_eq!(defect.name().parse::<Defect>().unwrap(), defect);
            assert_eq!(serde_json::to_value(defect).unwrap(), defect.to_string());
        }
        let error = "linen".parse::<Family>().unwrap_err().to_string();
        assert_eq!(error, "there is no texture `linen`; known textures are cloth, grid, wood, tiles, pebbles");
    }

    #[test]
    fn invalid_requests_are_rejected() {
        assert!(Family::Wood.render(&mut stream(1), 0, 9).is_err());
        assert!(Family::Wood.render(&mut stream(1), usize::MAX, usize::MAX).is_err());
        assert!(Family::Wood.render_defect(Defect::Stain, &mut stream(1), 31, 64).is_err());
        let error = Family::Wood.render_defect(Defect::BrokenBar, &mut stream(1), 64, 64).unwrap_err().to_string();
        assert_eq!(error, "wood has no defect broken_bar; it has crack, hole, knot, scratch, stain");
    }
}
