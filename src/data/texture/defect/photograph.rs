//! Defects on photographs of normal pieces, for validation without test images.

use ndarray::Axis;

use super::super::noise::{Colour, Point, log_range};
use super::super::scene::{Flaw, Sample};
use super::{Defect, Defective};
use crate::data::corruption::bilinear;
use crate::data::image::{Image, sides};
use crate::error::{Error, Result};
use crate::rng::Stream;

/// The least opacity of a defect. Without faint ones every network that is trained for long finds all defects, and the validation
/// set can no longer decide between configs.
const FAINTEST: f32 = 0.1;

/// Size of a defect beside those on generated textures, which have 0.2 to 10 % of the area. Marked defects of real categories
/// have 0.1 to 50 %, and a network copies large ones rather than small ones.
const SIZES: [f32; 2] = [0.5, 4.0];

/// The least that a faint defect changes a pixel: about 10 of 255 grey levels.
const LEAST_CONTRAST: f32 = 0.04;

impl Defect {
    /// The kinds that suit any image and that no training corruption contains: a bend would be much like an elastic distortion.
    pub const ON_PHOTOGRAPHS: [Self; 4] = [Self::Scratch, Self::Stain, Self::Crack, Self::Hole];

    /// The defect at a random place of a normal image `[h, w, 3]` with values in [0, 1], with an opacity from 0.1 to 1, uniform,
    /// and of half to four times the size that it has on a generated texture, log-uniform. Values are not rounded; pixels that
    /// the defect does not visibly change are those of the image. `None` if the defect cannot be seen in the image, because it is
    /// too small, or as dark as the defect.
    ///
    /// # Errors
    /// A kind that needs a generated texture; an image of a wrong shape.
    pub fn on_photograph(self, image: &Image, stream: &mut Stream) -> Result<Option<Defective>> {
        let (height, width) = sides("defect", image)?;
        super::first_visible(LEAST_CONTRAST, || {
            let place = Point::new(height as f32 * stream.range(0.2, 0.8), width as f32 * stream.range(0.2, 0.8));
            let side = height.min(width) as f32 * log_range(stream, SIZES[0], SIZES[1]);
            let flaw = self.flaw(place, side, stream);
            let flaw = flaw.ok_or_else(|| Error::argument(format!("{self} needs a generated texture")))?;
            let opacity = stream.range(FAINTEST, 1.0);
            Ok(super::compared(with_flaw(image, flaw.as_ref(), opacity), image.clone()))
        })
    }
}

/// The photograph with a flaw of this opacity. What the flaw adds is averaged over four points of each pixel, as in generated
/// images. On a grey photograph it is grey: a grey camera sees no colour, and colour alone would betray the defect.
fn with_flaw(image: &Image, flaw: &dyn Flaw, opacity: f32) -> Image {
    let surface = |p: Point| bilinear(image, p.y - 0.5, p.x - 0.5);
    let (height, width, _) = image.dim();
    let is_grey = image.lanes(Axis(2)).into_iter().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    let mut changed = image.clone();
    for ((y, x), mut pixel) in ndarray::indices((height, width)).into_iter().zip(changed.lanes_mut(Axis(2))) {
        let mut added: Colour = [0.0; 3];
        for place in super::super::scene::WITHIN {
            let p = Point::new(y as f32, x as f32).plus(place, 1.0);
            let (before, after) = (surface(p), flaw.painted(p, Sample::solid(surface(flaw.moved(p)))).colour);
            added = [0, 1, 2].map(|c| added[c] + 0.25 * (after[c] - before[c]));
        }
        if is_grey {
            added = [added.iter().sum::<f32>() / 3.0; 3];
        }
        pixel.iter_mut().zip(added).for_each(|(value, added)| *value = (*value + opacity * added).clamp(0.0, 1.0));
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn photograph(height: usize, width: usize) -> Image {
        let mut stream = Stream::new(8, Purpose::Test, 0, 0);
        Image::from_shape_simple_fn((height, width, 3), || 0.4 + 0.3 * stream.uniform())
    }

    #[test]
    fn every_kind_changes_a_part_of_the_image_and_nothing_else() {
        for (height, width) in [(48, 64), (96, 96)] {
            let x = photograph(height, width);
            for defect in Defect::ON_PHOTOGRAPHS {
                let mut stream = Stream::new(3, Purpose::Test, 1, 0);
                let Defective { image, clean, mask } = defect.on_photograph(&x, &mut stream).unwrap().unwrap();
                assert_eq!(clean, x);
                assert!(image.iter().all(|value| (0.0..=1.0).contains(value)));
                let pixels = image.lanes(Axis(2)).into_iter().zip(x.lanes(Axis(2)));
                for ((after, before), &marked) in pixels.zip(&mask) {
                    assert_eq!(marked == 1.0, after != before, "{defect}");
                }
            }
        }
    }

    #[test]
    fn defects_are_of_any_opacity_and_size() {
        let x = photograph(96, 96);
        let drawn: Vec<Defective> = (0..40)
            .map(|index| Defect::Hole.on_photograph(&x, &mut Stream::new(3, Purpose::Test, 1, index)).unwrap().unwrap())
            .collect();
        let contrast = |own: &Defective| own.image.iter().zip(&x).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let contrasts: Vec<f32> = drawn.iter().map(contrast).collect();
        let faint = contrasts.iter().filter(|&&own| own < 0.2).count();
        assert!((5..35).contains(&faint) && contrasts.iter().all(|&own| own >= LEAST_CONTRAST), "{contrasts:?}");
        let mut areas: Vec<f32> = drawn.iter().map(|own| own.mask.sum() / (96.0 * 96.0)).collect();
        areas.sort_by(f32::total_cmp);
        assert!(areas[4] < 0.01 && areas[35] > 0.05, "{areas:?}");
    }

    #[test]
    fn on_a_grey_photograph_a_defect_is_grey() {
        let colour = photograph(48, 48);
        let grey = Image::from_shape_fn((48, 48, 3), |(y, x, _)| colour[[y, x, 0]]);
        let drawn = |x: &Image| Defect::Stain.on_photograph(x, &mut Stream::new(3, Purpose::Test, 1, 0)).unwrap().unwrap().image;
        let is_grey = |image: &Image| image.lanes(Axis(2)).into_iter().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        assert!(is_grey(&drawn(&grey)) && drawn(&grey) != grey && !is_grey(&drawn(&colour)));
    }

    #[test]
    fn a_sample_depends_on_its_stream_alone() {
        let x = photograph(48, 48);
        let draw = |index| Defect::Scratch.on_photograph(&x, &mut Stream::new(3, Purpose::Test, 1, index)).unwrap().unwrap();
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5).mask, draw(6).mask);
    }

    #[test]
    fn kinds_of_generated_textures_are_refused() {
        let error = Defect::Knot.on_photograph(&photograph(32, 32), &mut Stream::new(0, Purpose::Test, 0, 0)).unwrap_err();
        assert_eq!(error.to_string(), "knot needs a generated texture");
    }
}
