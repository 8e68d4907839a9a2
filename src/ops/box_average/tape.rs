use super::{BoxAverage, BoxAverageSpec};
use crate::error::Result;
use crate::ops::Backend;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// `repeats` times the mean over a `size x size` window of each plane (Method §6); near the border only the pixels inside
    /// count.
    ///
    /// # Errors
    /// x is not `[N, H, W]` or `[N, H, W, 1]`; `size` is even.
    pub fn box_average(&mut self, x: Var, size: usize, repeats: usize) -> Result<Var> {
        let spec = BoxAverageSpec::new(&self.shape(x), size, repeats)?;
        self.record(self.shape(x), BoxAverageNode { spec, size, repeats, x }, |tape, y| {
            tape.backend().run(BoxAverage::Forward { spec: &spec, x: tape.buffer(x), y })
        })
    }
}

struct BoxAverageNode {
    spec: BoxAverageSpec,
    size: usize,
    repeats: usize,
    x: Var,
}

impl<B: Backend> Operation<B> for BoxAverageNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.x, |dx| backend.run(BoxAverage::InputGrad { spec: &self.spec, dy, dx }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|x| tape.box_average(x, self.size, self.repeats)).transpose()
    }
}
