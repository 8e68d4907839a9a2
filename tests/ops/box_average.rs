use orthoscope::Result;
use orthoscope::ops::{Backend, BoxAverage, BoxAverageSpec};

use super::common::*;

on_every_backend!(golden_numbers, agrees_with_definition, adjoint_and_oracle, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] =
    &[exercise!("box_average", Tiled, every_call), exercise!("box_average, naive", Naive, every_call)];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&BoxAverageSpec::new(&shape(&[2, 37, 41]), 7, 3).unwrap())
}

/// Extents, window, repeats; some windows are larger than the image.
const CASES: [([usize; 3], usize, usize); 7] = [
    ([3, 17, 23], 3, 1),
    ([2, 5, 70], 9, 2),
    ([3, 17, 23], 5, 3),
    ([1, 17, 23], 21, 2),
    ([2, 4, 5], 41, 1),
    ([3, 1, 7], 3, 2),
    ([2, 16, 16], 7, 1),
];

fn spec(extents: [usize; 3], size: usize, repeats: usize) -> BoxAverageSpec {
    BoxAverageSpec::new(&shape(&extents), size, repeats).unwrap()
}

fn forward<B: Backend>(backend: &B, spec: &BoxAverageSpec, x: &[f64]) -> Vec<f64> {
    let (x, len) = (upload(backend, x), x.len());
    let [y] = overwritten(backend, [len], |[y]| backend.run(BoxAverage::Forward { spec, x: &x, y }));
    y
}

fn backward<B: Backend>(backend: &B, spec: &BoxAverageSpec, dy: &[f64]) -> Vec<f64> {
    let (dy, len) = (upload(backend, dy), dy.len());
    let [dx] = accumulated(backend, [len], |[dx]| backend.run(BoxAverage::InputGrad { spec, dy: &dy, dx }));
    dx
}

fn golden_numbers<B: Backend>(backend: &B) {
    let close = |spec: &BoxAverageSpec, x: &[f64], expected: &[f64]| {
        assert_close("y", &forward(backend, spec, x), expected, tolerance::<B>());
    };
    let line = [1.0, 2.0, 3.0, 4.0, 5.0];
    close(&spec([1, 1, 5], 3, 1), &line, &[1.5, 2.0, 3.0, 4.0, 4.5]);
    close(&spec([1, 1, 5], 3, 2), &line, &[1.75, 6.5 / 3.0, 3.0, 11.5 / 3.0, 4.25]);
    close(&spec([1, 1, 5], 11, 1), &line, &[3.0; 5]);
    let square = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    close(&spec([1, 3, 3], 3, 1), &square, &[3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0]);
    close(&spec([1, 3, 3], 1, 4), &square, &square);
    close(&spec([1, 3, 3], 3, 0), &square, &square);
    // The images of a batch are independent.
    close(&spec([2, 1, 2], 3, 1), &[1.0, 3.0, 10.0, 30.0], &[2.0, 2.0, 20.0, 20.0]);
}

/// A summed-area table, which is a different algorithm than the reference's double loop.
fn by_definition([n, h, w]: [usize; 3], size: usize, x: &[f64]) -> Vec<f64> {
    let mut y = Vec::new();
    for x in x.chunks(x.len() / n) {
        let mut table = vec![vec![0.0; w + 1]; h + 1];
        for row in 0..h {
            for column in 0..w {
                table[row + 1][column + 1] =
                    x[row * w + column] + table[row][column + 1] + table[row + 1][column] - table[row][column];
            }
        }
        let reach = size / 2;
        for p in 0..h * w {
            let (top, left) = ((p / w).saturating_sub(reach), (p % w).saturating_sub(reach));
            let (bottom, right) = ((p / w + reach + 1).min(h), (p % w + reach + 1).min(w));
            let sum = table[bottom][right] - table[top][right] - table[bottom][left] + table[top][left];
            y.push(sum / ((bottom - top) * (right - left)) as f64);
        }
    }
    y
}

fn agrees_with_definition<B: Backend>(backend: &B) {
    for (extents, size, repeats) in CASES {
        let x = random(0, shape(&extents).len());
        let expected = (0..repeats).fold(x.clone(), |x, _| by_definition(extents, size, &x));
        assert_close("y", &forward(backend, &spec(extents, size, repeats), &x), &expected, 4.0 * tolerance::<B>());
    }
}

fn adjoint_and_oracle<B: Backend>(backend: &B) {
    for (extents, size, repeats) in CASES {
        let spec = spec(extents, size, repeats);
        let (x, dy) = (random(0, shape(&extents).len()), random(1, shape(&extents).len()));
        let (y, dx) = (forward(backend, &spec, &x), backward(backend, &spec, &dy));
        assert_adjoint("box_average", (&y, &dy), (&x, &dx), 4.0 * tolerance::<B>());
        assert_close("dx", &dx, &backward(&oracle(), &spec, &dy), 4.0 * tolerance::<B>());
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let spec = BoxAverageSpec::new(&shape(&[2, 5, 6]), 3, 2).unwrap();
    check_short_operands_are_rejected(backend, [60, 60], |[x, y]| backend.run(BoxAverage::Forward { spec: &spec, x, y }));
    check_short_operands_are_rejected(backend, [60, 60], |[dy, dx]| backend.run(BoxAverage::InputGrad { spec: &spec, dy, dx }));
}

#[test]
fn gradients_agree_with_differences() {
    check_gradients("box_average", &[random_array(&[2, 5, 6], 0)], |tape, v| tape.box_average(v[0], 3, 2));
}

fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let spec = BoxAverageSpec::new(&shape(&[2, 37, 41]), 7, 2)?;
    let mut bench = Bench::new(cuda);
    let (x, dy) = (bench.draw(3034)?, bench.draw(3034)?);
    let (mut y, mut dx) = (cuda.alloc(3034)?, cuda.zeros(3034)?);
    cuda.run(BoxAverage::Forward { spec: &spec, x: &x, y: &mut y })?;
    cuda.run(BoxAverage::InputGrad { spec: &spec, dy: &dy, dx: &mut dx })?;
    bench.keep(&[&y, &dx])?;
    Ok(bench.found)
}
