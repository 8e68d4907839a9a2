use super::{WindowedMean, WindowedMeanSpec};
use crate::error::Result;
use crate::ops::Backend;
use crate::shape::Shape;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// Gaussian-weighted local mean of `a ⊙ b`, or of a alone, over windows of `size x size` pixels and standard deviation
    /// `sigma`: a, b and the result are `[N, H, W, C]`. SSIM uses size 11 and sigma 1.5.
    ///
    /// # Errors
    /// As [`WindowedMeanSpec::new`]; b of another shape than a.
    pub fn windowed_mean(&mut self, a: Var, b: Option<Var>, size: usize, sigma: f64) -> Result<Var> {
        let shape = self.shape(a);
        let spec = WindowedMeanSpec::new(&shape, size, sigma)?;
        if let Some(b) = b {
            Shape::same("windowed_mean", &shape, &self.shape(b))?;
        }
        self.record(shape, WindowedMeanNode { spec, size, sigma, a, b }, |tape, y| {
            let b = b.map(|b| tape.buffer(b));
            tape.backend().run(WindowedMean::Forward { spec: &spec, a: tape.buffer(a), b, y })
        })
    }
}

struct WindowedMeanNode {
    spec: WindowedMeanSpec,
    size: usize,
    sigma: f64,
    a: Var,
    b: Option<Var>,
}

impl<B: Backend> Operation<B> for WindowedMeanNode {
    fn inputs(&self) -> Vec<Var> {
        [self.a].into_iter().chain(self.b).collect()
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, a, b) = (sweep.backend(), sweep.value(self.a), self.b.map(|b| sweep.value(b)));
        sweep.accumulate(self.a, |da| backend.run(WindowedMean::InputGrad { spec: &self.spec, dy, b, da }))?;
        let Some(other) = self.b else { return Ok(()) };
        sweep.accumulate(other, |da| backend.run(WindowedMean::InputGrad { spec: &self.spec, dy, b: Some(a), da }))
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let (size, sigma) = (self.size, self.sigma);
        let by_a = inputs[0].map(|a| tape.windowed_mean(a, self.b, size, sigma)).transpose()?;
        let by_b = inputs.get(1).copied().flatten().map(|b| tape.windowed_mean(b, Some(self.a), size, sigma)).transpose()?;
        tape.sum_terms([by_a, by_b])
    }
}
