use orthoscope::Result;
use orthoscope::ops::{Backend, Objective, ObjectiveSpec, Penalty};
use orthoscope::tape::Tensor;

use super::common::*;

on_every_backend!(
    golden_numbers,
    empty_regions,
    fractional_masks,
    agrees_with_definition,
    derivatives_agree_with_oracle,
    other_orders_are_rejected,
    short_operands_are_rejected
);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[exercise!("objective", Tiled, every_call), exercise!("objective, naive", Naive, every_call)];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    let (image, mask) = (shape(&[2, 23, 17, 3]), shape(&[2, 23, 17, 1]));
    SpecValue::of(&ObjectiveSpec::new(&image, &image, &mask, Penalty::Charbonnier, 0.3, 0.1).unwrap())
}

/// The mask of a case: both regions in every image, or soft values.
#[derive(Clone, Copy)]
enum Mask {
    Binary,
    Soft,
}

struct Case {
    spec: ObjectiveSpec,
    output: Vec<f64>,
    target: Vec<f64>,
    mask: Vec<f64>,
}

impl Case {
    fn random(extents: [usize; 4], mask: Mask, penalty: Penalty, lambda: f64) -> Self {
        let [n, h, w, _] = extents;
        let (x, m) = (shape(&extents), shape(&[n, h, w, 1]));
        let spec = ObjectiveSpec::new(&x, &x, &m, penalty, lambda, 0.125).unwrap();
        let soft = random_between(2, m.len(), 0.0, 1.0);
        let mask = match mask {
            Mask::Binary => soft.into_iter().map(|m| f64::from(m > 0.75)).collect(),
            Mask::Soft => soft,
        };
        Self { spec, output: random(0, x.len()), target: random(1, x.len()), mask }
    }

    fn all() -> Vec<Self> {
        let (ragged, square, large) = ([3, 17, 23, 5], [2, 8, 8, 4], [2, 41, 101, 1]);
        [Penalty::Squared, Penalty::Charbonnier]
            .into_iter()
            .flat_map(|penalty| {
                [
                    Self::random(ragged, Mask::Binary, penalty, 0.9),
                    Self::random(ragged, Mask::Soft, penalty, 0.25),
                    Self::random(square, Mask::Binary, penalty, 0.0),
                    Self::random(square, Mask::Soft, penalty, 1.0),
                    Self::random(large, Mask::Soft, penalty, 0.75),
                ]
            })
            .collect()
    }

    fn loss<B: Backend>(&self, backend: &B) -> f64 {
        let [output, target, mask] = [&self.output, &self.target, &self.mask].map(|host| upload(backend, host));
        let [loss] = overwritten(backend, [1], |[loss]| {
            backend.run(Objective::Loss { spec: &self.spec, output: &output, target: &target, mask: &mask, loss })
        });
        loss[0]
    }

    fn derivative<B: Backend>(&self, backend: &B, order: u32) -> Vec<f64> {
        let [output, target, mask] = [&self.output, &self.target, &self.mask].map(|host| upload(backend, host));
        let operands = [&output, &target, &mask];
        let [d] = overwritten(backend, [self.output.len()], |[d]| {
            backend.run(Objective::Derivative {
                spec: &self.spec,
                order,
                output: operands[0],
                target: operands[1],
                mask: operands[2],
                d,
            })
        });
        d
    }
}

/// Two images of one pixel column with two channels: the errors of a pixel are (1, 2) times its row.
fn small(mask: [f64; 4], penalty: Penalty, lambda: f64) -> Case {
    let x = shape(&[2, 2, 1, 2]);
    let spec = ObjectiveSpec::new(&x, &x, &shape(&[2, 2, 1, 1]), penalty, lambda, 0.75).unwrap();
    let target = vec![0.5; 8];
    let output = [1.0, 2.0, 2.0, 4.0, 1.0, 2.0, 2.0, 4.0].map(|e| 0.5 + e).to_vec();
    Case { spec, output, target, mask: mask.to_vec() }
}

fn golden_numbers<B: Backend>(backend: &B) {
    // Sums of squares: 5 over the first pixel of an image, 20 over the second. Each region of image 1 has one pixel and norm 2:
    // ¾·5/2 + ¼·20/2 = 4.375. Image 2 has M = ½ everywhere, both norms 2: (¾ + ¼)·½·25/2 = 6.25. The mean is 5.3125.
    let case = small([0.0, 1.0, 0.5, 0.5], Penalty::Squared, 0.25);
    assert_close("loss", &[case.loss(backend)], &[5.3125], tolerance::<B>());
    // 2e times ((1-λ)/2, λ/2) for the two pixels of image 1 and ¼ for those of image 2, halved by the mean.
    let first = [0.375, 0.75, 0.25, 0.5, 0.25, 0.5, 0.5, 1.0];
    assert_close("first derivative", &case.derivative(backend, 1), &first, tolerance::<B>());
    let second = [0.375, 0.375, 0.125, 0.125, 0.25, 0.25, 0.25, 0.25];
    assert_close("second derivative", &case.derivative(backend, 2), &second, tolerance::<B>());
    assert_eq!(case.derivative(backend, 3), [0.0; 8]);

    // ε = ¾ and e = 1: r = 1¼, ρ = 1.5 (1.25 - 0.75) = 0.75; e = 2, 4 by the formula.
    let case = small([1.0; 4], Penalty::Charbonnier, 1.0);
    let rho = |e: f64| 1.5 * ((e * e + 0.5625).sqrt() - 0.75);
    let expected = (0.75 + rho(2.0) + rho(2.0) + rho(4.0)) / 4.0;
    assert_close("Charbonnier", &[case.loss(backend)], &[expected], tolerance::<B>());
    // ρ'(1) = 1.5 / 1.25 = 1.2, ρ''(1) = 2 · 0.6³ = 0.432, ρ'''(1) = -6 · 0.6³ / 1.25² = -0.82944; weight 1/8.
    for (order, expected) in [(1, 1.2), (2, 0.432), (3, -0.829_44)] {
        assert_close("Charbonnier derivative", &case.derivative(backend, order)[..1], &[expected / 8.0], tolerance::<B>());
    }
}

/// Weights in [0, 1] instead of a region: each term is a weighted mean, however small the weights are.
fn fractional_masks<B: Backend>(backend: &B) {
    // Sums of squares 5 and 20. Image 1: both norms are 2, ΣMρ = ¼·5 + ¾·20 = 16¼, ΣM̄ρ = ¾·5 + ¼·20 = 8¾, L = ¾·8.75/2 +
    // ¼·16.25/2 = 5.3125. Image 2: ‖M‖ = 0.4 and ΣMρ = 4, ‖M̄‖ = 3.6 and ΣM̄ρ = 5 + 16, L = ¾·21/3.6 + ¼·10 = 6.875.
    let case = small([0.25, 0.75, 0.0, 0.2], Penalty::Squared, 0.25);
    assert_close("loss", &[case.loss(backend)], &[(5.3125 + 6.875) / 2.0], tolerance::<B>());
    let first = [0.3125, 0.625, 0.375, 0.75, 5.0 / 24.0, 5.0 / 12.0, 7.0 / 12.0, 7.0 / 6.0];
    assert_close("first derivative", &case.derivative(backend, 1), &first, tolerance::<B>());
    // The pixel of the smallest weight alone has all of λ.
    let case = small([0.0, 1e-6, 0.0, 1e-6], Penalty::Squared, 1.0);
    assert_close("loss", &[case.loss(backend)], &[10.0], tolerance::<B>());
}

/// A region without pixels contributes 0 to the loss and its derivatives, and the other region keeps its weight.
fn empty_regions<B: Backend>(backend: &B) {
    // Image 1 has no corrupted pixel: ¾·25/4. Image 2 has no clean pixel: ¼·25/4.
    let case = small([0.0, 0.0, 1.0, 1.0], Penalty::Squared, 0.25);
    assert_close("loss", &[case.loss(backend)], &[25.0 / 8.0], tolerance::<B>());
    let first = [0.1875, 0.375, 0.375, 0.75, 0.0625, 0.125, 0.125, 0.25];
    assert_close("first derivative", &case.derivative(backend, 1), &first, tolerance::<B>());
    // All weight is on an empty region.
    let case = small([0.0; 4], Penalty::Charbonnier, 1.0);
    assert_eq!(case.loss(backend), 0.0);
    assert_eq!((1..=3).map(|order| case.derivative(backend, order)).collect::<Vec<_>>(), [[0.0; 8]; 3]);
}

/// Method §3 with the mask written out over the channels, image by image.
fn by_definition(case: &Case) -> f64 {
    let Case { spec, output, target, mask } = case;
    let channels = spec.channels as usize;
    let per_image = (spec.pixels * spec.channels) as usize;
    let full: Vec<f64> = mask.iter().flat_map(|&m| std::iter::repeat_n(m, channels)).collect();
    let images = output.chunks(per_image).zip(target.chunks(per_image)).zip(full.chunks(per_image));
    let losses = images.map(|((output, target), m)| {
        let errors: Vec<f64> = output.iter().zip(target).map(|(output, target)| output - target).collect();
        let rho: Vec<f64> = match spec.penalty {
            Penalty::Squared => errors.iter().map(|e| e.powi(2)).collect(),
            Penalty::Charbonnier => {
                errors.iter().map(|e| 2.0 * spec.epsilon * ((e.powi(2) + spec.epsilon.powi(2)).sqrt() - spec.epsilon)).collect()
            }
        };
        let clean: Vec<f64> = m.iter().map(|m| 1.0 - m).collect();
        let share = |m: &[f64]| dot(m, &rho) / m.iter().sum::<f64>();
        (1.0 - spec.lambda) * share(&clean) + spec.lambda * share(m)
    });
    losses.sum::<f64>() / f64::from(spec.n)
}

fn agrees_with_definition<B: Backend>(backend: &B) {
    for case in Case::all() {
        assert_close("loss", &[case.loss(backend)], &[by_definition(&case)], tolerance::<B>());
    }
}

fn derivatives_agree_with_oracle<B: Backend>(backend: &B) {
    for case in Case::all() {
        for order in 1..=3 {
            let (found, expected) = (case.derivative(backend, order), case.derivative(&oracle(), order));
            assert_close(&format!("derivative {order}"), &found, &expected, tolerance::<B>());
        }
    }
}

fn other_orders_are_rejected<B: Backend>(backend: &B) {
    let case = small([0.0; 4], Penalty::Squared, 0.5);
    let [output, target, mask] = [&case.output, &case.target, &case.mask].map(|host| upload(backend, host));
    for order in [0, 4, 17] {
        let mut d = backend.zeros(8).unwrap();
        let error = backend
            .run(Objective::Derivative { spec: &case.spec, order, output: &output, target: &target, mask: &mask, d: &mut d })
            .unwrap_err();
        assert!(error.to_string().contains(&order.to_string()), "{error}");
    }
}

/// Compares order 1 with differences of the loss (including the weights and 1/n), and each higher order with differences of the
/// previous order.
#[test]
fn derivatives_are_derivatives() {
    for penalty in [Penalty::Squared, Penalty::Charbonnier] {
        for mask in [Mask::Binary, Mask::Soft] {
            let case = Case::random([2, 5, 3, 3], mask, penalty, 0.7);
            let at = |output: &[f64]| Case {
                spec: case.spec,
                output: output.to_vec(),
                target: case.target.clone(),
                mask: case.mask.clone(),
            };
            let differences = central_differences(&case.output, |output| at(output).loss(&oracle()));
            assert_close("order 1", &case.derivative(&oracle(), 1), &differences, 1e-7);
            for order in 1..3 {
                let sum = |output: &[f64]| at(output).derivative(&oracle(), order).iter().sum();
                let differences = central_differences(&case.output, sum);
                let found = case.derivative(&oracle(), order + 1);
                let error = found.iter().zip(&differences).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                assert!(error < 1e-7, "order {} is off by {error:e}", order + 1);
            }
        }
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let (x, m) = (shape(&[2, 3, 1, 2]), shape(&[2, 3, 1, 1]));
    let spec = ObjectiveSpec::new(&x, &x, &m, Penalty::Squared, 0.5, 1.0).unwrap();
    check_short_operands_are_rejected(backend, [12, 12, 6, 1], |[output, target, mask, loss]| {
        backend.run(Objective::Loss { spec: &spec, output, target, mask, loss })
    });
    check_short_operands_are_rejected(backend, [12, 12, 6, 12], |[output, target, mask, d]| {
        backend.run(Objective::Derivative { spec: &spec, order: 1, output, target, mask, d })
    });
}

#[test]
fn gradients_agree_with_differences() {
    for penalty in [Penalty::Squared, Penalty::Charbonnier] {
        check_gradients(&format!("{penalty:?}"), &[random_array(&[2, 3, 4, 3], 0), random_array(&[2, 3, 4, 3], 1)], |tape, v| {
            // The first image has weights from 0 to 1, the second no corrupted pixel.
            let mask: Vec<f64> = (0..24).map(|i| if i < 12 { f64::from(i % 5) / 4.0 } else { 0.0 }).collect();
            let mask = Tensor::from_f64(&oracle(), shape(&[2, 3, 4, 1]), &mask)?;
            let mask = tape.constant(mask);
            tape.objective(v[0], v[1], mask, penalty, 0.3, 0.2)
        });
    }
}

#[test]
fn values_and_gradients_agree_with_torch() {
    let golden = Golden::read("torch_ops");
    for (name, penalty) in [("objective_squared", Penalty::Squared), ("objective_charbonnier", Penalty::Charbonnier)] {
        agrees_with_torch(name, TORCH_TOLERANCE, |tape, v| {
            let [target, mask] = ["objective.target", "objective.mask"].map(|key| golden.tensor(&oracle(), key));
            let (target, mask) = (tape.constant(target), tape.constant(mask));
            tape.objective(v["output"], target, mask, penalty, 0.3, 0.1).unwrap()
        });
    }
}

fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let (image, mask) = (shape(&[3, 23, 17, 3]), shape(&[3, 23, 17, 1]));
    let mut bench = Bench::new(cuda);
    let [output, target] = [bench.draw(image.len())?, bench.draw(image.len())?];
    let region: Vec<f32> = (0..mask.len()).map(|k| f32::from(u8::from(k % 7 < 2))).collect();
    let region = cuda.upload(&region)?;
    for penalty in [Penalty::Squared, Penalty::Charbonnier] {
        let spec = ObjectiveSpec::new(&image, &image, &mask, penalty, 0.3, 0.1)?;
        let (mut loss, mut slope) = (cuda.alloc(1)?, cuda.alloc(image.len())?);
        cuda.run(Objective::Loss { spec: &spec, output: &output, target: &target, mask: &region, loss: &mut loss })?;
        cuda.run(Objective::Derivative {
            spec: &spec,
            order: 1,
            output: &output,
            target: &target,
            mask: &region,
            d: &mut slope,
        })?;
        bench.keep(&[&loss, &slope])?;
    }
    Ok(bench.found)
}
