//! CPU operations compared with their definitions, on every instruction set.

use super::{
    AdamSpec, AdamStep, Backend, BoxAverage, BoxAverageSpec, Ccm, CcmSpec, CcmWeights, Conv2d, Conv2dOptions, Conv2dSpec, Linear,
    LinearSpec, MaxPool, Objective, ObjectiveSpec, Optimise, Penalty, Pointwise, PoolSpec, Reduce, Sdc, SdcSpec, Update,
    Upsample, UpsampleSpec,
};
use crate::backend::Storage;
use crate::backend::cpu::{Buffer, Cpu, Isa, range, winograd};
use crate::error::Result;
use crate::ops::conv2d::cpu::correlation;
use crate::shape::{Activation, Shape};

mod bits;
mod bounds;
mod matrix;
mod zeros;

/// Reproducible values in [-1, 1).
fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_769) | 1;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A backend for every instruction set of this machine.
fn every_cpu() -> Vec<Cpu> {
    Isa::ALL.into_iter().filter_map(|isa| Cpu::with_isa(isa).ok()).collect()
}

fn close(found: &[f32], wanted: &[f64], what: &str) {
    assert_eq!(found.len(), wanted.len());
    for (i, (&a, &b)) in found.iter().zip(wanted).enumerate() {
        assert!((f64::from(a) - b).abs() <= 1e-4 * (1.0 + b.abs()), "{what} at {i}: {a}, not {b}");
    }
}

fn conv(n: usize, h: usize, w: usize, c_in: usize, c_out: usize, kernel: usize, options: Conv2dOptions) -> Conv2dSpec {
    let weight = Shape::new(&[c_out, kernel, kernel, c_in]).unwrap();
    Conv2dSpec::new(&Shape::new(&[n, h, w, c_in]).unwrap(), &weight, None, options).unwrap()
}

/// Every product of a convolution as (index in y, in x, in w).
fn products(spec: &Conv2dSpec) -> Vec<(usize, usize, usize)> {
    let [n, h, w, c_in, h_out, w_out, c_out, kernel] =
        [spec.n, spec.h, spec.w, spec.c_in, spec.h_out, spec.w_out, spec.c_out, spec.kernel].map(|extent| extent as usize);
    let at = |o: usize, k: usize, len: usize| {
        (o * spec.stride as usize + k * spec.dilation as usize).checked_sub(spec.padding as usize).filter(|&i| i < len)
    };
    let mut all = Vec::new();
    for (image, oy, ox) in (0..n).flat_map(|i| (0..h_out).flat_map(move |y| (0..w_out).map(move |x| (i, y, x)))) {
        for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
            let (Some(iy), Some(ix)) = (at(oy, ky, h), at(ox, kx, w)) else { continue };
            for (co, ci) in (0..c_out).flat_map(|co| (0..c_in).map(move |ci| (co, ci))) {
                let y = ((image * h_out + oy) * w_out + ox) * c_out + co;
                let x = ((image * h + iy) * w + ix) * c_in + ci;
                all.push((y, x, ((co * kernel + ky) * kernel + kx) * c_in + ci));
            }
        }
    }
    all
}

/// y, dx, dw and db of one convolution. The gradients are added to ones.
fn all_passes(cpu: &Cpu, spec: &Conv2dSpec, [x, w, b, dz]: [&[f32]; 4]) -> Result<[Vec<f32>; 4]> {
    let extents = |[n, h, w, c]: [u32; 4]| [n, h, w, c].map(|extent| extent as usize);
    let of_x = |host: &[f32]| image(cpu, &extents([spec.n, spec.h, spec.w, spec.c_in]), host);
    let of_y = |host: &[f32]| image(cpu, &extents([spec.n, spec.h_out, spec.w_out, spec.c_out]), host);
    let (mut y, mut dx) = (of_y(&vec![f32::NAN; dz.len()]), of_x(&vec![1.0; x.len()]));
    let (mut dw, mut db) = (cpu.upload(&vec![1.0; w.len()])?, cpu.upload(&vec![1.0; b.len()])?);
    let (x, w, b, dz) = (of_x(x), cpu.upload(w)?, cpu.upload(b)?, of_y(dz));
    cpu.run(Conv2d::Forward { spec, x: &x, w: &w, b: Some(&b), y: &mut y })?;
    cpu.run(Conv2d::InputGrad { spec, dz: &dz, w: &w, dx: &mut dx, slope: None })?;
    cpu.run(Conv2d::WeightGrad { spec, x: &x, dz: &dz, dw: &mut dw, db: Some(&mut db) })?;
    Ok([y, dx, dw, db].map(|buffer: Buffer| buffer.to_vec()))
}

/// Reproducible values on the device.
fn draw(cpu: &Cpu, len: usize, seed: u32) -> Result<Buffer> {
    cpu.upload(&values(len, seed))
}

/// An image on the device, in the format in which it stores images.
fn image(cpu: &Cpu, extents: &[usize], host: &[f32]) -> Buffer {
    let mut image = cpu.alloc_activation(&Shape::new(extents).unwrap()).unwrap();
    cpu.write(host, &mut image).unwrap();
    image
}

/// `[y, ds, du, dw_mix, db_mix, dw_gate, db_gate]` of one CCM with operands `[s, u, w_mix, b_mix, w_gate, b_gate, dy]`. The
/// gradients are added to `start`.
fn ccm_passes(cpu: &Cpu, spec: &CcmSpec, operands: &[Vec<f32>; 7], start: f32) -> Result<[Buffer; 7]> {
    let [s, u, w_mix, b_mix, w_gate, b_gate, dy] = operands.each_ref();
    let extents = [1, 1, spec.rows as usize, spec.c as usize];
    let [s, u, dy] = [s, u, dy].map(|host| image(cpu, &extents, host));
    let [w_mix, b_mix, w_gate, b_gate] = [w_mix, b_mix, w_gate, b_gate].map(|host| cpu.upload(host).unwrap());
    let weights = CcmWeights::from([&w_mix, &b_mix, &w_gate, &b_gate]);
    let empty = || image(cpu, &extents, &vec![0.0; s.len()]);
    let [mut h, mut beta, mut y] = [empty(), empty(), empty()];
    cpu.run(Ccm::Forward { spec, s: &s, u: &u, weights, saved: Some([&mut h, &mut beta]), y: &mut y })?;
    let grads = [&s, &u, &w_mix, &b_mix, &w_gate, &b_gate].map(|like| {
        let mut gradient = cpu.gradient_of(like).unwrap();
        cpu.write(&vec![start; like.len()], &mut gradient).unwrap();
        gradient
    });
    let [mut ds, mut du, mut dw_mix, mut db_mix, mut dw_gate, mut db_gate] = grads;
    let (weight_grads, saved) = (CcmWeights::from([&mut dw_mix, &mut db_mix, &mut dw_gate, &mut db_gate]), [&h, &beta]);
    cpu.run(Ccm::Grad {
        spec,
        s: &s,
        u: &u,
        weights,
        saved,
        dy: &dy,
        ds: &mut ds,
        du: &mut du,
        slopes: [None, None],
        weight_grads,
    })?;
    Ok([y, ds, du, dw_mix, db_mix, dw_gate, db_gate])
}

fn operands(spec: &Conv2dSpec) -> [Vec<f32>; 4] {
    let x = (spec.n * spec.h * spec.w * spec.c_in) as usize;
    let w = (spec.c_out * spec.kernel * spec.kernel * spec.c_in) as usize;
    let y = (spec.n * spec.h_out * spec.w_out * spec.c_out) as usize;
    [values(x, 1), values(w, 2), values(spec.c_out as usize, 3), values(y, 4)]
}

fn check_conv(cpu: &Cpu, spec: &Conv2dSpec) {
    let [x, w, b, dz] = operands(spec);
    let found = all_passes(cpu, spec, [&x, &w, &b, &dz]).unwrap();
    let c_out = b.len();
    let mut y: Vec<f64> = (0..dz.len()).map(|i| f64::from(b[i % c_out])).collect();
    let (mut dx, mut dw, mut db) = (vec![1.0; x.len()], vec![1.0; w.len()], vec![1.0; c_out]);
    for (yi, xi, wi) in products(spec) {
        y[yi] += f64::from(x[xi]) * f64::from(w[wi]);
        dx[xi] += f64::from(dz[yi]) * f64::from(w[wi]);
        dw[wi] += f64::from(dz[yi]) * f64::from(x[xi]);
    }
    dz.iter().enumerate().for_each(|(i, &dz)| db[i % c_out] += f64::from(dz));
    if spec.activation == Activation::Elu {
        y.iter_mut().for_each(|y| *y = if *y > 0.0 { *y } else { y.exp_m1() });
    }
    for ((found, wanted), what) in found.iter().zip([y, dx, dw, db]).zip(["y", "dx", "dw", "db"]) {
        close(found, &wanted, &format!("{what} of {spec:?} on {cpu:?}"));
    }
}

#[test]
fn convolutions_match_the_definition_on_every_isa() {
    let options = |stride, dilation, padding| Conv2dOptions { stride, dilation, padding, activation: Activation::Elu };
    for cpu in every_cpu() {
        for (kernel, stride, dilation, padding) in
            [(3, 1, 1, 1), (1, 1, 1, 0), (5, 1, 1, 2), (3, 2, 1, 1), (3, 1, 2, 2), (3, 1, 8, 8), (3, 1, 16, 16)]
        {
            check_conv(&cpu, &conv(2, 17, 11, 5, 19, kernel, options(stride, dilation, padding)));
        }
        check_conv(&cpu, &conv(3, 6, 13, 16, 33, 3, options(1, 1, 1)));
        check_conv(&cpu, &conv(1, 5, 4, 3, 48, 3, options(1, 1, 1)));
    }
}

#[test]
fn convolutions_match_for_every_small_geometry() {
    let cpu = Cpu::new();
    for kernel in [1, 3, 5] {
        for (stride, dilation, padding) in (1..=2).flat_map(|s| (1..=3).flat_map(move |d| (0..=4).map(move |p| (s, d, p)))) {
            for (h, w) in [(1, 1), (1, 7), (6, 2), (7, 13)] {
                let reach = dilation * (kernel - 1);
                if h + 2 * padding > reach && w + 2 * padding > reach {
                    let options = Conv2dOptions { stride, dilation, padding, activation: Activation::Identity };
                    check_conv(&cpu, &conv(1, h, w, 2, 3, kernel, options));
                }
            }
        }
    }
}

#[test]
fn sdc_is_the_concatenation_of_its_branches() {
    let cpu = Cpu::new();
    let (x_shape, w_shape) = (Shape::new(&[2, 9, 10, 6]).unwrap(), Shape::new(&[5, 3, 3, 6]).unwrap());
    let spec = SdcSpec::new(&x_shape, &[w_shape; 3], &[1, 4, 16], Activation::Identity).unwrap();
    let x = cpu.upload(&values(x_shape.len(), 1)).unwrap();
    let weights: Vec<Buffer> = (0..3).map(|i| cpu.upload(&values(w_shape.len(), 10 + i)).unwrap()).collect();
    let biases: Vec<Buffer> = (0..3).map(|i| cpu.upload(&values(5, 20 + i)).unwrap()).collect();
    let dz = cpu.upload(&values(2 * 90 * 15, 5)).unwrap();
    let (mut y, mut dx) = (cpu.alloc(dz.len()).unwrap(), cpu.zeros(x.len()).unwrap());
    let zeros = |all: &[Buffer]| all.iter().map(|one| cpu.zeros(one.len()).unwrap()).collect::<Vec<_>>();
    let (mut dw, mut db) = (zeros(&weights), zeros(&biases));
    let (w, b): (Vec<&Buffer>, Vec<&Buffer>) = (weights.iter().collect(), biases.iter().collect());
    cpu.run(Sdc::Forward { spec: &spec, x: &x, w: &w, b: &b, y: &mut y }).unwrap();
    cpu.run(Sdc::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut dx, slope: None }).unwrap();
    cpu.run(Sdc::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut dw, db: &mut db }).unwrap();
    let mut wanted_dx = vec![0.0f64; x.len()];
    for k in 0..3 {
        let branch = |all: &[f32]| all.chunks(15).flat_map(|pixel| pixel[5 * k..5 * k + 5].to_vec()).collect::<Vec<f32>>();
        let [one_y, one_dx, one_dw, one_db] = all_passes(&cpu, &spec.branch(k), [&x, w[k], b[k], &branch(&dz)]).unwrap();
        assert_eq!(branch(&y), one_y);
        close(&dw[k], &one_dw.iter().map(|&v| f64::from(v) - 1.0).collect::<Vec<_>>(), "dw");
        close(&db[k], &one_db.iter().map(|&v| f64::from(v) - 1.0).collect::<Vec<_>>(), "db");
        wanted_dx.iter_mut().zip(one_dx).for_each(|(sum, value)| *sum += f64::from(value) - 1.0);
    }
    close(&dx, &wanted_dx, "dx");
}

#[test]
fn linear_matches_dot_products() {
    let (rows, c_in, c_out) = (401, 7, 35);
    let shape = |dims: &[usize]| Shape::new(dims).unwrap();
    let spec = LinearSpec::new(&shape(&[rows, c_in]), &shape(&[c_out, c_in]), None, Activation::Identity).unwrap();
    let (x, w, dz) = (values(rows * c_in, 1), values(c_out * c_in, 2), values(rows * c_out, 3));
    let (mut y, mut dx, mut dw) = (vec![0.0; dz.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
    for (r, o, i) in (0..rows).flat_map(|r| (0..c_out).flat_map(move |o| (0..c_in).map(move |i| (r, o, i)))) {
        let [xv, wv, zv] = [x[r * c_in + i], w[o * c_in + i], dz[r * c_out + o]].map(f64::from);
        y[r * c_out + o] += xv * wv;
        dx[r * c_in + i] += zv * wv;
        dw[o * c_in + i] += zv * xv;
    }
    for cpu in every_cpu() {
        let [x, w, dz] = [&x, &w, &dz].map(|host| cpu.upload(host).unwrap());
        let [mut found_y, mut found_dx, mut found_dw] = [&y, &dx, &dw].map(|like| cpu.zeros(like.len()).unwrap());
        cpu.run(Linear::Forward { spec: &spec, x: &x, w: &w, b: None, y: &mut found_y }).unwrap();
        cpu.run(Linear::InputGrad { spec: &spec, dz: &dz, w: &w, dx: &mut found_dx }).unwrap();
        cpu.run(Linear::WeightGrad { spec: &spec, x: &x, dz: &dz, dw: &mut found_dw, db: None }).unwrap();
        close(&found_y, &y, "y");
        close(&found_dx, &dx, "dx");
        close(&found_dw, &dw, "dw");
    }
}

/// The CCM's y in f64 from its definition; operands `[s, u, w_mix, b_mix, w_gate, b_gate]`.
fn ccm_definition(c: usize, [s, u, w_mix, b_mix, w_gate, b_gate]: &[Vec<f64>; 6]) -> Vec<f64> {
    let dot = |w: &[f64], x: &[f64]| w.iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
    let mut y = Vec::new();
    for (s, u) in s.chunks(c).zip(u.chunks(c)) {
        let square: Vec<f64> = s.iter().zip(u).map(|(s, u)| (s - u) * (s - u)).collect();
        let joined = [s, u, &square].concat();
        let z = |i: usize| dot(&w_mix[i * 3 * c..][..3 * c], &joined) + b_mix[i];
        let h: Vec<f64> = (0..c).map(|i| if z(i) > 0.0 { z(i) } else { z(i).exp_m1() }).collect();
        for i in 0..c {
            let beta = 1.0 / (1.0 + (-dot(&w_gate[i * c..][..c], &h) - b_gate[i]).exp());
            y.push(beta * s[i] + (1.0 - beta) * u[i]);
        }
    }
    y
}

#[test]
fn ccm_matches_the_definition_and_its_gradients_match_differences() {
    let (rows, c) = (203, 5);
    let lengths = [rows * c, rows * c, 3 * c * c, c, c * c, c, rows * c];
    let host: [Vec<f32>; 7] = std::array::from_fn(|i| values(lengths[i], 30 + i as u32));
    let spec = CcmSpec { rows: rows as u32, c: c as u32 };
    let [s, u, .., dy] = &host;
    let loss =
        |operands: &[Vec<f64>; 6]| ccm_definition(c, operands).iter().zip(dy).map(|(y, &dy)| y * f64::from(dy)).sum::<f64>();
    let wide: [Vec<f64>; 6] = std::array::from_fn(|i| host[i].iter().map(|&v| f64::from(v)).collect());
    for cpu in every_cpu() {
        let [y, grads @ ..] = ccm_passes(&cpu, &spec, &host, 1.0).unwrap();
        close(&y, &ccm_definition(c, &wide), "y");
        for ((&y, &s), &u) in y.iter().zip(s).zip(u) {
            assert!(y >= s.min(u) && y <= s.max(u));
        }
        for (operand, index) in (0..6).flat_map(|operand| (0..lengths[operand]).step_by(17).map(move |i| (operand, i))) {
            let shifted = |step: f64| {
                let mut moved = wide.clone();
                moved[operand][index] += step;
                loss(&moved)
            };
            let wanted = 1.0 + (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            close(&[grads[operand][index]], &[wanted], &format!("gradient {operand}, element {index}"));
        }
    }
}

#[test]
fn the_first_of_equal_maxima_gets_the_gradient() {
    let cpu = Cpu::new();
    let spec = PoolSpec::new(&Shape::new(&[1, 3, 5, 1]).unwrap(), 2).unwrap();
    let x = cpu.upload(&[1.0, 2.0, 7.0, 7.0, 0.0, 2.0, 2.0, 7.0, 7.0, 9.0, 5.0, 5.0, 5.0, 5.0, 5.0]).unwrap();
    let v = cpu.upload(&(0..15).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    let mut y = cpu.alloc(2).unwrap();
    cpu.run(MaxPool::Forward { spec: &spec, x: &x, v: &v, y: &mut y }).unwrap();
    assert_eq!(y[..], [1.0, 2.0]);
    let mut dv = cpu.zeros(15).unwrap();
    cpu.run(MaxPool::InputGrad { spec: &spec, x: &x, dy: &cpu.upload(&[3.0, 4.0]).unwrap(), dv: &mut dv, slope: None }).unwrap();
    assert_eq!(dv[..4], [0.0, 3.0, 4.0, 0.0]);
    assert_eq!(dv[4..].iter().sum::<f32>(), 0.0);
}

#[test]
fn upsampling_of_two_rows_matches_known_values_and_its_adjoint_is_exact() {
    let cpu = Cpu::new();
    let spec = UpsampleSpec::new(&Shape::new(&[1, 2, 1, 1]).unwrap()).unwrap();
    let mut y = cpu.alloc(8).unwrap();
    cpu.run(Upsample::Forward { spec: &spec, x: &cpu.upload(&[0.0, 4.0]).unwrap(), y: &mut y }).unwrap();
    assert_eq!(y[..], [0.0, 0.0, 1.0, 1.0, 3.0, 3.0, 4.0, 4.0]);
    let spec = UpsampleSpec::new(&Shape::new(&[2, 3, 5, 4]).unwrap()).unwrap();
    let (x, dy) = (cpu.upload(&values(120, 1)).unwrap(), cpu.upload(&values(480, 2)).unwrap());
    let (mut y, mut dx) = (cpu.alloc(480).unwrap(), cpu.zeros(120).unwrap());
    cpu.run(Upsample::Forward { spec: &spec, x: &x, y: &mut y }).unwrap();
    cpu.run(Upsample::InputGrad { spec: &spec, dy: &dy, dx: &mut dx, slope: None }).unwrap();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    assert!((dot(&y, &dy) - dot(&x, &dx)).abs() < 1e-4);
}

#[test]
fn objective_derivatives_match_differences_and_empty_regions_contribute_nothing() {
    let cpu = Cpu::new();
    let (output, target) = (Shape::new(&[2, 2, 3, 2]).unwrap(), Shape::new(&[2, 2, 3, 1]).unwrap());
    let mask: Vec<f32> = [1.0, 0.0, 0.0, 1.0, 0.0, 1.0].into_iter().chain([0.0; 6]).collect();
    for penalty in [Penalty::Squared, Penalty::Charbonnier] {
        let spec = ObjectiveSpec::new(&output, &output, &target, penalty, 0.7, 0.3).unwrap();
        let (x, m) = (cpu.upload(&values(24, 2)).unwrap(), cpu.upload(&mask).unwrap());
        let at = |host: &[f32], order: u32| {
            let host = cpu.upload(host).unwrap();
            let mut result = cpu.alloc(if order == 0 { 1 } else { 24 }).unwrap();
            match order {
                0 => cpu.run(Objective::Loss { spec: &spec, output: &host, target: &x, mask: &m, loss: &mut result }).unwrap(),
                _ => cpu
                    .run(Objective::Derivative { spec: &spec, order, output: &host, target: &x, mask: &m, d: &mut result })
                    .unwrap(),
            }
            result.to_vec()
        };
        let f = values(24, 1);
        for (order, index) in (0..3).flat_map(|order| (0..24).map(move |i| (order, i))) {
            let step = 0.01f32;
            let moved = |step: f32| {
                let mut moved = f.clone();
                moved[index] += step;
                let all = at(&moved, order);
                all[if order == 0 { 0 } else { index }]
            };
            let wanted = (moved(step) - moved(-step)) / (2.0 * step);
            let found = at(&f, order + 1)[index];
            assert!((found - wanted).abs() < 2e-3 * (1.0 + wanted.abs()), "{penalty:?} {order} {index}: {found} {wanted}");
        }
        if penalty == Penalty::Squared {
            let rho = |i: usize| f64::from(f[i] - x[i]).powi(2);
            let first = |m: f32| (0..12).filter(|i| mask[i / 2] == m).map(rho).sum::<f64>() / 6.0;
            let second = (12..24).map(rho).sum::<f64>() / 12.0;
            let wanted = (0.3 * first(0.0) + 0.7 * first(1.0) + 0.3 * second) / 2.0;
            assert!((f64::from(at(&f, 0)[0]) - wanted).abs() < 1e-6);
        }
    }
}

#[test]
fn wrong_lengths_are_errors() {
    let cpu = Cpu::new();
    let spec = conv(1, 4, 4, 2, 3, 3, Conv2dOptions::same(3, 1, Activation::Identity));
    let [x, w, y] = [32, 54, 48].map(|len| cpu.zeros(len).unwrap());
    let mut short = cpu.zeros(47).unwrap();
    assert!(cpu.run(Conv2d::Forward { spec: &spec, x: &x, w: &w, b: None, y: &mut short }).is_err());
    assert!(cpu.run(Conv2d::InputGrad { spec: &spec, dz: &y, w: &w, dx: &mut short, slope: None }).is_err());
    assert!(cpu.run(Conv2d::WeightGrad { spec: &spec, x: &x, dz: &y, dw: &mut short, db: None }).is_err());
    assert!(cpu.run(Conv2d::Forward { spec: &spec, x: &x, w: &y, b: None, y: &mut cpu.zeros(48).unwrap() }).is_err());
}
