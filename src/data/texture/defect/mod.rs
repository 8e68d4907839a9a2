//! Defects that no training corruption contains.
//!
//! Training blends soft disks of other pixels into an image (Method §2). These defects instead change the scene before rendering:
//! thin curves, dried liquids, missing material, displaced structure, and a structural flaw specific to each family. On a
//! photograph they are painted over its pixels.

mod blobs;
mod curves;
mod photograph;

use std::fmt;
use std::str::FromStr;

use ndarray::{Axis, Zip};

use super::noise::{Point, log_range};
use super::scene::{Flaw, Intact, Scene};
use crate::data::image::{Image, Plane};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// A kind of defect. Its name, as written by `Display`, is the name of its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// A thin curved line, brighter or darker.
    Scratch,
    /// A dried liquid with a dense edge and a gradient of colour.
    Stain,
    /// A jagged branching line.
    Crack,
    /// A ragged hole or chip.
    Hole,
    /// Displaced threads or bars.
    Bend,
    /// Cloth: part of a thread is missing.
    MissingThread,
    /// Grid: bars between holes are missing.
    BrokenBar,
    /// Wood: a knot; the grain flows around it.
    Knot,
    /// Tiles: a missing tile.
    MissingTile,
    /// Pebbles: a missing pebble.
    MissingStone,
}

impl Defect {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Scratch,
        Self::Stain,
        Self::Crack,
        Self::Hole,
        Self::Bend,
        Self::MissingThread,
        Self::BrokenBar,
        Self::Knot,
        Self::MissingTile,
        Self::MissingStone,
    ];

    /// Name in files and folders, e.g. `missing_thread`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scratch => "scratch",
            Self::Stain => "stain",
            Self::Crack => "crack",
            Self::Hole => "hole",
            Self::Bend => "bend",
            Self::MissingThread => "missing_thread",
            Self::BrokenBar => "broken_bar",
            Self::Knot => "knot",
            Self::MissingTile => "missing_tile",
            Self::MissingStone => "missing_stone",
        }
    }

    /// The part of the defect that is applied in image coordinates, through `place` in an image whose shorter side is `side`.
    /// None for the flaws of a family's own structure.
    fn flaw(self, place: Point, side: f32, stream: &mut Stream) -> Option<Box<dyn Flaw>> {
        match self {
            Self::Scratch => Some(Box::new(curves::Scratch::new(place, side, stream))),
            Self::Stain => Some(Box::new(blobs::Stain::new(place, side, stream))),
            Self::Crack => Some(Box::new(curves::Crack::new(place, side, stream))),
            Self::Hole => Some(Box::new(blobs::Hole::new(place, side, stream))),
            Self::Bend => Some(Box::new(blobs::Bend::new(place, side, stream))),
            Self::MissingThread | Self::BrokenBar | Self::Knot | Self::MissingTile | Self::MissingStone => None,
        }
    }

    /// Adds the defect to the scene. Returns the part that is applied in image coordinates.
    fn put_into(self, scene: &mut Scene, stream: &mut Stream) -> Box<dyn Flaw> {
        let (height, width) = (scene.height as f32, scene.width as f32);
        let side = height.min(width);
        let place = Point::new(height * stream.range(0.2, 0.8), width * stream.range(0.2, 0.8));
        self.flaw(place, side, stream).unwrap_or_else(|| {
            let reach = side * log_range(stream, 0.06, 0.4);
            scene.alter(place, reach, stream);
            Box::new(Intact)
        })
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Defect {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = || Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|defect| defect.name() == name);
        found.ok_or_else(|| Error::argument(format!("there is no defect `{name}`; known defects are {}", known())))
    }
}

/// An image with a defect, the same image without it, and the mask of their differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Defective {
    /// The image with the defect, `[h, w, 3]`.
    pub image: Image,
    /// The same surface, light and sensor noise without the defect.
    pub clean: Image,
    /// 1 exactly where `image` and `clean` differ, else 0; `[h, w]`.
    pub mask: Plane,
}

/// Changes below this in every channel are invisible. They are undone, so that the mask does not include them.
const VISIBLE: f32 = 5.5 / 255.0;

/// Bounds on a defect: minimum number of changed pixels, maximum changed fraction of the image, and minimum of the largest change
/// of a channel.
const MIN_PIXELS: usize = 12;
const MAX_SHARE: f32 = 0.4;
const MIN_CONTRAST: f32 = 0.15;

/// Draws scenes with a defect until the defect is visible; for example, a scratch may be in a hole of the grid.
///
/// # Errors
/// The defect cannot be seen in any of several scenes.
pub(super) fn draw(defect: Defect, stream: &mut Stream, mut scene: impl FnMut(&mut Stream) -> Scene) -> Result<Defective> {
    let drawn = first_visible(MIN_CONTRAST, || {
        let mut scene = scene(stream);
        let clean = scene.render(&Intact);
        let flaw = defect.put_into(&mut scene, stream);
        Ok(compared(scene.render(flaw.as_ref()), clean))
    })?;
    drawn.ok_or_else(|| Error::argument(format!("no visible {defect} in {ATTEMPTS} attempts; the image is too small for it")))
}

/// How often a defect is drawn until it is visible.
const ATTEMPTS: usize = 32;

/// The first of several drawn defects that is within the bounds, each drawn with its largest change; none if none is.
fn first_visible(least_contrast: f32, mut draw: impl FnMut() -> Result<(Defective, f32)>) -> Result<Option<Defective>> {
    for _ in 0..ATTEMPTS {
        let (drawn, contrast) = draw()?;
        let changed = drawn.mask.iter().filter(|&&v| v > 0.0).count();
        let share = changed as f32 / drawn.mask.len() as f32;
        if changed >= MIN_PIXELS && share <= MAX_SHARE && contrast >= least_contrast {
            return Ok(Some(drawn));
        }
    }
    Ok(None)
}

/// The mask of visible differences between two images; makes them equal elsewhere. Also returns the largest difference.
fn compared(mut image: Image, clean: Image) -> (Defective, f32) {
    let mut max_change = 0.0_f32;
    let mask = Zip::from(image.lanes_mut(Axis(2))).and(clean.lanes(Axis(2))).map_collect(|mut after, before| {
        let change = after.iter().zip(before).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        if change <= VISIBLE {
            after.assign(&before);
        }
        max_change = max_change.max(change);
        f32::from(change > VISIBLE)
    });
    (Defective { image, clean, mask }, max_change)
}

#[cfg(test)]
mod tests {
    use super::super::Family;
    use super::*;
    use crate::rng::Purpose;
    use ndarray::{arr3, array};

    fn drawn(family: Family, defect: Defect, seed: u64, height: usize, width: usize) -> Defective {
        family.render_defect(defect, &mut Stream::new(seed, Purpose::Test, 0, 0), height, width).unwrap()
    }

    #[test]
    fn masks_mark_exactly_the_changed_pixels() {
        for family in Family::ALL {
            for &defect in family.defects() {
                for (seed, height, width) in [(1, 32, 32), (2, 48, 72)] {
                    let Defective { image, clean, mask } = drawn(family, defect, seed, height, width);
                    let pixels = image.lanes(Axis(2)).into_iter().zip(clean.lanes(Axis(2)));
                    for ((after, before), &marked) in pixels.zip(&mask) {
                        let change = after.iter().zip(before).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                        assert_eq!(marked == 1.0, after != before, "{family} {defect}");
                        assert!(marked == 0.0 || change > 5.0 / 255.0, "{family} {defect}");
                    }
                    let share = mask.sum() / mask.len() as f32;
                    assert!(share > 0.0 && share <= MAX_SHARE, "{family} {defect}: {share}");
                }
            }
        }
    }

    #[test]
    fn the_image_without_the_defect_is_a_normal_image() {
        let mut stream = Stream::new(9, Purpose::Test, 0, 0);
        let clean = Family::Cloth.render(&mut stream, 48, 48).unwrap();
        assert_eq!(drawn(Family::Cloth, Defect::Stain, 9, 48, 48).clean, clean);
    }

    #[test]
    fn defects_vary_in_size_and_strength() {
        for defect in [Defect::Scratch, Defect::Stain, Defect::Hole] {
            let (mut sizes, mut contrasts) = (Vec::new(), Vec::new());
            for seed in 0..8 {
                let found = drawn(Family::Wood, defect, seed, 64, 64);
                let size = found.mask.sum();
                let change: f32 = found.image.iter().zip(&found.clean).map(|(a, b)| (a - b).abs()).sum();
                sizes.push(size);
                contrasts.push(change / size);
            }
            let ratio = |v: &[f32]| v.iter().copied().fold(0.0, f32::max) / v.iter().copied().fold(f32::MAX, f32::min);
            assert!(ratio(&sizes) > 2.0 && ratio(&contrasts) > 1.2, "{defect}: {sizes:?} {contrasts:?}");
        }
    }

    #[test]
    fn invisible_changes_are_undone() {
        let clean = Image::from_elem((1, 2, 3), 0.5);
        let image = array![[[0.5, 0.5, 0.5 + 5.0 / 255.0], [0.5, 0.5 - 6.0 / 255.0, 0.5]]];
        let (found, contrast) = compared(image, clean);
        assert_eq!(found.mask, array![[0.0, 1.0]]);
        assert_eq!(found.image, arr3(&[[[0.5; 3], [0.5, 0.5 - 6.0 / 255.0, 0.5]]]));
        assert!((contrast - 6.0 / 255.0).abs() < 1e-6);
    }
}
