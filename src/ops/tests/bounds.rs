//! Error bound of each element against exact sums: `k u Σ|x||w|`, where u is the unit roundoff.
//!
//! Winograd's transforms mix the pixels of a tile, so an output with small terms also gets the rounding error of its neighbours.
//! For the operands here, all of similar size, k is at most 15 (at 8 channels); the tests allow 32. If one pixel is much larger
//! than its neighbours, the bound fails at the neighbours, but it still holds with the largest sum of the tile. Rounding both
//! operands to bf16 alone gives `2 u + u²` with u = 2⁻⁸.

use super::*;

/// Largest k of Winograd's sums.
const WINOGRAD: f64 = 32.0;

const U: f64 = f32::EPSILON as f64 / 2.0;

/// Exact results of a convolution and the sums of the absolute values of their terms, each `[y, dx, dw]`.
struct Exact {
    values: [Vec<f64>; 3],
    sizes: [Vec<f64>; 3],
}

impl Exact {
    fn new(spec: &Conv2dSpec, [x, w, dz]: [&[f32]; 3]) -> Self {
        let zeros = || [vec![0.0; dz.len()], vec![0.0; x.len()], vec![0.0; w.len()]];
        let (mut values, mut sizes) = (zeros(), zeros());
        for (yi, xi, wi) in products(spec) {
            let [x, w, dz] = [x[xi], w[wi], dz[yi]].map(f64::from);
            for (pass, (at, term)) in [(yi, x * w), (xi, dz * w), (wi, dz * x)].into_iter().enumerate() {
                values[pass][at] += term;
                sizes[pass][at] += term.abs();
            }
        }
        Self { values, sizes }
    }

    /// Largest `|found - exact| / size` of each pass.
    fn errors(&self, found: [&[f32]; 3]) -> [f64; 3] {
        std::array::from_fn(|pass| {
            let elements = found[pass].iter().zip(&self.values[pass]).zip(&self.sizes[pass]);
            elements
                .map(|((&found, exact), size)| (f64::from(found) - exact).abs() / size.max(f64::MIN_POSITIVE))
                .fold(0.0, f64::max)
        })
    }
}

/// y, dx and dw without bias, added to zeros.
fn passes(cpu: &Cpu, spec: &Conv2dSpec, [x, w, dz]: [&[f32]; 3]) -> [Vec<f32>; 3] {
    let images = [(x, [spec.n, spec.h, spec.w, spec.c_in]), (dz, [spec.n, spec.h_out, spec.w_out, spec.c_out])];
    let [x, dz] = images.map(|(host, extents)| image(cpu, &extents.map(|extent| extent as usize), host));
    let w = cpu.upload(w).unwrap();
    let [mut y, mut dx, mut dw] = [&dz, &x, &w].map(|like| cpu.gradient_of(like).unwrap());
    cpu.run(Conv2d::Forward { spec, x: &x, w: &w, b: None, y: &mut y }).unwrap();
    cpu.run(Conv2d::InputGrad { spec, dz: &dz, w: &w, dx: &mut dx, slope: None }).unwrap();
    cpu.run(Conv2d::WeightGrad { spec, x: &x, dz: &dz, dw: &mut dw, db: None }).unwrap();
    [y, dx, dw].map(|buffer| buffer.to_vec())
}

#[test]
fn winograd_rounding_errors_are_bounded_on_every_isa() {
    // Partial tiles and dilation; many channels; one task per product; groups of images; a second slab of the weight gradient.
    for (n, [h, w], [c_in, c_out], dilation) in [
        (2, [8, 8], [8, 8], 1),
        (2, [13, 10], [64, 24], 1),
        (2, [16, 19], [20, 33], 2),
        (2, [6, 7], [256, 16], 1),
        (1, [13, 12], [96, 90], 1),
        (9, [8, 7], [8, 8], 1),
        (2, [88, 87], [8, 8], 1),
    ] {
        let spec = conv(n, h, w, c_in, c_out, 3, Conv2dOptions::same(3, dilation, Activation::Identity));
        assert!(winograd::pays(&correlation(&spec, range::ChannelRange::all(c_out))), "{spec:?}");
        let [x, weights, _, dz] = operands(&spec);
        // One non-negative input, like activations, so that errors do not cancel.
        for x in [x.clone(), x.iter().map(|x| x.abs()).collect()] {
            let exact = Exact::new(&spec, [&x, &weights, &dz]);
            for cpu in every_cpu() {
                let found = passes(&cpu, &spec, [&x, &weights, &dz]);
                let errors = exact.errors(found.each_ref().map(|pass| &pass[..]));
                assert!(
                    errors.iter().all(|&error| error <= WINOGRAD * U),
                    "{:?} of u for {spec:?} on {cpu:?}",
                    errors.map(|e| e / U)
                );
            }
        }
    }
}

#[test]
fn a_large_pixel_affects_only_its_tile() {
    let spec = conv(1, 16, 16, 16, 16, 3, Conv2dOptions::same(3, 1, Activation::Identity));
    let [mut x, w, _, dz] = operands(&spec);
    // In the middle of the second tile of the second row of tiles.
    x[(6 * 16 + 6) * 16..][..16].iter_mut().for_each(|x| *x *= 1e4);
    let exact = Exact::new(&spec, [&x, &w, &dz]);
    let largest = exact.sizes[0].iter().copied().fold(0.0, f64::max);
    for cpu in every_cpu() {
        let [y, ..] = passes(&cpu, &spec, [&x, &w, &dz]);
        for (i, (&y, (value, size))) in y.iter().zip(exact.values[0].iter().zip(&exact.sizes[0])).enumerate() {
            let (row, column) = (i / 16 / 16, i / 16 % 16);
            let size = if (4..8).contains(&row) && (4..8).contains(&column) { largest } else { *size };
            assert!((f64::from(y) - value).abs() <= WINOGRAD * U * size, "{row} {column} on {cpu:?}: {y}, not {value}");
        }
    }
}

#[test]
fn bf16_rounds_the_operands_and_nothing_else() {
    let (u, options) = (2.0_f64.powi(-8), |kernel, dilation| Conv2dOptions::same(kernel, dilation, Activation::Identity));
    for spec in [
        conv(2, 7, 9, 64, 32, 1, options(1, 1)),
        conv(1, 9, 11, 32, 64, 3, options(3, 6)),
        conv(1, 8, 8, 32, 64, 3, options(3, 1)),
    ] {
        let [x, w, _, dz] = operands(&spec);
        let exact = Exact::new(&spec, [&x, &w, &dz]);
        for cpu in every_cpu() {
            let [f32, bf16] = [cpu.clone(), cpu.with_bf16()].map(|cpu| passes(&cpu, &spec, [&x, &w, &dz]));
            let errors = exact.errors(bf16.each_ref().map(|pass| &pass[..]));
            assert!(errors.iter().all(|&error| error <= 2.0 * u + u * u + WINOGRAD * U), "{errors:?} for {spec:?} on {cpu:?}");
            let changed: [bool; 3] = std::array::from_fn(|pass| f32[pass] != bf16[pass]);
            assert_eq!(changed, [true; 3], "{spec:?} on {cpu:?}");
        }
    }
}

#[test]
fn ccm_in_bf16_is_close_to_f32() {
    let (rows, c) = (203, 32);
    let spec = CcmSpec { rows: rows as u32, c: c as u32 };
    let scaled = |len: usize, seed: u32| values(len, seed).iter().map(|value| value / (c as f32).sqrt()).collect::<Vec<_>>();
    let [s, u, dy] = [1, 2, 3].map(|seed| values(rows * c, seed));
    let operands = [s, u, scaled(3 * c * c, 4), values(c, 5), scaled(c * c, 6), values(c, 7), dy];
    for cpu in every_cpu() {
        let run = |cpu: &Cpu| ccm_passes(cpu, &spec, &operands, 0.0).unwrap();
        for (which, (wide, narrow)) in run(&cpu).iter().zip(run(&cpu.with_bf16())).enumerate() {
            let norm = |values: &[f32]| values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            let difference: Vec<f32> = wide.iter().zip(narrow.iter()).map(|(a, b)| a - b).collect();
            let relative = norm(&difference) / norm(wide);
            assert!(relative > 0.0 && relative < 0.01, "result {which} on {cpu:?}: {relative}");
        }
    }
}
