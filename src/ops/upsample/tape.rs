use super::{Upsample, UpsampleSpec};
use crate::error::Result;
use crate::ops::Backend;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// Bilinear upsampling by two with half-pixel centres.
    ///
    /// # Errors
    /// x is not `[N, H, W, C]`.
    pub fn upsample2(&mut self, x: Var) -> Result<Var> {
        let spec = UpsampleSpec::new(&self.shape(x))?;
        self.record(spec.output()?, Upsample2Node { spec, x }, |tape, y| {
            tape.backend().run(Upsample::Forward { spec: &spec, x: tape.buffer(x), y })
        })
    }
}

struct Upsample2Node {
    spec: UpsampleSpec,
    x: Var,
}

impl<B: Backend> Operation<B> for Upsample2Node {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate_through(self.x, |dx, slope| backend.run(Upsample::InputGrad { spec: &self.spec, dy, dx, slope }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|x| tape.upsample2(x)).transpose()
    }
}
