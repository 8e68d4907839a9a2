//! Procedural textures for tests, the demo and small experiments: materials with real variation from picture to picture
//! (position, rotation, light, irregular structure, sensor noise) and defects with an exact truth.
//!
//! Structures have a fixed size in pixels (a thread about 7, a tile about 25), made for pictures of 64 to 256 pixels.

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

use super::file::MAX_PIXELS;
use super::image::Image;
use crate::error::{Error, Result};
use crate::rng::Stream;
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

    /// A normal picture `[height, width, 3]`, values multiples of 1/255. Two streams give two different pieces of the material.
    ///
    /// # Errors
    /// A side of 0, or more than [`MAX_PIXELS`] pixels.
    pub fn render(self, stream: &mut Stream, height: usize, width: usize) -> Result<Image> {
        check_size(height, width, 1)?;
        self.scene(stream, height, width).render(&Intact)
    }

    /// A picture with one defect, with its clean twin and the exact mask.
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
        found.ok_or_else(|| Error::argument(format!("there is no texture `{name}`; known are {}", known())))
    }
}

fn check_size(height: usize, width: usize, least: usize) -> Result<()> {
    let pixels = (height as u64).saturating_mul(width as u64);
    if height < least || width < least || pixels > MAX_PIXELS {
        let text = format!("a texture of {height}x{width} pixels: sides must be at least {least}, pixels at most {MAX_PIXELS}");
        return Err(Error::argument(text));
    }
    Ok(())
}
