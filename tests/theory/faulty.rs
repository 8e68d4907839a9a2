//! The f64 reference backend with one fault, to test that a claim detects it.

use orthoscope::Result;
use orthoscope::backend::{Reference, Storage};
use orthoscope::ops::{Backend, Call, Checked, Objective, ObjectiveSpec, Pointwise};
use orthoscope::shape::Activation;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the claim must hold.
    None,
    /// The slope of every activation but the identity has the wrong sign in tangents. Reverse mode computes its slope separately
    /// ([`Pointwise::ActivationGrad`]) and stays correct.
    TangentSign,
    /// The objective uses λ in place of 1 - λ.
    ObjectiveWeight,
}

/// See the [module](self).
#[derive(Clone, Copy, Debug)]
pub struct Faulty {
    pub fault: Fault,
}

type Inner = Reference<f64>;
type Buffer = <Inner as Storage>::Buffer;

impl Faulty {
    fn inner(self) -> Inner {
        Inner::default()
    }

    fn objective_spec(self, spec: &ObjectiveSpec) -> ObjectiveSpec {
        let lambda = if self.fault == Fault::ObjectiveWeight { 1.0 - spec.lambda } else { spec.lambda };
        ObjectiveSpec { lambda, ..*spec }
    }
}

impl Storage for Faulty {
    type Elem = f64;
    type Buffer = Buffer;
    type Program = <Inner as Storage>::Program;
    type Mark = <Inner as Storage>::Mark;

    fn name(&self) -> &'static str {
        "faulty"
    }
    fn alloc(&self, len: usize) -> Result<Buffer> {
        self.inner().alloc(len)
    }
    fn zeros(&self, len: usize) -> Result<Buffer> {
        self.inner().zeros(len)
    }
    fn upload(&self, host: &[f64]) -> Result<Buffer> {
        self.inner().upload(host)
    }
    fn write(&self, host: &[f64], target: &mut Buffer) -> Result<()> {
        self.inner().write(host, target)
    }
    fn download(&self, buffer: &Buffer) -> Result<Vec<f64>> {
        self.inner().download(buffer)
    }
    fn copy(&self, source: &Buffer, target: &mut Buffer) -> Result<()> {
        self.inner().copy(source, target)
    }
    fn len(&self, buffer: &Buffer) -> usize {
        self.inner().len(buffer)
    }
    fn repeat(&self, program: &mut Self::Program, work: impl FnOnce() -> Result<()>) -> Result<()> {
        self.inner().repeat(program, work)
    }
    fn mark(&self) -> Result<Self::Mark> {
        self.inner().mark()
    }
    fn seconds_between(&self, from: &Self::Mark, to: &Self::Mark) -> Result<f64> {
        self.inner().seconds_between(from, to)
    }
}

impl Backend for Faulty {
    fn execute(&self, call: Checked<'_, Buffer>) -> Result<()> {
        match call.into_call() {
            Call::Pointwise(Pointwise::ActivationSlope { activation, order, y, s }) => {
                self.inner().run(Pointwise::ActivationSlope { activation, order, y, s: &mut *s })?;
                if self.fault == Fault::TangentSign && activation != Activation::Identity {
                    s.iter_mut().for_each(|slope| *slope = -*slope);
                }
                Ok(())
            }
            Call::Objective(Objective::Loss { spec, output, target, mask, loss }) => {
                let spec = &self.objective_spec(spec);
                self.inner().run(Objective::Loss { spec, output, target, mask, loss })
            }
            Call::Objective(Objective::Derivative { spec, order, output, target, mask, d }) => {
                let spec = &self.objective_spec(spec);
                self.inner().run(Objective::Derivative { spec, order, output, target, mask, d })
            }
            call => self.inner().run(call),
        }
    }
}
