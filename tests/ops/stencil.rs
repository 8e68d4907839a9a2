use orthoscope::Result;
use orthoscope::ops::{Backend, Filter, Stencil, StencilSpec};

use super::common::*;

on_every_backend!(golden_numbers, agrees_with_definition, adjoint_and_oracle, short_operands_are_rejected);

/// Calls that reach every kernel of the operation.
pub const EXERCISES: &[Exercise] = &[exercise!("stencil", Tiled, every_call), exercise!("stencil, naive", Naive, every_call)];

/// A spec whose fields all have different values.
pub fn spec_value() -> SpecValue {
    SpecValue::of(&StencilSpec {
        n: 4,
        h: 19,
        w: 23,
        c: 5,
        filters: 2,
        size: 3,
        stride: 1,
        ..spec([4, 19, 23, 5], Filter::Prewitt)
    })
}

const FILTERS: [Filter; 4] = [Filter::Grey, Filter::ChannelSum, Filter::Prewitt, Filter::Halve];

/// Extents; some have a single row or column, which only halving refuses.
const CASES: [[usize; 4]; 6] = [[3, 17, 23, 5], [1, 1, 1, 2], [2, 1, 7, 3], [2, 9, 4, 1], [1, 16, 16, 8], [2, 2, 2, 3]];

fn cases() -> impl Iterator<Item = ([usize; 4], Filter)> {
    let all = CASES.into_iter().flat_map(|extents| FILTERS.map(|filter| (extents, filter)));
    all.filter(|(extents, filter)| *filter != Filter::Halve || extents[1].min(extents[2]) > 1)
}

fn spec(extents: [usize; 4], filter: Filter) -> StencilSpec {
    StencilSpec::new(&shape(&extents), filter).unwrap()
}

fn forward<B: Backend>(backend: &B, spec: &StencilSpec, x: &[f64]) -> Vec<f64> {
    let (x, len) = (upload(backend, x), spec.output().unwrap().len());
    let [y] = overwritten(backend, [len], |[y]| backend.run(Stencil::Forward { spec, x: &x, y }));
    y
}

fn backward<B: Backend>(backend: &B, spec: &StencilSpec, dy: &[f64]) -> Vec<f64> {
    let (dy, len) = (upload(backend, dy), [spec.n, spec.h, spec.w, spec.c].map(|extent| extent as usize).iter().product());
    let [dx] = accumulated(backend, [len], |[dx]| backend.run(Stencil::InputGrad { spec, dy: &dy, dx }));
    dx
}

/// In f64, by formulas that share nothing with the taps.
fn by_definition([n, h, w, c]: [usize; 4], filter: Filter, x: &[f64]) -> Vec<f64> {
    let sum = |image: usize, row: usize, column: usize| {
        let first = ((image * h + row) * w + column) * c;
        x[first..first + c].iter().sum::<f64>()
    };
    let grey = |image: usize, row: isize, column: isize| {
        sum(image, row.clamp(0, h as isize - 1) as usize, column.clamp(0, w as isize - 1) as usize) / c as f64
    };
    let [rows, columns] = if filter == Filter::Halve { [h / 2, w / 2] } else { [h, w] };
    let mut y = Vec::new();
    for (image, p, q) in (0..n * rows * columns).map(|pixel| (pixel / columns / rows, pixel / columns % rows, pixel % columns)) {
        let (row, column) = (p as isize, q as isize);
        let beside =
            |k: isize| [-1, 0, 1].map(|along| [grey(image, row + k, column + along), grey(image, row + along, column + k)]);
        match filter {
            Filter::Grey => y.push(grey(image, row, column)),
            Filter::ChannelSum => y.push(sum(image, p, q)),
            Filter::Halve => y.push(
                [0, 1].map(|i| [0, 1].map(|j| grey(image, 2 * row + i, 2 * column + j))).as_flattened().iter().sum::<f64>() / 4.0,
            ),
            Filter::Prewitt => y.extend([0, 1].map(|axis| {
                let mean = |k: isize| beside(k).iter().map(|values| values[axis]).sum::<f64>() / 3.0;
                mean(1) - mean(-1)
            })),
        }
    }
    y
}

fn golden_numbers<B: Backend>(backend: &B) {
    let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
    let check = |filter, expected: &[f64]| {
        assert_close(&format!("{filter:?}"), &forward(backend, &spec([1, 2, 3, 2], filter), &x), expected, tolerance::<B>());
    };
    check(Filter::Grey, &[1.5, 3.5, 5.5, 7.5, 9.5, 11.5]);
    check(Filter::ChannelSum, &[3.0, 7.0, 11.0, 15.0, 19.0, 23.0]);
    check(Filter::Halve, &[5.5]);
    // Down 6, to the right 4 between two pixels and 2 at the border, which is repeated.
    check(Filter::Prewitt, &[6.0, 2.0, 6.0, 4.0, 6.0, 2.0, 6.0, 2.0, 6.0, 4.0, 6.0, 2.0]);
}

fn agrees_with_definition<B: Backend>(backend: &B) {
    for (extents, filter) in cases() {
        let x = random(0, shape(&extents).len());
        let expected = by_definition(extents, filter, &x);
        if expected.iter().all(|value| *value == 0.0) {
            continue;
        }
        // The taps of the spec are f32 on every backend.
        let found = forward(backend, &spec(extents, filter), &x);
        assert_close(&format!("{filter:?} of {extents:?}"), &found, &expected, tolerance::<B>().max(1e-6));
    }
}

fn adjoint_and_oracle<B: Backend>(backend: &B) {
    for (extents, filter) in cases().filter(|(extents, filter)| *filter != Filter::Prewitt || extents[1] * extents[2] > 1) {
        let spec = spec(extents, filter);
        let (x, dy) = (random(0, shape(&extents).len()), random(1, spec.output().unwrap().len()));
        let (y, dx) = (forward(backend, &spec, &x), backward(backend, &spec, &dy));
        let name = format!("{filter:?} of {extents:?}");
        assert_adjoint(&name, (&y, &dy), (&x, &dx), tolerance::<B>());
        assert_close(&name, &y, &forward(&oracle(), &spec, &x), tolerance::<B>());
        assert_close(&name, &dx, &backward(&oracle(), &spec, &dy), tolerance::<B>());
    }
}

fn short_operands_are_rejected<B: Backend>(backend: &B) {
    let spec = spec([1, 3, 4, 2], Filter::Prewitt);
    check_short_operands_are_rejected(backend, [24, 24], |[x, y]| backend.run(Stencil::Forward { spec: &spec, x, y }));
    check_short_operands_are_rejected(backend, [24, 24], |[dy, dx]| backend.run(Stencil::InputGrad { spec: &spec, dy, dx }));
}

#[test]
fn invalid_shapes_are_rejected() {
    for (extents, filter) in [(&[4, 4][..], Filter::Grey), (&[1, 1, 4, 3], Filter::Halve), (&[1, 4, 1, 3], Filter::Halve)] {
        let refused = StencilSpec::new(&shape(extents), filter).unwrap_err().to_string();
        assert!(refused.starts_with("stencil: "), "{refused}");
    }
}

#[test]
fn gradients_agree_with_differences() {
    for filter in FILTERS {
        check_gradients(&format!("{filter:?}"), &[random_array(&[2, 5, 4, 3], 0)], |tape, v| tape.stencil(v[0], filter));
    }
}

/// The taps of the spec are f32, those of PyTorch f64. The relative difference is up to 2⁻²⁵ = 3e-8.
#[test]
fn values_and_gradients_agree_with_torch() {
    for (name, filter) in [("grey", Filter::Grey), ("prewitt", Filter::Prewitt), ("halve", Filter::Halve)] {
        agrees_with_torch(name, 1e-6, |tape, v| tape.stencil(v["x"], filter).unwrap());
    }
}

fn every_call<B: Engine>(cuda: &B) -> Result<Vec<f32>> {
    let mut bench = Bench::new(cuda);
    for filter in FILTERS {
        let spec = StencilSpec::new(&shape(&[2, 19, 23, 3]), filter)?;
        let len = spec.output()?.len();
        let (x, dy) = (bench.draw(2622)?, bench.draw(len)?);
        let (mut y, mut dx) = (cuda.alloc(len)?, cuda.zeros(2622)?);
        cuda.run(Stencil::Forward { spec: &spec, x: &x, y: &mut y })?;
        cuda.run(Stencil::InputGrad { spec: &spec, dy: &dy, dx: &mut dx })?;
        bench.keep(&[&y, &dx])?;
    }
    Ok(bench.found)
}
