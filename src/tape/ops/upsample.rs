use crate::backend::Backend;
use crate::error::Result;
use crate::shape::UpsampleSpec;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// Bilinear upsampling by two with half-pixel centres.
    ///
    /// # Errors
    /// x is not `[N, H, W, C]`.
    pub fn upsample2(&mut self, x: Var) -> Result<Var> {
        let spec = UpsampleSpec::new(&self.shape(x))?;
        self.record(spec.output()?, Upsample2 { spec, x }, |tape, y| tape.backend.upsample2(&spec, tape.buffer(x), y))
    }
}

struct Upsample2 {
    spec: UpsampleSpec,
    x: Var,
}

impl<B: Backend> Operation<B> for Upsample2 {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.x, |dx| backend.upsample2_grad(&self.spec, dy, dx))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|x| tape.upsample2(x)).transpose()
    }
}
