//! Box average by running sums in f64. The cost per pixel does not depend on the window size.
//!
//! A clipped window is a product of two intervals, so its mean is separable: along columns, then along rows.

use rayon::prelude::*;

use super::{BoxAverage, BoxAverageSpec};
use crate::backend::cpu::{Buffer, reserved};
use crate::error::Result;

pub(in crate::ops) fn run(call: BoxAverage<'_, Buffer>) -> Result<()> {
    match call {
        BoxAverage::Forward { spec, x, y } => {
            let image = spec.h as usize * spec.w as usize;
            y.par_chunks_mut(image).zip(x.par_chunks(image)).try_for_each(|(y, x)| {
                let averages = repeat(spec, x, |axis, values, other| {
                    axis.window_sums(values, other);
                    axis.divide(other);
                })?;
                y.iter_mut().zip(&averages).for_each(|(y, &value)| *y = value as f32);
                Ok(())
            })
        }
        BoxAverage::InputGrad { spec, dy, dx } => {
            let image = spec.h as usize * spec.w as usize;
            dx.par_chunks_mut(image).zip(dy.par_chunks(image)).try_for_each(|(dx, dy)| {
                let spread = repeat(spec, dy, |axis, values, other| {
                    axis.divide(values);
                    axis.window_sums(values, other);
                })?;
                dx.iter_mut().zip(&spread).for_each(|(dx, &value)| *dx += value as f32);
                Ok(())
            })
        }
    }
}

/// An image seen along one axis: `outer` blocks of `len` steps of `inner` adjacent values.
#[derive(Clone, Copy)]
struct Axis {
    len: usize,
    inner: usize,
    radius: usize,
}

impl Axis {
    /// Steps inside the window around `i`.
    fn count(&self, i: usize) -> f64 {
        ((i + self.radius).min(self.len - 1) - i.saturating_sub(self.radius) + 1) as f64
    }

    /// `target = ` sums over the window along this axis.
    fn window_sums(&self, source: &[f64], target: &mut [f64]) {
        let block = self.len * self.inner;
        let mut sums = vec![0.0; self.inner];
        for (source, target) in source.chunks_exact(block).zip(target.chunks_exact_mut(block)) {
            let step = |i: usize| &source[i * self.inner..][..self.inner];
            sums.fill(0.0);
            (0..self.radius.min(self.len)).for_each(|i| add(&mut sums, step(i)));
            for (i, target) in target.chunks_exact_mut(self.inner).enumerate() {
                if i + self.radius < self.len {
                    add(&mut sums, step(i + self.radius));
                }
                if i > self.radius {
                    sums.iter_mut().zip(step(i - self.radius - 1)).for_each(|(sum, value)| *sum -= value);
                }
                target.copy_from_slice(&sums);
            }
        }
    }

    /// Divides every value by the number of steps in its window.
    fn divide(&self, values: &mut [f64]) {
        for (i, values) in values.chunks_exact_mut(self.inner).enumerate() {
            let count = self.count(i % self.len);
            values.iter_mut().for_each(|value| *value /= count);
        }
    }
}

fn add(sums: &mut [f64], values: &[f64]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

/// The two axes of an image.
fn axes(spec: &BoxAverageSpec) -> [Axis; 2] {
    let (h, w, radius) = (spec.h as usize, spec.w as usize, spec.size as usize / 2);
    [Axis { len: w, inner: 1, radius }, Axis { len: h, inner: w, radius }]
}

/// Applies `pass(axis, values, other)` along both axes `repeats` times to the values of an image. The result of each pass is in
/// `other`.
fn repeat(spec: &BoxAverageSpec, image: &[f32], pass: impl Fn(&Axis, &mut [f64], &mut [f64])) -> Result<Vec<f64>> {
    let [mut values, mut other] = [reserved(image.len())?, reserved(image.len())?];
    values.extend(image.iter().map(|&value| f64::from(value)));
    other.resize(image.len(), 0.0);
    for axis in (0..spec.repeats).flat_map(|_| axes(spec)) {
        pass(&axis, &mut values, &mut other);
        std::mem::swap(&mut values, &mut other);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Cpu, Storage};

    #[test]
    fn matches_the_mean_inside_the_image_and_its_adjoint() {
        let cpu = Cpu::new();
        for (n, h, w, size) in [(2, 5, 7, 3), (1, 4, 3, 9), (1, 1, 6, 5), (2, 6, 1, 1)] {
            let spec = BoxAverageSpec { n, h, w, size, repeats: 1 };
            let (h, w, radius, len) = (h as usize, w as usize, size as usize / 2, (n * h * w) as usize);
            let values = |k: usize| (0..len).map(|i| ((i * k + 3) % 11) as f32).collect::<Vec<_>>();
            let (x, dy) = (values(7), values(5));
            let (mut wanted, mut wanted_dx) = (vec![0.0; len], vec![1.0; len]);
            for i in 0..len {
                let (oy, ox) = (i / w % h, i % w);
                let near =
                    |j: &usize| i / (h * w) == j / (h * w) && oy.abs_diff(j / w % h) <= radius && ox.abs_diff(j % w) <= radius;
                let inside: Vec<usize> = (0..len).filter(near).collect();
                wanted[i] = inside.iter().map(|&j| x[j]).sum::<f32>() / inside.len() as f32;
                inside.iter().for_each(|&j| wanted_dx[j] += dy[i] / inside.len() as f32);
            }
            let (mut y, mut dx) = (cpu.alloc(len).unwrap(), cpu.upload(&vec![1.0; len]).unwrap());
            run(BoxAverage::Forward { spec: &spec, x: &cpu.upload(&x).unwrap(), y: &mut y }).unwrap();
            run(BoxAverage::InputGrad { spec: &spec, dy: &cpu.upload(&dy).unwrap(), dx: &mut dx }).unwrap();
            y.iter().zip(&wanted).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{spec:?}"));
            dx.iter().zip(&wanted_dx).for_each(|(a, b)| assert!((a - b).abs() < 1e-5, "{spec:?}"));
        }
    }
}
