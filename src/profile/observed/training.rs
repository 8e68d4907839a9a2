//! Objective, optimiser, batches.

use super::{Observed, Subject};
use crate::backend::{AdamSpec, Backend, Corruption, Objective, Optimise, Picture};
use crate::error::Result;
use crate::profile::{Phase, Work};
use crate::shape::{CorruptionSpec, ObjectiveSpec};

impl<B: Backend> Objective for Observed<B> {
    fn objective(&self, spec: &ObjectiveSpec, operands: [&B::Buffer; 3], loss: &mut B::Buffer) -> Result<()> {
        // Difference, square, weight, sum.
        let work = Work::new(5 * self.count(operands[0]), self.bytes(&operands) + self.bytes(&[loss]));
        let subject = Subject { op: "objective", phase: Some(Phase::Forward), work };
        self.observe(subject, |inner| inner.objective(spec, operands, loss))
    }

    fn objective_derivative(&self, spec: &ObjectiveSpec, order: u32, operands: [&B::Buffer; 3], d: &mut B::Buffer) -> Result<()> {
        let work = Work::new(4 * self.count(operands[0]), self.bytes(&operands) + self.bytes(&[d]));
        let subject = Subject { op: "objective", phase: Some(Phase::InputGradient), work };
        self.observe(subject, |inner| inner.objective_derivative(spec, order, operands, d))
    }
}

impl<B: Backend> Optimise for Observed<B> {
    fn adam(
        &self,
        spec: &AdamSpec,
        control: [&B::Buffer; 2],
        g: &B::Buffer,
        p: &mut B::Buffer,
        m: &mut B::Buffer,
        v: &mut B::Buffer,
    ) -> Result<()> {
        // Two moments of 3 and 4 operations; correction, root, sum, product, quotient, difference.
        let work = Work::new(13 * self.count(g), self.bytes(&[g, p, p, m, m, v, v]));
        let subject = Subject { op: "adam", phase: Some(Phase::Optimiser), work };
        self.observe(subject, |inner| inner.adam(spec, control, g, p, m, v))
    }

    fn moving_average(&self, control: [&B::Buffer; 2], p: &B::Buffer, average: &mut B::Buffer) -> Result<()> {
        let work = Work::new(3 * self.count(p), self.bytes(&[p, average, average]));
        let subject = Subject { op: "moving_average", phase: Some(Phase::Optimiser), work };
        self.observe(subject, |inner| inner.moving_average(control, p, average))
    }
}

impl<B: Backend> Corruption for Observed<B> {
    type Resident = B::Resident;

    fn resident(&self, pictures: &[Picture<'_>]) -> Result<Option<B::Resident>> {
        self.inner.resident(pictures)
    }

    /// Operations are not counted: they depend on what is drawn.
    fn batch(&self, spec: &CorruptionSpec, resident: &B::Resident, picks: &B::Buffer, batch: [&mut B::Buffer; 3]) -> Result<()> {
        let bytes = batch.iter().map(|buffer| self.bytes(&[buffer])).sum::<u64>() + self.bytes(&[&*batch[0]]);
        let subject = Subject { op: "corruption", phase: Some(Phase::Data), work: Work::traffic(bytes) };
        self.observe(subject, |inner| inner.batch(spec, resident, picks, batch))
    }
}
