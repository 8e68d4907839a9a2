use super::exact::{direction, fade_in};
use super::field::{Address, FieldUse, lerp};
use super::options::Shape;

/// A Perlin shape as drawn: `{v > threshold}` of one noise v, or of the larger or smaller of two.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PerlinPlan {
    pub combination: Combination,
    /// The first noise, and the second if there are two.
    pub noises: [Noise; 2],
}

/// How many noises make a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Combination {
    One,
    /// The union of two shapes: the larger noise exceeds the threshold.
    Union,
    /// Their intersection: the smaller noise exceeds it.
    Intersection,
}

/// A Perlin noise over the whole image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Noise {
    /// Cells along the rows' axis and along the columns' axis, before the noise is turned.
    pub cells: [usize; 2],
    /// Cosine and sine of the angle by which it is turned about the centre of the image.
    pub turn: [f32; 2],
}

/// The shape of patch `number`; `None` for a deformed disk. Block 0 of the patch's further choices has disk or Perlin, and the
/// combination; blocks 1 and 2 have cells along both axes and the angle of each noise.
pub(super) fn draw(shape: &Shape, address: Address, number: u32) -> Option<PerlinPlan> {
    let choices = |block| address.uniforms(number, FieldUse::Choices, block);
    let [kind, combination, ..] = choices(0);
    let noise = |block| {
        let [rows, columns, angle, _] = choices(block);
        let exponents = shape.cells.trailing_zeros();
        let cells = [rows, columns].map(|u| 1 << ((u * (exponents + 1) as f32) as u32).min(exponents));
        // π u is turned back by a quarter turn: uniform in ± 90 degrees.
        let [cosine, sine] = direction(0.5 * angle);
        Noise { cells, turn: [sine, -cosine] }
    };
    let combination = match combination {
        u if u < shape.union => Combination::Union,
        u if u < shape.union + shape.intersection => Combination::Intersection,
        _ => Combination::One,
    };
    (kind < shape.perlin).then(|| PerlinPlan { combination, noises: [noise(1), noise(2)] })
}

/// The soft mask of a Perlin shape.
///
/// `M = s((v - T) / (softness (1 - T)))` with the threshold T and the smoothstep s, so that softness 0 is DRAEM's hard edge. v is
/// √2 times the noise of Perlin (2002): at each node of a grid over the image stands a random unit vector; at a point with
/// position t in its cell, the products of the four vectors with the offsets from their nodes are interpolated with the weights
/// `6t⁵ - 15t⁴ + 10t³`, first along the row. The noise is turned about the image's centre; outside its grid v is 0, as in DRAEM.
/// A shape may be empty.
pub(super) struct Perlin {
    combination: Combination,
    noises: Vec<Lattice>,
    threshold: f32,
    fade: f32,
}

/// A Perlin noise with its gradients.
struct Lattice {
    noise: Noise,
    /// Half the image's sides, from the centre of the first pixel to that of the last.
    middle: [f32; 2],
    /// Cells per pixel.
    scale: [f32; 2],
    /// `[cells[0] + 1, cells[1] + 1]` unit vectors.
    gradients: Vec<[f32; 2]>,
}

impl Perlin {
    /// The shape of patch `number` in an image of `extent` [height, width].
    pub fn new(address: Address, number: u32, plan: &PerlinPlan, softness: f32, threshold: f32, extent: [usize; 2]) -> Self {
        let count = if plan.combination == Combination::One { 1 } else { 2 };
        let fields = [FieldUse::Perlin, FieldUse::SecondPerlin];
        let lattice =
            |(noise, field): (&Noise, FieldUse)| Lattice::new(*noise, extent, |node| address.uniforms(number, field, node)[0]);
        Self {
            combination: plan.combination,
            noises: plan.noises.iter().zip(fields).take(count).map(lattice).collect(),
            threshold,
            fade: softness * (1.0 - threshold),
        }
    }

    /// M at a pixel, in [0, 1].
    pub fn at(&self, place: [usize; 2]) -> f32 {
        let values = self.noises.iter().map(|lattice| lattice.at(place));
        let v = match self.combination {
            Combination::Intersection => values.fold(f32::INFINITY, f32::min),
            Combination::One | Combination::Union => values.fold(f32::NEG_INFINITY, f32::max),
        };
        fade_in(v - self.threshold, self.fade)
    }
}

impl Lattice {
    /// `angle` gives the uniform number in [0, 1) of a node.
    fn new(noise: Noise, extent: [usize; 2], angle: impl Fn(u32) -> f32) -> Self {
        let nodes = (noise.cells[0] + 1) * (noise.cells[1] + 1);
        Self {
            noise,
            middle: extent.map(|length| 0.5 * (length - 1) as f32),
            scale: std::array::from_fn(|axis| noise.cells[axis] as f32 / extent[axis] as f32),
            gradients: (0..nodes).map(|node| direction(angle(node as u32))).collect(),
        }
    }

    fn at(&self, place: [usize; 2]) -> f32 {
        let [down, right]: [f32; 2] = std::array::from_fn(|axis| place[axis] as f32 - self.middle[axis]);
        let [cosine, sine] = self.noise.turn;
        let turned = [cosine * down - sine * right, sine * down + cosine * right];
        let cells = self.noise.cells.map(|cells| cells as f32);
        let g: [f32; 2] = std::array::from_fn(|axis| turned[axis] * self.scale[axis] + 0.5 * cells[axis]);
        if g[0] < 0.0 || g[1] < 0.0 || g[0] >= cells[0] || g[1] >= cells[1] {
            return 0.0;
        }
        let (i, j) = (g[0] as usize, g[1] as usize);
        let t = [g[0] - i as f32, g[1] - j as f32];
        let product = |a: usize, b: usize| {
            let gradient = self.gradients[(i + a) * (self.noise.cells[1] + 1) + j + b];
            gradient[0] * (t[0] - a as f32) + gradient[1] * (t[1] - b as f32)
        };
        let weight = t.map(|t| t * t * t * (t * (t * 6.0 - 15.0) + 10.0));
        let upper = lerp(product(0, 0), product(0, 1), weight[1]);
        let lower = lerp(product(1, 0), product(1, 1), weight[1]);
        std::f32::consts::SQRT_2 * lerp(upper, lower, weight[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STRAIGHT: [f32; 2] = [1.0, 0.0];

    fn lattice(cells: [usize; 2], turn: [f32; 2], extent: [usize; 2], angle: impl Fn(u32) -> f32) -> Lattice {
        Lattice::new(Noise { cells, turn }, extent, angle)
    }

    #[test]
    fn one_cell_by_hand() {
        // A pixel centre at (½, ½) of one cell: the mean of the four products, where offsets are ± ½.
        let middle = lattice([1, 1], STRAIGHT, [3, 3], |_| 0.0);
        assert_eq!(middle.at([1, 1]), 0.0);
        // Vectors along the rows' axis at the upper nodes, against it at the lower ones: each product is ½.
        let hill = lattice([1, 1], STRAIGHT, [3, 3], |node| if node < 2 { 0.0 } else { 0.5 });
        assert!((hill.at([1, 1]) - 0.5 * 2.0f32.sqrt()).abs() < 1e-6);
        // At row 0, t = 1/6: products 1/6 above, 5/6 below, and the weight 6t⁵ - 15t⁴ + 10t³ = 276/7776.
        let want = 2f64.sqrt() * (1.0 / 6.0 + 276.0 / 7776.0 * (5.0 / 6.0 - 1.0 / 6.0));
        for column in 0..3 {
            assert!((f64::from(hill.at([0, column])) - want).abs() < 1e-6, "{} want {want}", hill.at([0, column]));
        }
    }

    #[test]
    fn a_quarter_turn_exchanges_the_axes() {
        let angle = |node: u32| (node as f32 * 0.37).fract();
        let (straight, turned) = (lattice([4, 2], STRAIGHT, [16, 16], angle), lattice([4, 2], [0.0, 1.0], [16, 16], angle));
        for (row, column) in [(0, 0), (3, 9), (15, 2)] {
            assert_eq!(turned.at([row, column]), straight.at([15 - column, row]));
        }
    }

    #[test]
    fn outside_the_turned_grid_there_is_nothing() {
        let half = 0.5f32.sqrt();
        let diamond = lattice([1, 1], [half, half], [64, 64], |node| if node < 2 { 0.0 } else { 0.5 });
        assert_eq!(diamond.at([0, 0]), 0.0);
        assert!(diamond.at([32, 32]) > 0.6);
    }

    fn address(index: u32) -> Address {
        Address { seed: 5, step: 6, index }
    }

    fn shape(union: f32, intersection: f32) -> Shape {
        Shape { perlin: 1.0, union, intersection, ..Shape::default() }
    }

    /// v does not exceed √2 · √½ = 1, and is continuous: the steps of a fine grid are small.
    #[test]
    fn the_noise_is_bounded_and_reaches_far() {
        let (mut largest, mut inside, mut count) = (0.0f32, 0, 0);
        for index in 0..60 {
            let plan = draw(&shape(0.0, 0.0), address(index), 0).unwrap();
            let lattice = Lattice::new(plan.noises[0], [48, 48], |node| address(index).uniforms(0, FieldUse::Perlin, node)[0]);
            for place in (0..48).flat_map(|row| (0..48).map(move |column| [row, column])) {
                let v = lattice.at(place);
                largest = largest.max(v.abs());
                inside += usize::from(v > 0.5);
                count += 1;
            }
        }
        assert!((0.85..1.0 + 1e-5).contains(&largest), "{largest}");
        let share = inside as f64 / f64::from(count);
        assert!((0.04..0.16).contains(&share), "{share} of the pixels are inside");
    }

    #[test]
    fn cells_and_angles_cover_their_ranges() {
        let plans: Vec<_> = (0..2000).map(|index| draw(&shape(0.25, 0.5), address(index), 3).unwrap()).collect();
        for axis in 0..2 {
            for cells in [1, 2, 4, 8, 16, 32] {
                let share = plans.iter().filter(|plan| plan.noises[0].cells[axis] == cells).count() as f64 / 2000.0;
                // Five standard errors: 5 sqrt(5/36/2000).
                assert!((share - 1.0 / 6.0).abs() < 0.042, "{cells} cells: {share}");
            }
        }
        for (combination, want) in [(Combination::One, 0.25), (Combination::Union, 0.25), (Combination::Intersection, 0.5)] {
            let share = plans.iter().filter(|plan| plan.combination == combination).count() as f64 / 2000.0;
            assert!((share - want).abs() < 0.056, "{combination:?}: {share}");
        }
        // Cosines of angles within 90 degrees are not negative; half of the angles are within 45 degrees.
        assert!(plans.iter().all(|plan| plan.noises[1].turn[0] >= -1e-6));
        let within = plans.iter().filter(|plan| plan.noises[1].turn[0] > 0.5f32.sqrt()).count() as f64 / 2000.0;
        assert!((within - 0.5).abs() < 0.056, "{within}");
        assert_eq!(draw(&Shape::default(), address(0), 0), None);
    }

    proptest! {
        #[test]
        fn unions_and_intersections_are_those_of_the_single_shapes(index in any::<u32>(), softness in 0.0f32..1.0) {
            let (extent, address) = ([20, 30], address(index));
            let mut plan = draw(&shape(1.0, 0.0), address, 1).unwrap();
            let mut of = |combination| {
                plan.combination = combination;
                Perlin::new(address, 1, &plan, softness, 0.3, extent)
            };
            let (union, intersection, first) = (of(Combination::Union), of(Combination::Intersection), of(Combination::One));
            let second = Lattice::new(plan.noises[1], extent, |node| address.uniforms(1, FieldUse::SecondPerlin, node)[0]);
            for place in (0..20).flat_map(|row| (0..30).map(move |column| [row, column])) {
                let (a, b) = (first.at(place), fade_in(second.at(place) - 0.3, softness * 0.7));
                prop_assert_eq!(union.at(place), a.max(b));
                prop_assert_eq!(intersection.at(place), a.min(b));
            }
        }
    }
}
