//! Operations that do little with each value: memory bounds them.

use super::{Observed, Subject};
use crate::backend::{Backend, BoxAverage, Channels, MaxPool, Pointwise, Reduce, Upsample};
use crate::error::Result;
use crate::profile::{Phase, Work};
use crate::shape::{Activation, BoxAverageSpec, ChannelsSpec, PoolSpec, UpsampleSpec};

fn subject(op: &'static str, flops: u64, bytes: u64) -> Subject {
    Subject { op, phase: None, work: Work::new(flops, bytes) }
}

fn gradient(op: &'static str, flops: u64, bytes: u64) -> Subject {
    Subject { phase: Some(Phase::InputGradient), ..subject(op, flops, bytes) }
}

impl<B: Backend> Pointwise for Observed<B> {
    fn activation(&self, activation: Activation, x: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        let subject = subject("activation", 2 * self.count(x), self.bytes(&[x, y]));
        self.observe(subject, |inner| inner.activation(activation, x, y))
    }

    fn activation_grad(&self, activation: Activation, y: &B::Buffer, dz: &mut B::Buffer) -> Result<()> {
        let subject = gradient("activation", 3 * self.count(y), self.bytes(&[y, dz, dz]));
        self.observe(subject, |inner| inner.activation_grad(activation, y, dz))
    }

    fn activation_slope(&self, activation: Activation, order: u32, y: &B::Buffer, s: &mut B::Buffer) -> Result<()> {
        let subject = subject("activation_slope", 2 * self.count(y), self.bytes(&[y, s]));
        self.observe(subject, |inner| inner.activation_slope(activation, order, y, s))
    }

    fn add(&self, a: &B::Buffer, b: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        self.observe(subject("add", self.count(y), self.bytes(&[a, b, y])), |inner| inner.add(a, b, y))
    }

    fn sub(&self, a: &B::Buffer, b: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        self.observe(subject("sub", self.count(y), self.bytes(&[a, b, y])), |inner| inner.sub(a, b, y))
    }

    fn mul(&self, a: &B::Buffer, b: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        self.observe(subject("mul", self.count(y), self.bytes(&[a, b, y])), |inner| inner.mul(a, b, y))
    }

    fn mul_add(&self, a: &B::Buffer, b: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        let subject = subject("mul_add", 2 * self.count(y), self.bytes(&[a, b, y, y]));
        self.observe(subject, |inner| inner.mul_add(a, b, y))
    }

    fn affine(&self, alpha: f64, beta: f64, x: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        let subject = subject("affine", 2 * self.count(y), self.bytes(&[x, y]));
        self.observe(subject, |inner| inner.affine(alpha, beta, x, y))
    }

    fn axpy(&self, alpha: f64, x: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        let subject = subject("axpy", 2 * self.count(y), self.bytes(&[x, y, y]));
        self.observe(subject, |inner| inner.axpy(alpha, x, y))
    }

    fn add_bias(&self, x: &B::Buffer, b: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        self.observe(subject("add_bias", self.count(y), self.bytes(&[x, b, y])), |inner| inner.add_bias(x, b, y))
    }

    fn bias_grad(&self, dy: &B::Buffer, db: &mut B::Buffer) -> Result<()> {
        let subject =
            Subject { phase: Some(Phase::WeightGradient), ..subject("bias", self.count(dy), self.bytes(&[dy, db, db])) };
        self.observe(subject, |inner| inner.bias_grad(dy, db))
    }
}

impl<B: Backend> Reduce for Observed<B> {
    fn sum(&self, x: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        self.observe(subject("sum", self.count(x), self.bytes(&[x, y])), |inner| inner.sum(x, y))
    }

    fn sum_grad(&self, alpha: f64, dy: &B::Buffer, dx: &mut B::Buffer) -> Result<()> {
        let subject = gradient("sum", self.count(dx), self.bytes(&[dy, dx, dx]));
        self.observe(subject, |inner| inner.sum_grad(alpha, dy, dx))
    }
}

impl<B: Backend> Channels for Observed<B> {
    fn channels_copy(&self, spec: &ChannelsSpec, source: &B::Buffer, target: &mut B::Buffer) -> Result<()> {
        let values = u64::from(spec.rows) * u64::from(spec.count);
        let subject = subject("channels", 0, 2 * values * size_of::<B::Elem>() as u64);
        self.observe(subject, |inner| inner.channels_copy(spec, source, target))
    }

    fn channels_add(&self, spec: &ChannelsSpec, source: &B::Buffer, target: &mut B::Buffer) -> Result<()> {
        let values = u64::from(spec.rows) * u64::from(spec.count);
        let subject = gradient("channels", values, 3 * values * size_of::<B::Elem>() as u64);
        self.observe(subject, |inner| inner.channels_add(spec, source, target))
    }
}

/// Elements of all windows; rows and columns left over at the far borders belong to none.
fn window_elements(spec: &PoolSpec, outputs: u64) -> u64 {
    u64::from(spec.window).pow(2) * outputs
}

impl<B: Backend> MaxPool for Observed<B> {
    fn max_pool(&self, spec: &PoolSpec, x: &B::Buffer, v: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        let windows = window_elements(spec, self.count(y));
        // As a pool x and v are the same values, which are read once.
        let inputs = if std::ptr::eq(x, v) { 1 } else { 2 };
        let bytes = inputs * windows * size_of::<B::Elem>() as u64 + self.bytes(&[y]);
        let subject = subject("max_pool", windows, bytes);
        self.observe(subject, |inner| inner.max_pool(spec, x, v, y))
    }

    fn max_pool_grad(&self, spec: &PoolSpec, x: &B::Buffer, dy: &B::Buffer, dv: &mut B::Buffer) -> Result<()> {
        let windows = window_elements(spec, self.count(dy));
        // x is read, dv is read and written, wherever a window lies.
        let bytes = 3 * windows * size_of::<B::Elem>() as u64 + self.bytes(&[dy]);
        let subject = gradient("max_pool", windows + self.count(dy), bytes);
        self.observe(subject, |inner| inner.max_pool_grad(spec, x, dy, dv))
    }
}

impl<B: Backend> Upsample for Observed<B> {
    fn upsample2(&self, spec: &UpsampleSpec, x: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        // Four taps for each output, two of which share a weight.
        let subject = subject("upsample2", 6 * self.count(y), self.bytes(&[x, y]));
        self.observe(subject, |inner| inner.upsample2(spec, x, y))
    }

    fn upsample2_grad(&self, spec: &UpsampleSpec, dy: &B::Buffer, dx: &mut B::Buffer) -> Result<()> {
        let subject = gradient("upsample2", 8 * self.count(dy), self.bytes(&[dy, dx, dx]));
        self.observe(subject, |inner| inner.upsample2_grad(spec, dy, dx))
    }
}

/// One running sum along rows and one along columns for each repeat: an addition, a subtraction and a product each.
fn box_flops(spec: &BoxAverageSpec, values: u64) -> u64 {
    6 * u64::from(spec.repeats) * values
}

impl<B: Backend> BoxAverage for Observed<B> {
    fn box_average(&self, spec: &BoxAverageSpec, x: &B::Buffer, y: &mut B::Buffer) -> Result<()> {
        let subject = subject("box_average", box_flops(spec, self.count(x)), self.bytes(&[x, y]));
        self.observe(subject, |inner| inner.box_average(spec, x, y))
    }

    fn box_average_grad(&self, spec: &BoxAverageSpec, dy: &B::Buffer, dx: &mut B::Buffer) -> Result<()> {
        let subject = gradient("box_average", box_flops(spec, self.count(dx)), self.bytes(&[dy, dx, dx]));
        self.observe(subject, |inner| inner.box_average_grad(spec, dy, dx))
    }
}
