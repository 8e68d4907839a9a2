use super::{Filter, Stencil, StencilSpec};
use crate::error::Result;
use crate::ops::Backend;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// A small fixed filter of x `[N, H, W, C]`; the result has the shape that [`Filter`] states.
    ///
    /// # Errors
    /// As [`StencilSpec::new`].
    pub fn stencil(&mut self, x: Var, filter: Filter) -> Result<Var> {
        let spec = StencilSpec::new(&self.shape(x), filter)?;
        self.record(spec.output()?, StencilNode { spec, filter, x }, |tape, y| {
            tape.backend().run(Stencil::Forward { spec: &spec, x: tape.buffer(x), y })
        })
    }
}

struct StencilNode {
    spec: StencilSpec,
    filter: Filter,
    x: Var,
}

impl<B: Backend> Operation<B> for StencilNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.x]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        sweep.accumulate(self.x, |dx| backend.run(Stencil::InputGrad { spec: &self.spec, dy, dx }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        inputs[0].map(|x| tape.stencil(x, self.filter)).transpose()
    }
}
