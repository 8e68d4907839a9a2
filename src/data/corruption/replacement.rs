use super::config::CorruptionConfig;
use super::exact::log_uniform;
use super::field::{Address, Field, FieldUse};
use super::plan::{Patch, between, pick};
use super::sample::{Colour, affine, bilinear, pixel, reflect};
use super::seamless::{Seamless, far_shift};
use super::source::{Source, Sources};
use super::structure::Structure;
use crate::data::Image;

/// Smoothing of the elastic source's displacement field, relative to half the patch's side.
pub(super) const ELASTIC_SMOOTHING: f32 = 0.3;
/// Range of the smoothing of noise, relative to half the patch's side.
pub(super) const NOISE_SMOOTHING: [f32; 2] = [0.08, 0.4];

/// One pixel of a patch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// Row and column in the image.
    pub place: [usize; 2],
    /// Rows and columns from the patch's centre, in pixels.
    pub offset: [i32; 2],
    /// The same in units of half the patch's side, in [-1, 1].
    pub p: [f32; 2],
}

impl Site {
    /// The pixel of `patch` at `place` of the image.
    pub fn new(patch: &Patch, place: [usize; 2]) -> Self {
        let offset = std::array::from_fn(|axis| place[axis] as i32 - patch.centre[axis] as i32);
        let p = std::array::from_fn(|axis| offset[axis] as f32 / patch.radius[axis] as f32);
        Self { place, offset, p }
    }
}

/// The replacement y of one patch, ready to be evaluated pixel by pixel.
pub(super) enum Replacement<'a> {
    Texture(TextureCrop<'a>),
    OtherImage { image: &'a Image, shift: [i32; 2] },
    Constant(Colour),
    Brightness { gain: f32, shift: Colour },
    Noise { field: Field<4>, base: Colour, amplitude: f32, chroma: f32 },
    Elastic { image: &'a Image, field: Field<2>, reach: [f32; 2] },
    Structure(Structure<'a>),
    Seamless(Box<Seamless<'a>>),
}

impl<'a> Replacement<'a> {
    /// The replacement for `patch`; x is the image before any patch.
    pub fn new(config: &CorruptionConfig, address: Address, patch: &Patch, x: &'a Image, sources: &Sources<'a>) -> Self {
        // A grey patch has the same random numbers, of which those for colours are not used.
        let u = &if config.is_grey() { without_colour(patch.source, patch.material) } else { patch.material };
        match patch.source {
            Source::Texture => Self::Texture(TextureCrop::new(u, sources.textures)),
            Source::OtherImage => other_image(u, sources.images),
            Source::Constant => Self::Constant(colour(u[0], u[1], u[2], u[3])),
            Source::Brightness => brightness(u, pixel(x, patch.centre[0], patch.centre[1])),
            Source::Noise => {
                let sigma = log_uniform(u[4], NOISE_SMOOTHING[0], NOISE_SMOOTHING[1]);
                let field = Field::new(address, patch.number, FieldUse::Replacement, sigma);
                let amplitude = between(u[5], 0.05, 0.3);
                Self::Noise { field, base: colour(u[0], u[1], u[2], u[3]), amplitude, chroma: u[6] }
            }
            Source::Elastic => {
                let field = Field::new(address, patch.number, FieldUse::Replacement, ELASTIC_SMOOTHING);
                let strength = between(u[0], 0.15, 0.5);
                Self::Elastic { image: x, field, reach: patch.radius.map(|radius| strength * radius as f32) }
            }
            Source::Seamless => {
                let bits = address.bits(patch.number, FieldUse::Choices, 5);
                Self::Seamless(Box::new(Seamless::new(&config.seamless, bits, u, patch, x, sources.images)))
            }
            Source::Structure => Self::Structure(Structure::new(address.bits(patch.number, FieldUse::Choices, 4), u, x)),
        }
    }

    /// y at `site`, in [0, 1]; `current` is the colour at `site` after the earlier patches.
    pub fn at(&self, site: &Site, current: Colour) -> Colour {
        match self {
            Self::Texture(crop) => crop.at(site.offset),
            Self::OtherImage { image, shift } => {
                let [row, column] = std::array::from_fn(|axis| site.place[axis] as i32 + shift[axis]);
                pixel(image, reflect(row, image.dim().0), reflect(column, image.dim().1))
            }
            Self::Constant(colour) => *colour,
            Self::Brightness { gain, shift } => affine(current, *gain, *shift),
            Self::Noise { field, base, amplitude, chroma } => {
                let noise = field.at(site.p);
                std::array::from_fn(|c| {
                    let mixed = between(*chroma, noise[3], noise[c]);
                    (base[c] + amplitude * mixed).clamp(0.0, 1.0)
                })
            }
            Self::Elastic { image, field, reach } => {
                let u = field.at(site.p);
                let [row, column] = std::array::from_fn(|axis| site.place[axis] as f32 + reach[axis] * u[axis]);
                bilinear(image, row, column)
            }
            Self::Structure(structure) => structure.at(site.place),
            Self::Seamless(seamless) => seamless.at(site.place),
        }
    }
}

/// A crop of a texture: flipped or rotated, scaled, and recoloured with probability 1/2.
pub(super) struct TextureCrop<'a> {
    texture: &'a Image,
    /// Row and column of the texture at the patch's centre.
    origin: [f32; 2],
    /// Texture pixels per image pixel along each axis of the texture, negative if flipped.
    stride: [f32; 2],
    /// Whether the texture's rows run along the image's columns.
    transposed: bool,
    recolour: Option<(f32, Colour)>,
}

impl<'a> TextureCrop<'a> {
    fn new(u: &[f32; Patch::MATERIAL], textures: &'a [Image]) -> Self {
        let [which, row, column, scale, turn, recolour, contrast, red, green, blue, saturation] = *u;
        let texture = &textures[pick(which, textures.len())];
        let turn = pick(turn, 8);
        let stride = log_uniform(scale, 0.5, 2.0);
        let flipped = |bit: usize| if turn & bit == 0 { stride } else { -stride };
        Self {
            texture,
            origin: [row * texture.dim().0 as f32, column * texture.dim().1 as f32],
            stride: [flipped(1), flipped(2)],
            transposed: turn & 4 != 0,
            recolour: (recolour < 0.5).then(|| {
                let middle = colour(red, green, blue, saturation);
                (between(contrast, 0.3, 1.5), middle.map(|value| value - 0.5))
            }),
        }
    }

    fn at(&self, [down, right]: [i32; 2]) -> Colour {
        let offset = if self.transposed { [right, down] } else { [down, right] };
        let [row, column] = std::array::from_fn(|axis| self.origin[axis] + offset[axis] as f32 * self.stride[axis]);
        let found = bilinear(self.texture, row, column);
        self.recolour.map_or(found, |(gain, shift)| affine(found, gain, shift))
    }
}

/// Another position in a training image. Along a randomly chosen axis it is at least a quarter of the image away, so that no
/// image is replaced by itself at the same position.
fn other_image<'a>(u: &[f32; Patch::MATERIAL], images: &'a [Image]) -> Replacement<'a> {
    let image = &images[pick(u[0], images.len())];
    let shift = far_shift(u, [image.dim().0, image.dim().1]);
    Replacement::OtherImage { image, shift }
}

/// The random numbers of a grey patch: those of red for every channel, and no chroma. A grey of saturation 0 would be the mean of
/// three numbers, near middle grey, and hardly be seen on many images.
fn without_colour(source: Source, mut u: [f32; Patch::MATERIAL]) -> [f32; Patch::MATERIAL] {
    match source {
        Source::Texture => (u[8], u[9]) = (u[7], u[7]),
        Source::Constant => (u[1], u[2]) = (u[0], u[0]),
        Source::Noise => (u[1], u[2], u[6]) = (u[0], u[0], 0.0),
        Source::Brightness => (u[4], u[5]) = (u[3], u[3]),
        Source::Structure => (u[3], u[4]) = (u[2], u[2]),
        Source::OtherImage | Source::Elastic | Source::Seamless => {}
    }
    u
}

/// Changed contrast, brightness and colour. The patch becomes brighter with probability 1 - m, where m is the mean of its central
/// pixel. White regions are always darkened and black ones brightened, so that the change is visible.
fn brightness(u: &[f32; Patch::MATERIAL], centre: Colour) -> Replacement<'static> {
    let [contrast, amount, direction, red, green, blue, ..] = *u;
    let mean = (centre[0] + centre[1] + centre[2]) / 3.0;
    let sign = if direction < 1.0 - mean { 1.0 } else { -1.0 };
    let common = sign * between(amount, 0.1, 0.4);
    let shift = [red, green, blue].map(|value| common + between(value, -0.1, 0.1));
    Replacement::Brightness { gain: between(contrast, 0.6, 1.4), shift }
}

/// A random colour, moved towards its mean grey by 1 - saturation, because real defects are rarely bright red.
fn colour(red: f32, green: f32, blue: f32, saturation: f32) -> Colour {
    let mean = (red + green + blue) / 3.0;
    [red, green, blue].map(|value| between(saturation, mean, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture whose red is its row and whose green is its column, over 1000.
    fn coordinates(height: usize, width: usize) -> Image {
        let value = |(row, column, c): (usize, usize, usize)| [row as f32 / 1000.0, column as f32 / 1000.0, 0.5][c];
        Image::from_shape_fn((height, width, 3), value)
    }

    /// [`Patch::material`] of a texture crop whose centre is at (100, 150) of 200 x 300 pixels.
    fn material(scale: f32, turn: f32, recolour: f32) -> [f32; Patch::MATERIAL] {
        [0.6, 0.5, 0.5, scale, turn, recolour, 0.5, 0.9, 0.2, 0.4, 1.0]
    }

    fn texture_at(scale: f32, turn: f32, offset: [i32; 2]) -> [f32; 2] {
        let textures = [coordinates(1, 1), coordinates(200, 300)];
        let [red, green, _] = TextureCrop::new(&material(scale, turn, 0.9), &textures).at(offset);
        [red * 1000.0, green * 1000.0]
    }

    #[test]
    fn a_texture_is_placed_scaled_flipped_and_rotated() {
        for (scale, turn, want) in [
            (0.5, 0.0, [110.0, 155.0]),
            (0.0, 0.0, [105.0, 152.5]),
            (0.75, 0.0, [114.1421, 157.0711]),
            (0.5, 0.125, [90.0, 155.0]),
            (0.5, 0.25, [110.0, 145.0]),
            (0.5, 0.5, [105.0, 160.0]),
            (0.5, 0.999, [95.0, 140.0]),
        ] {
            let found = texture_at(scale, turn, [10, 5]);
            assert!(found.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-3), "{scale} {turn}: {found:?}, want {want:?}");
        }
        // Row 100 + 130 is 30 rows beyond the border, so reflection gives row 199 - 30.
        assert!((texture_at(0.5, 0.0, [130, 0])[0] - 169.0).abs() < 1e-3);
    }

    #[test]
    fn recolouring_maps_middle_grey_to_the_colour() {
        let grey = [0.5, 0.6].map(|value| Image::from_elem((1, 1, 3), value));
        let middle = |which: &Image| TextureCrop::new(&material(0.5, 0.0, 0.1), std::slice::from_ref(which)).at([3, 4]);
        for (found, want) in middle(&grey[0]).into_iter().zip([0.9, 0.2, 0.4]) {
            assert!((found - want).abs() < 1e-6);
        }
        // Contrast 0.5 of [0.3, 1.5] is 0.9.
        for (found, want) in middle(&grey[1]).into_iter().zip([0.99, 0.29, 0.49]) {
            assert!((found - want).abs() < 1e-6);
        }
    }

    #[test]
    fn another_image_is_offset_by_at_least_a_quarter() {
        for k in 0..64 {
            let u = |bits: u32| (bits % 4) as f32 / 4.0 + 0.2;
            let draws: [f32; 4] = [0.0, (k % 2) as f32 / 2.0, u(k / 2), u(k / 8)];
            let material = std::array::from_fn(|n| if n < 4 { draws[n] } else { 0.0 });
            let images = [coordinates(40, 80)];
            let Replacement::OtherImage { shift: [down, right], .. } = other_image(&material, &images) else {
                panic!("not another image");
            };
            let far = if k % 2 == 0 { (10..=30).contains(&down) } else { (20..=60).contains(&right) };
            assert!(far && (0..40).contains(&down) && (0..80).contains(&right), "{draws:?}: {down}, {right}");
        }
    }

    #[test]
    fn saturation_preserves_the_mean() {
        assert_eq!(colour(0.9, 0.3, 0.6, 1.0), [0.9, 0.3, 0.6]);
        let grey = colour(0.9, 0.3, 0.6, 0.0);
        assert!(grey.iter().all(|v| (v - 0.6).abs() < 1e-6), "{grey:?}");
    }
}
