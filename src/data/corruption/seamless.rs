use super::exact::deviate;
use super::options::Seamless as Config;
use super::plan::{Patch, between, pick};
use super::sample::{Colour, bilinear, pixel};
use crate::data::Image;

/// Intervals along a side of the rectangle.
const INTERVALS: usize = 4;
/// Points over which the difference at a node is averaged.
const POINTS: usize = 8;
/// Nodes around the rectangle, clockwise from its first row and column.
pub(super) const NODES: usize = 4 * INTERVALS;
/// Least distance from the border, in pixels, at which the membrane is evaluated.
const MARGIN: f32 = 0.25;
/// Standard deviation of the scale.
const DEVIATION: f32 = 0.5;

/// Another place of a training image, rescaled, whose colours are fitted to those around the patch (after Schlüter et al., NSA,
/// ECCV 2022).
///
/// NSA solves Poisson's equation, so that the gradients in the patch are those of the donor d. The solution is d plus the
/// harmonic function whose values on the border are those of x - d. Here this membrane is interpolated by mean-value coordinates,
/// as in Farbman et al., *Coordinates for instant image cloning* (2009), with x the image before any patch: the difference is
/// averaged over 8 points around each of 16 nodes along the border of the rectangle, and the membrane is their mean with the
/// weights `(tan(α₋/2) + tan(α₊/2)) / r`, where r is the distance to the node and α₋, α₊ are the angles to the nodes before and
/// behind it. The weights are positive, so the membrane stays between the smallest and the largest difference.
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
        let (donor, membrane) = (self.donor_at(offset), membrane(&self.nodes, self.span, offset));
        std::array::from_fn(|c| (donor[c] + membrane[c]).clamp(0.0, 1.0))
    }

    fn donor_at(&self, offset: [usize; 2]) -> Colour {
        let [row, column] = std::array::from_fn(|axis| self.origin[axis] + offset[axis] as f32 * self.stride);
        bilinear(self.donor, row, column)
    }

    /// Mean of x - d over the points around a node, from half an interval before it to half an interval behind it.
    fn difference(&self, x: &Image, node: usize) -> Colour {
        let span = self.span.map(|span| span as f32);
        let mut sum = [0.0; 3];
        for point in 0..POINTS {
            let s = node as f32 + ((point as f32 + 0.5) / POINTS as f32 - 0.5);
            let place = on_border(if s < 0.0 { s + NODES as f32 } else { s }, span);
            let offset: [usize; 2] = std::array::from_fn(|axis| ((place[axis] + 0.5) as usize).min(self.span[axis]));
            let (x, donor) = (pixel(x, self.first[0] + offset[0], self.first[1] + offset[1]), self.donor_at(offset));
            for c in 0..3 {
                sum[c] += x[c] - donor[c];
            }
        }
        sum.map(|sum| sum / POINTS as f32)
    }
}

/// The place on the border of a rectangle of sides `span` at s intervals behind its first row and column, s in [0, 16).
fn on_border(s: f32, [height, width]: [f32; 2]) -> [f32; 2] {
    let sides = s / INTERVALS as f32;
    let part = sides - (sides as usize) as f32;
    match sides as usize {
        0 => [0.0, part * width],
        1 => [part * height, width],
        2 => [height, width - part * width],
        _ => [height - part * height, 0.0],
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

/// The mean-value interpolation of the nodes at a pixel, counted from the first one of the rectangle.
fn membrane(nodes: &[Colour; NODES], span: [usize; 2], offset: [usize; 2]) -> Colour {
    let sides = span.map(|span| span.max(1) as f32);
    // On the border itself the weights are infinite.
    let p: [f32; 2] = std::array::from_fn(|axis| (offset[axis] as f32).clamp(MARGIN, sides[axis] - MARGIN));
    let spoke = |node: usize| {
        let [row, column] = on_border((node % NODES) as f32, sides);
        [row - p[0], column - p[1]]
    };
    let (mut before, mut here) = (spoke(NODES - 1), spoke(0));
    let (mut total, mut sum) = (0.0, [0.0; 3]);
    for (node, value) in nodes.iter().enumerate() {
        let behind = spoke(node + 1);
        let weight = (half_tangent(before, here) + half_tangent(here, behind)) / length(here);
        total += weight;
        for c in 0..3 {
            sum[c] += weight * value[c];
        }
        (before, here) = (here, behind);
    }
    sum.map(|sum| sum / total)
}

/// tan(α/2) of the angle α between two vectors, the second clockwise from the first.
fn half_tangent(a: [f32; 2], b: [f32; 2]) -> f32 {
    (a[1] * b[0] - a[0] * b[1]) / (length(a) * length(b) + (a[0] * b[0] + a[1] * b[1]))
}

fn length(a: [f32; 2]) -> f32 {
    (a[0] * a[0] + a[1] * a[1]).sqrt()
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
        // A quarter of a pixel more at the border, where the membrane is evaluated a little inside.
        let bound = (0.004 * 24.0 + 0.003 * 16.0) / 32.0 + 0.25 * 0.007;
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

    #[test]
    fn mean_value_coordinates_by_hand() {
        // In the middle of a square the angles to corners and to other nodes repeat on every side: the weights of a quarter are
        // the same.
        let mut nodes = [[0.0; 3]; NODES];
        for node in nodes.iter_mut().take(4) {
            *node = [1.0, 0.5, 0.0];
        }
        let found = membrane(&nodes, [8, 8], [4, 4]);
        assert!((found[0] - 0.25).abs() < 1e-6 && (found[1] - 0.125).abs() < 1e-6 && found[2] == 0.0, "{found:?}");
        assert_eq!(half_tangent([-1.0, 0.0], [0.0, 1.0]), 1.0);
        assert_eq!(
            [0.0, 3.0, 5.0, 10.0, 14.0].map(|s| on_border(s, [4.0, 8.0])),
            [[0.0, 0.0], [0.0, 6.0], [1.0, 8.0], [4.0, 4.0], [2.0, 0.0]]
        );
    }

    proptest! {
        /// Linear values at the nodes are interpolated exactly, and no value is exceeded.
        #[test]
        fn the_membrane_is_linear_and_bounded(
            span in (2usize..60, 2usize..60), at in (0.01f32..0.99, 0.01f32..0.99), slope in (-1.0f32..1.0, -1.0f32..1.0), seed in any::<u64>(),
        ) {
            let sides = [span.0 as f32, span.1 as f32];
            let mut stream = Stream::new(seed, Purpose::Test, 0, 0);
            let plane = |place: [f32; 2]| slope.0 * place[0] / sides[0] + slope.1 * place[1] / sides[1];
            let nodes = std::array::from_fn(|node| [plane(on_border(node as f32, sides)), stream.uniform(), 0.0]);
            let offset = [(at.0 * sides[0]) as usize, (at.1 * sides[1]) as usize];
            let inside = [0, 1].map(|axis| (offset[axis] as f32).clamp(MARGIN, sides[axis] - MARGIN));
            let found = membrane(&nodes, [span.0, span.1], offset);
            prop_assert!((found[0] - plane(inside)).abs() < 2e-3, "{} want {}", found[0], plane(inside));
            let (least, most) = nodes.iter().fold((1.0f32, 0.0f32), |(least, most), node| (least.min(node[1]), most.max(node[1])));
            prop_assert!((least - 1e-5..=most + 1e-5).contains(&found[1]));
        }

        #[test]
        fn any_box_has_a_colour_everywhere(
            (height, width) in (1usize..20, 1usize..20), row in 0usize..20, column in 0usize..20, radius in (1usize..30, 1usize..30),
        ) {
            let x = Image::from_elem((height, width, 3), 0.5);
            let donor = [Image::from_elem((7, 9, 3), 0.25)];
            let found = seamless(&x, &donor, &patch([row % height, column % width], [radius.0, radius.1]));
            let (first, last) = (found.first, [0, 1].map(|axis| found.first[axis] + found.span[axis]));
            for place in (first[0]..=last[0]).flat_map(|row| (first[1]..=last[1]).map(move |column| [row, column])) {
                prop_assert!(found.at(place).iter().all(|v| (v - 0.5).abs() < 1e-5));
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

    /// Largest and root mean square distance of y - d from the solved membrane inside the undeformed disk, relative to the root
    /// mean square of x - d on the border.
    fn distance(x: &Image, donor: &Image) -> [f64; 2] {
        let (n, donors) = (41, std::slice::from_ref(donor));
        let found = seamless(x, donors, &patch([32, 32], [20, 20]));
        let difference = |i: usize, j: usize| f64::from(x[[12 + i, 12 + j, 0]] - found.donor_at([i, j])[0]);
        let solved = harmonic(n, difference);
        let edge = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).filter(|&(i, j)| i % (n - 1) == 0 || j % (n - 1) == 0);
        let border: Vec<f64> = edge.map(|(i, j)| difference(i, j).powi(2)).collect();
        let size = (border.iter().sum::<f64>() / border.len() as f64).sqrt();
        let (mut largest, mut sum, mut count) = (0.0f64, 0.0f64, 0u32);
        for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
            if (i as f64 - 20.0).hypot(j as f64 - 20.0) <= 0.65 * 20.0 {
                let error = f64::from(membrane(&found.nodes, found.span, [i, j])[0]) - solved[i][j];
                largest = largest.max(error.abs());
                sum += error * error;
                count += 1;
            }
        }
        [largest / size, (sum / f64::from(count)).sqrt() / size]
    }

    /// How near the membrane comes to a solved Poisson problem: `paper/method.md` quotes these bounds.
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
        assert!(largest < 0.12 && typical < 0.05, "smooth difference: {largest} and {typical}");
        let [largest, typical] = distance(&noisy, &flat);
        println!("noise: largest {largest:.3}, root mean square {typical:.3}");
        assert!(largest < 0.15 && typical < 0.05, "independent differences: {largest} and {typical}");
    }
}
