use super::{Channels, ChannelsSpec};
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// Concatenates along the last dimension: `[.., a]`, `[.., b]`, … → `[.., a + b + …]`.
    ///
    /// # Errors
    /// No parts, or a dimension other than the last differs.
    pub fn concat(&mut self, parts: &[Var]) -> Result<Var> {
        let &[first, ..] = parts else { return Err(Error::shape("concat", "needs at least one part")) };
        let total = parts.iter().map(|&part| self.shape(part).channels()).sum();
        let shape = self.shape(first).with_channels(total)?;
        let mut start = 0;
        let mut moves = Vec::with_capacity(parts.len());
        for &part in parts {
            let count = self.shape(part).channels();
            moves.push((part, ChannelsSpec::new("concat", &self.shape(part), 0, &shape, start, count)?));
            start += count;
        }
        self.record(shape, ConcatNode { moves: moves.clone() }, |tape, y| {
            moves
                .iter()
                .try_for_each(|(part, spec)| tape.backend().run(Channels::Copy { spec, source: tape.buffer(*part), target: y }))
        })
    }

    /// Channels `start .. start + count`: `[.., c]` → `[.., count]`.
    ///
    /// # Errors
    /// The range exceeds the channels of x.
    pub fn slice(&mut self, x: Var, start: usize, count: usize) -> Result<Var> {
        let shape = self.shape(x).with_channels(count)?;
        let spec = ChannelsSpec::new("slice", &self.shape(x), start, &shape, 0, count)?;
        self.record(shape, SliceNode { spec, x }, |tape, y| {
            tape.backend().run(Channels::Copy { spec: &spec, source: tape.buffer(x), target: y })
        })
    }
}

struct ConcatNode {
    moves: Vec<(Var, ChannelsSpec)>,
}

impl<B: Backend> Operation<B> for ConcatNode {
    fn inputs(&self) -> Vec<Var> {
        self.moves.iter().map(|(part, _)| *part).collect()
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        self.moves.iter().try_for_each(|(part, spec)| {
            sweep.accumulate(*part, |dx| backend.run(Channels::Add { spec: &spec.reversed(), source: dy, target: dx }))
        })
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let mut parts = Vec::with_capacity(inputs.len());
        for ((part, _), tangent) in self.moves.iter().zip(inputs) {
            parts.push(match tangent {
                Some(tangent) => *tangent,
                None => tape.zeros(tape.shape(*part))?,
            });
        }
        tape.concat(&parts).map(Some)
    }
}

struct SliceNode {
    spec: ChannelsSpec,
    x: Var,
}

impl<B: Backend> Operation<B> for SliceNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.x, |dx| backend.run(Channels::Add { spec: &self.spec.reversed(), source: dy, target: dx }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let (start, count) = (self.spec.source_start as usize, self.spec.count as usize);
        inputs[0].map(|x| tape.slice(x, start, count)).transpose()
    }
}
