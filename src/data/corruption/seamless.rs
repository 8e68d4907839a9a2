use super::exact::deviate;
use super::field::lerp;
use super::options::Seamless as Config;
use super::plan::{Patch, between, pick};
use super::sample::{Colour, bilinear, pixel};
use crate::data::Image;

/// Intervals along a side of the rectangle.
const INTERVALS: usize = 4;
/// Points over which the difference at a node is averaged.
const POINTS: usize = 8;
/// Nodes along the four sides: top and bottom from left to right, then left and right from top to bottom.
pub(super) const NODES: usize = 4 * (INTERVALS + 1);
/// Standard deviation of the scale.
const DEVIATION: f32 = 0.5;

/// Another place of a training image, rescaled, whose colours are fitted to those around the patch (after Schlüter et al., NSA, ECCV 2022).
///
/// NSA solves Poisson's equation, so that the gradients in the patch are those of the donor d. The solution is d plus the harmonic function
/// whose values on the border are those of x - d. Here this membrane is replaced by a Coons patch, with x the image before any patch:
/// the difference is averaged over 8 points around each of 5 nodes along each side of the rectangle, is linear between nodes, and continues
/// inwards by `lerp(top, bottom) + lerp(left, right) - bilinear(corners)`. That is the harmonic function if the difference is constant, and
/// off by the change of the difference over 1/32 of a side if it is linear, because averages at corners are one-sided.
pub(super) struct Seamless<'a> {
    donor: &'a Image,
    /// Row and column in the donor at the first row and column of the rectangle.
    origin: [f32; 2],
    /// Donor pixels per image pixel.
    stride: f32,
    /// First row and column of the rectangle, the part of the box inside the image.
    first: [usize; 2],
    /// Rows and columns from the first to the last.
    span: [usize; 2],
    nodes: [Colour; NODES],
}

impl<'a> Seamless<'a> {
    /// `bits` determine the scale, `u` donor and place.
    pub fn new(
        config: &Config,
        bits: [u32; 4],
        u: &[f32; Patch::MATERIAL],
        patch: &Patch,
        x: &'a Image,
        images: &'a [Image],
    ) -> Self {
        let donor = &images[pick(u[0], images.len())];
        let shift = far_shift(u, [donor.dim().0, donor.dim().1]);
        let stride = 1.0 / (1.0 + DEVIATION * deviate(bits)).clamp(config.min, config.max);
        let extent = [x.dim().0, x.dim().1];
        let first: [usize; 2] = std::array::from_fn(|axis| patch.centre[axis].saturating_sub(patch.radius[axis]));
        let last: [usize; 2] = std::array::from_fn(|axis| (patch.centre[axis] + patch.radius[axis]).min(extent[axis] - 1));
        let origin = std::array::from_fn(|axis| {
            let from_centre = first[axis] as f32 - patch.centre[axis] as f32;
            (patch.centre[axis] as i32 + shift[axis]) as f32 + from_centre * stride
        });
        let span = [last[0] - first[0], last[1] - first[1]];
        let mut found = Self { donor, origin, stride, first, span, nodes: [[0.0; 3]; NODES] };
        found.nodes = std::array::from_fn(|node| found.difference(x, node));
        found
    }

    /// y at a pixel of the rectangle, in [0, 1].
    pub fn at(&self, place: [usize; 2]) -> Colour {
        let offset = [place[0] - self.first[0], place[1] - self.first[1]];
        let t: [f32; 2] = std::array::from_fn(|axis| offset[axis] as f32 / self.span[axis].max(1) as f32);
        let (donor, membrane) = (self.donor_at(offset), coons(&self.nodes, t));
        std::array::from_fn(|c| (donor[c] + membrane[c]).clamp(0.0, 1.0))
    }

    fn donor_at(&self, offset: [usize; 2]) -> Colour {
        let [row, column] = std::array::from_fn(|axis| self.origin[axis] + offset[axis] as f32 * self.stride);
        bilinear(self.donor, row, column)
    }

    /// Mean of x - d over the points around a node.
    fn difference(&self, x: &Image, node: usize) -> Colour {
        let (side, knot) = (node / (INTERVALS + 1), node % (INTERVALS + 1));
        // Top and bottom run along axis 1.
        let along = usize::from(side < 2);
        let mut sum = [0.0; 3];
        for point in 0..POINTS {
            // From half an interval before the node to half an interval behind it, inside the side.
            let t = (knot as f32 - 0.5 + (point as f32 + 0.5) / POINTS as f32) / INTERVALS as f32;
            let mut offset = [0; 2];
            offset[along] = ((t * self.span[along] as f32 + 0.5).max(0.0) as usize).min(self.span[along]);
            offset[1 - along] = if side % 2 == 1 { self.span[1 - along] } else { 0 };
            let (x, donor) = (pixel(x, self.first[0] + offset[0], self.first[1] + offset[1]), self.donor_at(offset));
            for c in 0..3 {
                sum[c] += x[c] - donor[c];
            }
        }
        sum.map(|sum| sum / POINTS as f32)
    }
}

/// A shift to another place, along a randomly chosen axis by at least a quarter of the image.
pub(super) fn far_shift(u: &[f32; Patch::MATERIAL], extent: [usize; 2]) -> [i32; 2] {
    let [_, axis, far, free, ..] = *u;
    let far_axis = pick(axis, 2);
    std::array::from_fn(|axis| {
        let part = if axis == far_axis { between(far, 0.25, 0.75) } else { free };
        (part * extent[axis] as f32) as i32
    })
}

/// The Coons patch of the nodes at t = [row, column] in [0, 1]².
fn coons(nodes: &[Colour; NODES], t: [f32; 2]) -> Colour {
    let knot = |side: usize, k: usize, c: usize| nodes[side * (INTERVALS + 1) + k][c];
    let cell = t.map(|t| ((t * INTERVALS as f32) as usize).min(INTERVALS - 1));
    let along = |side: usize, axis: usize, c: usize| {
        let (k, place) = (cell[axis], t[axis] * INTERVALS as f32 - cell[axis] as f32);
        lerp(knot(side, k, c), knot(side, k + 1, c), place)
    };
    std::array::from_fn(|c| {
        let rows = lerp(along(0, 1, c), along(1, 1, c), t[0]);
        let columns = lerp(along(2, 0, c), along(3, 0, c), t[1]);
        // The averages at a corner along its two sides differ; half of each.
        let corner = |of_row: usize, of_column: usize| {
            0.5 * (knot(of_row, of_column * INTERVALS, c) + knot(2 + of_column, of_row * INTERVALS, c))
        };
        let corners = lerp(lerp(corner(0, 0), corner(0, 1), t[1]), lerp(corner(1, 0), corner(1, 1), t[1]), t[0]);
        rows + columns - corners
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::corruption::Source;
    use crate::rng::{Purpose, Stream};
    use proptest::prelude::*;

    fn patch(centre: [usize; 2], radius: [usize; 2]) -> Patch {
        Patch {
            number: 0,
            centre,
            radius,
            softness: 0.0,
            deformation: 0.0,
            source: Source::Seamless,
            opacity: 1.0,
            perlin: None,
            material: [0.0; Patch::MATERIAL],
        }
    }

    /// Scale 1 and a shift of 0.25 and 0.5 of the donor.
    fn seamless<'a>(x: &'a Image, donor: &'a [Image], patch: &Patch) -> Seamless<'a> {
        let mut u = [0.0; Patch::MATERIAL];
        u[3] = 0.5;
        Seamless::new(&Config { min: 1.0, max: 1.0 }, [0; 4], &u, patch, x, donor)
    }

    #[test]
    fn a_plane_is_a_plane_and_a_constant_offset_is_removed() {
        let plane = |(row, column, c): (usize, usize, usize)| 0.2 + 0.004 * row as f32 + 0.003 * column as f32 + 0.1 * c as f32;
        let x = Image::from_shape_fn((40, 40, 3), plane);
        let donor = [Image::from_shape_fn((80, 80, 3), |at| plane(at) - 0.1)];
        let found = seamless(&x, &donor, &patch([20, 20], [12, 8]));
        assert_eq!((found.origin, found.first, found.span), ([28.0, 52.0], [8, 12], [24, 16]));
        for place in (8..=32).flat_map(|row| (12..=28).map(move |column| [row, column])) {
            for (found, want) in found.at(place).into_iter().zip(pixel(&x, place[0], place[1])) {
                assert!((found - want).abs() < 1e-5, "{place:?}: {found}, want {want}");
            }
        }
    }

    #[test]
    fn a_linear_difference_is_off_by_a_32nd_of_a_side() {
        let plane = |row: usize, column: usize| 0.2 + 0.004 * row as f32 + 0.003 * column as f32;
        let x = Image::from_shape_fn((40, 40, 3), |(row, column, _)| plane(row, column));
        let donor = [Image::from_elem((40, 40, 3), 0.3)];
        let found = seamless(&x, &donor, &patch([20, 20], [12, 8]));
        let bound = (0.004 * 24.0 + 0.003 * 16.0) / 32.0 + 0.001;
        for place in (8..=32).flat_map(|row| (12..=28).map(move |column| [row, column])) {
            let error = (found.at(place)[1] - plane(place[0], place[1])).abs();
            assert!(error < bound, "{place:?}: {error}");
        }
    }

    #[test]
    fn the_scale_follows_from_its_bits() {
        let (x, images) = (Image::from_elem((40, 40, 3), 0.5), [Image::from_elem((40, 40, 3), 0.25)]);
        let stride = |bits| {
            let config = Config::default();
            Seamless::new(&config, bits, &[0.0; Patch::MATERIAL], &patch([20, 20], [5, 5]), &x, &images).stride
        };
        // The mean of 65535/2 and its neighbour: deviation 0. The ends are clipped.
        assert!((stride([0x8000_7FFF; 4]) - 1.0).abs() < 1e-4);
        assert_eq!((stride([0; 4]), stride([u32::MAX; 4])), (1.0 / 0.7, 1.0 / 1.3));
    }

    proptest! {
        #[test]
        fn any_box_has_a_colour_everywhere(
            (height, width) in (1usize..20, 1usize..20), row in 0usize..20, column in 0usize..20, radius in (1usize..30, 1usize..30),
        ) {
            let x = Image::from_elem((height, width, 3), 0.5);
            let donor = [Image::from_elem((7, 9, 3), 0.25)];
            let found = seamless(&x, &donor, &patch([row % height, column % width], [radius.0, radius.1]));
            let (first, last) = (found.first, [0, 1].map(|axis| found.first[axis] + found.span[axis]));
            for place in (first[0]..=last[0]).flat_map(|row| (first[1]..=last[1]).map(move |column| [row, column])) {
                prop_assert!(found.at(place).iter().all(|v| (v - 0.5).abs() < 1e-6));
            }
        }
    }

    /// The harmonic function with the given values on the border of a square, by successive over-relaxation.
    fn harmonic(n: usize, border: impl Fn(usize, usize) -> f64) -> Vec<Vec<f64>> {
        let mut u: Vec<Vec<f64>> = (0..n).map(|i| (0..n).map(|j| border(i, j)).collect()).collect();
        let factor = 2.0 / (1.0 + (std::f64::consts::PI / (n - 1) as f64).sin());
        for _ in 0..20 * n {
            for i in 1..n - 1 {
                for j in 1..n - 1 {
                    u[i][j] += factor * (0.25 * (u[i - 1][j] + u[i + 1][j] + u[i][j - 1] + u[i][j + 1]) - u[i][j]);
                }
            }
        }
        let residual = |i: usize, j: usize| (0.25 * (u[i - 1][j] + u[i + 1][j] + u[i][j - 1] + u[i][j + 1]) - u[i][j]).abs();
        assert!((1..n - 1).all(|i| (1..n - 1).all(|j| residual(i, j) < 1e-10)), "not converged");
        u
    }

    /// Largest and root mean square distance of y - d from the solved membrane inside the undeformed disk, relative to the root mean square
    /// of x - d on the border.
    fn distance(x: &Image, donor: &Image) -> [f64; 2] {
        let (n, donors) = (41, std::slice::from_ref(donor));
        let found = seamless(x, donors, &patch([32, 32], [20, 20]));
        let difference = |i: usize, j: usize| f64::from(x[[12 + i, 12 + j, 0]] - found.donor_at([i, j])[0]);
        let membrane = harmonic(n, difference);
        let edge = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|&(i, j)| i % (n - 1) == 0 || j % (n - 1) == 0);
        let border: Vec<f64> = edge.map(|(i, j)| difference(i, j).powi(2)).collect();
        let size = (border.iter().sum::<f64>() / border.len() as f64).sqrt();
        let (mut largest, mut sum, mut count) = (0.0f64, 0.0f64, 0u32);
        for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
            if (i as f64 - 20.0).hypot(j as f64 - 20.0) <= 0.65 * 20.0 {
                let error = f64::from(coons(&found.nodes, [i as f32 / 40.0, j as f32 / 40.0])[0]) - membrane[i][j];
                largest = largest.max(error.abs());
                sum += error * error;
                count += 1;
            }
        }
        [largest / size, (sum / f64::from(count)).sqrt() / size]
    }

    /// How near the Coons patch comes to a solved Poisson problem: `paper/method.md` quotes these bounds.
    #[test]
    fn the_membrane_is_near_the_solution_of_poissons_equation() {
        let flat = Image::from_elem((64, 64, 3), 0.5);
        let smooth = Image::from_shape_fn((64, 64, 3), |(row, column, _)| {
            0.5 + 0.2 * (row as f32 * 0.11).sin() * (column as f32 * 0.07 + 0.4).cos()
        });
        let mut stream = Stream::new(8, Purpose::Test, 0, 0);
        let noisy = Image::from_shape_simple_fn((64, 64, 3), || 0.3 + 0.4 * stream.uniform());
        let [largest, typical] = distance(&smooth, &flat);
        println!("smooth: largest {largest:.3}, root mean square {typical:.3}");
        assert!(largest < 0.2 && typical < 0.1, "smooth difference: {largest} and {typical}");
        let [largest, typical] = distance(&noisy, &flat);
        println!("noise: largest {largest:.3}, root mean square {typical:.3}");
        assert!(largest < 0.6 && typical < 0.25, "independent differences: {largest} and {typical}");
    }
}
