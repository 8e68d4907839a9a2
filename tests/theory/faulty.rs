//! The f64 reference backend with one thing wrong, to see that a claim notices.
//!
//! Only what fully connected networks need is there; the rest reports an error, so that nothing passes by not being run.

use orthoscope::backend::{
    AdamSpec, BoxAverage, Ccm, CcmWeights, Channels, Conv2d, Corruption, Linear, MaxPool, Objective, Optimise, Picture,
    Pointwise, Reduce, Reference, Sdc, Storage, Upsample,
};
use orthoscope::shape::{
    Activation, BoxAverageSpec, CcmSpec, ChannelsSpec, Conv2dSpec, CorruptionSpec, LinearSpec, ObjectiveSpec, PoolSpec, SdcSpec,
    UpsampleSpec,
};
use orthoscope::{Error, Result};

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: the claim must hold.
    None,
    /// The slope of every activation but the identity has the wrong sign in tangents. Reverse mode has a slope of its own
    /// ([`Pointwise::activation_grad`]) and stays right.
    TangentSign,
    /// The objective takes λ for 1 - λ.
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

fn absent() -> Result<()> {
    Err(Error::Device { device: "faulty", reason: "only fully connected networks run here".into() })
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

impl Linear for Faulty {
    fn linear(&self, spec: &LinearSpec, x: &Buffer, w: &Buffer, b: Option<&Buffer>, y: &mut Buffer) -> Result<()> {
        self.inner().linear(spec, x, w, b, y)
    }
    fn linear_input_grad(&self, spec: &LinearSpec, dz: &Buffer, w: &Buffer, dx: &mut Buffer) -> Result<()> {
        self.inner().linear_input_grad(spec, dz, w, dx)
    }
    fn linear_weight_grad(
        &self,
        spec: &LinearSpec,
        x: &Buffer,
        dz: &Buffer,
        dw: &mut Buffer,
        db: Option<&mut Buffer>,
    ) -> Result<()> {
        self.inner().linear_weight_grad(spec, x, dz, dw, db)
    }
}

impl Pointwise for Faulty {
    fn activation(&self, activation: Activation, x: &Buffer, y: &mut Buffer) -> Result<()> {
        self.inner().activation(activation, x, y)
    }
    fn activation_grad(&self, activation: Activation, y: &Buffer, dz: &mut Buffer) -> Result<()> {
        self.inner().activation_grad(activation, y, dz)
    }
    fn activation_slope(&self, activation: Activation, order: u32, y: &Buffer, s: &mut Buffer) -> Result<()> {
        self.inner().activation_slope(activation, order, y, s)?;
        if self.fault == Fault::TangentSign && activation != Activation::Identity {
            let wrong: Vec<f64> = self.download(s)?.iter().map(|slope| -slope).collect();
            self.write(&wrong, s)?;
        }
        Ok(())
    }
    fn add(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        self.inner().add(a, b, y)
    }
    fn sub(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        self.inner().sub(a, b, y)
    }
    fn mul(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        self.inner().mul(a, b, y)
    }
    fn mul_add(&self, a: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        self.inner().mul_add(a, b, y)
    }
    fn affine(&self, alpha: f64, beta: f64, x: &Buffer, y: &mut Buffer) -> Result<()> {
        self.inner().affine(alpha, beta, x, y)
    }
    fn axpy(&self, alpha: f64, x: &Buffer, y: &mut Buffer) -> Result<()> {
        self.inner().axpy(alpha, x, y)
    }
    fn add_bias(&self, x: &Buffer, b: &Buffer, y: &mut Buffer) -> Result<()> {
        self.inner().add_bias(x, b, y)
    }
    fn bias_grad(&self, dy: &Buffer, db: &mut Buffer) -> Result<()> {
        self.inner().bias_grad(dy, db)
    }
}

impl Reduce for Faulty {
    fn sum(&self, x: &Buffer, y: &mut Buffer) -> Result<()> {
        self.inner().sum(x, y)
    }
    fn sum_grad(&self, alpha: f64, dy: &Buffer, dx: &mut Buffer) -> Result<()> {
        self.inner().sum_grad(alpha, dy, dx)
    }
}

impl Channels for Faulty {
    fn channels_copy(&self, spec: &ChannelsSpec, source: &Buffer, target: &mut Buffer) -> Result<()> {
        self.inner().channels_copy(spec, source, target)
    }
    fn channels_add(&self, spec: &ChannelsSpec, source: &Buffer, target: &mut Buffer) -> Result<()> {
        self.inner().channels_add(spec, source, target)
    }
}

impl Objective for Faulty {
    fn objective(&self, spec: &ObjectiveSpec, operands: [&Buffer; 3], loss: &mut Buffer) -> Result<()> {
        self.inner().objective(&self.objective_spec(spec), operands, loss)
    }
    fn objective_derivative(&self, spec: &ObjectiveSpec, order: u32, operands: [&Buffer; 3], d: &mut Buffer) -> Result<()> {
        self.inner().objective_derivative(&self.objective_spec(spec), order, operands, d)
    }
}

impl Optimise for Faulty {
    fn adam(
        &self,
        spec: &AdamSpec,
        control: [&Buffer; 2],
        g: &Buffer,
        p: &mut Buffer,
        m: &mut Buffer,
        v: &mut Buffer,
    ) -> Result<()> {
        self.inner().adam(spec, control, g, p, m, v)
    }
    fn moving_average(&self, control: [&Buffer; 2], p: &Buffer, average: &mut Buffer) -> Result<()> {
        self.inner().moving_average(control, p, average)
    }
}

impl Conv2d for Faulty {
    fn conv2d(&self, _: &Conv2dSpec, _: &Buffer, _: &Buffer, _: Option<&Buffer>, _: &mut Buffer) -> Result<()> {
        absent()
    }
    fn conv2d_input_grad(&self, _: &Conv2dSpec, _: &Buffer, _: &Buffer, _: &mut Buffer) -> Result<()> {
        absent()
    }
    fn conv2d_weight_grad(&self, _: &Conv2dSpec, _: &Buffer, _: &Buffer, _: &mut Buffer, _: Option<&mut Buffer>) -> Result<()> {
        absent()
    }
}

impl Sdc for Faulty {
    fn sdc(&self, _: &SdcSpec, _: &Buffer, _: &[&Buffer], _: &[&Buffer], _: &mut Buffer) -> Result<()> {
        absent()
    }
    fn sdc_input_grad(&self, _: &SdcSpec, _: &Buffer, _: &[&Buffer], _: &mut Buffer) -> Result<()> {
        absent()
    }
    fn sdc_weight_grad(&self, _: &SdcSpec, _: &Buffer, _: &Buffer, _: &mut [Buffer], _: &mut [Buffer]) -> Result<()> {
        absent()
    }
}

impl MaxPool for Faulty {
    fn max_pool(&self, _: &PoolSpec, _: &Buffer, _: &Buffer, _: &mut Buffer) -> Result<()> {
        absent()
    }
    fn max_pool_grad(&self, _: &PoolSpec, _: &Buffer, _: &Buffer, _: &mut Buffer) -> Result<()> {
        absent()
    }
}

impl Upsample for Faulty {
    fn upsample2(&self, _: &UpsampleSpec, _: &Buffer, _: &mut Buffer) -> Result<()> {
        absent()
    }
    fn upsample2_grad(&self, _: &UpsampleSpec, _: &Buffer, _: &mut Buffer) -> Result<()> {
        absent()
    }
}

impl Ccm for Faulty {
    fn convex_combination(&self, _: &Buffer, _: &Buffer, _: &Buffer, _: &mut Buffer) -> Result<()> {
        absent()
    }
    fn convex_combination_grad(&self, _: [&Buffer; 3], _: &Buffer, _: [&mut Buffer; 3]) -> Result<()> {
        absent()
    }
    fn ccm(&self, _: &CcmSpec, _: [&Buffer; 2], _: &CcmWeights<&Buffer>, _: [&mut Buffer; 2], _: &mut Buffer) -> Result<()> {
        absent()
    }
    fn ccm_grad(
        &self,
        _: &CcmSpec,
        _: [&Buffer; 2],
        _: &CcmWeights<&Buffer>,
        _: [&Buffer; 2],
        _: &Buffer,
        _: [&mut Buffer; 2],
        _: CcmWeights<&mut Buffer>,
    ) -> Result<()> {
        absent()
    }
}

impl BoxAverage for Faulty {
    fn box_average(&self, _: &BoxAverageSpec, _: &Buffer, _: &mut Buffer) -> Result<()> {
        absent()
    }
    fn box_average_grad(&self, _: &BoxAverageSpec, _: &Buffer, _: &mut Buffer) -> Result<()> {
        absent()
    }
}

impl Corruption for Faulty {
    type Resident = ();

    fn resident(&self, _: &[Picture<'_>]) -> Result<Option<()>> {
        Ok(None)
    }
    fn batch(&self, _: &CorruptionSpec, (): &(), _: &Buffer, _: [&mut Buffer; 3]) -> Result<()> {
        absent()
    }
}
