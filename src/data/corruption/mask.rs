use super::exact::fade_in;
use super::field::{Address, Field, FieldUse};
use super::plan::Patch;

/// Radius of the undeformed disk, relative to half the patch's side. The remaining margin is for the deformation.
const DISK_RADIUS: f32 = 0.65;
/// Width of the ring inside the circle |p| = 1 in which the displacement tapers to 0. The circle touches the border of the box.
const TAPER: f32 = 0.35;

/// Soft mask of one patch (Method §2, step 3), in coordinates p in [-1, 1]² of the patch's box. If the box is not square, the
/// disk is an ellipse.
///
/// `M(p) = s((R - |q|) / (softness R))`, `q = p + taper(p) strength (u(p) - u(0))`, with R = 0.65, s the smoothstep `t² (3 - 2t)`
/// on [0, 1], u the smoothed random field, and taper = (1 - |p|) / 0.35 clamped to [0, 1]. At the centre the displacement is 0,
/// so M is exactly 1 and every patch corrupts something. For |p| ≥ 1 it is 0 too, so M is exactly 0 and the box is never visible.
pub(super) struct Mask {
    field: Field<2>,
    centre: [f32; 2],
    strength: f32,
    fade: f32,
}

impl Mask {
    /// The mask of `patch`; `smoothing` is the standard deviation σ of the field's Gaussian.
    pub fn new(address: Address, patch: &Patch, smoothing: f32) -> Self {
        let field = Field::new(address, patch.number, FieldUse::Mask, smoothing);
        let centre = field.at([0.0, 0.0]);
        Self { field, centre, strength: patch.deformation, fade: patch.softness * DISK_RADIUS }
    }

    /// M at p, in [0, 1].
    pub fn at(&self, p: [f32; 2]) -> f32 {
        let reach = ((1.0 - length(p)) * (1.0 / TAPER)).clamp(0.0, 1.0) * self.strength;
        let u = self.field.at(p);
        let q: [f32; 2] = std::array::from_fn(|axis| p[axis] + reach * (u[axis] - self.centre[axis]));
        fade_in(DISK_RADIUS - length(q), self.fade)
    }
}

fn length(p: [f32; 2]) -> f32 {
    (p[0] * p[0] + p[1] * p[1]).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::{CorruptionConfig, Source};
    use super::*;
    use proptest::prelude::*;

    fn mask(index: u32, softness: f32, deformation: f32) -> Mask {
        let address = Address { seed: 11, step: 0, index };
        let patch = Patch {
            number: 0,
            centre: [0, 0],
            radius: [1, 1],
            softness,
            deformation,
            source: Source::Constant,
            opacity: 1.0,
            perlin: None,
            material: [0.0; Patch::MATERIAL],
        };
        Mask::new(address, &patch, CorruptionConfig::default().deformation.smoothing)
    }

    #[test]
    fn without_deformation_the_mask_is_a_disk() {
        let round = mask(0, 0.4, 0.0);
        for (radius, value) in [(0.0, 1.0), (0.38, 1.0), (0.52, 0.5), (0.585, 0.15625), (0.65, 0.0)] {
            for (sin, cos) in [(0.0f32, 1.0f32), (0.6, 0.8), (-0.8, 0.6)] {
                let found = round.at([radius * sin, radius * cos]);
                assert!((found - value).abs() < 1e-5, "{radius}: {found}, want {value}");
            }
        }
    }

    proptest! {
        #[test]
        fn one_at_the_centre_zero_on_the_border_continuous_between(
            index in any::<u32>(), softness in 0.1f32..1.0, strength in 0.0f32..0.5,
        ) {
            let mask = mask(index, softness, strength);
            prop_assert_eq!(mask.at([0.0, 0.0]), 1.0);
            let n = 60;
            let at = |i: i32, j: i32| mask.at([i as f32 / n as f32, j as f32 / n as f32]);
            // Slope of smoothstep times slope of q. The latter is 1 from p, plus the taper's slope with |u - u(0)| below 7, plus
            // the field's slope below 12.
            let bound = 1.5 / (softness * DISK_RADIUS) * (1.0 + strength * (7.0 / TAPER + 12.0)) / n as f32;
            for i in -n..=n {
                for end in [-n, n] {
                    prop_assert_eq!(at(i, end), 0.0);
                    prop_assert_eq!(at(end, i), 0.0);
                }
                for j in -n..n {
                    let (here, right) = (at(i, j), at(i, j + 1));
                    prop_assert!((0.0..=1.0).contains(&here));
                    prop_assert!((here - right).abs() <= bound, "{} then {} at {} {}", here, right, i, j);
                }
            }
        }
    }
}
