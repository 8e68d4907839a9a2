use super::{Sdc, SdcSpec};
use crate::error::{Error, Result};
use crate::ops::Backend;
use crate::shape::Activation;
use crate::tape::{Operation, Sweep, Tape, Var};

impl<B: Backend> Tape<B> {
    /// Stacked dilated convolution: parallel 3x3 convolutions of x with the given dilations, concatenated, then `A`.
    ///
    /// # Errors
    /// As [`SdcSpec::new`]; a bias that is not `[O]`.
    pub fn sdc(&mut self, x: Var, w: &[Var], b: &[Var], dilations: &[usize], activation: Activation) -> Result<Var> {
        let shapes: Vec<_> = w.iter().map(|&w| self.shape(w)).collect();
        let spec = SdcSpec::new(&self.shape(x), &shapes, dilations, activation)?;
        if b.len() != w.len() || b.iter().any(|&b| self.shape(b).dims() != [spec.c_out as usize]) {
            let found: Vec<_> = b.iter().map(|&b| self.shape(b)).collect();
            return Err(Error::shape("sdc", format!("needs {} biases [{}], got {found:?}", w.len(), spec.c_out)));
        }
        let operation = SdcNode { spec, dilations: dilations.to_vec(), x, w: w.to_vec(), b: b.to_vec() };
        self.record(spec.output()?, operation, |tape, y| {
            let buffers = |vars: &[Var]| vars.iter().map(|&var| tape.buffer(var)).collect::<Vec<_>>();
            tape.backend().run(Sdc::Forward { spec: &spec, x: tape.buffer(x), w: &buffers(w), b: &buffers(b), y })
        })
    }
}

struct SdcNode {
    spec: SdcSpec,
    dilations: Vec<usize>,
    x: Var,
    w: Vec<Var>,
    b: Vec<Var>,
}

impl<B: Backend> Operation<B> for SdcNode {
    fn inputs(&self) -> Vec<Var> {
        [self.x].iter().chain(&self.w).chain(&self.b).copied().collect()
    }

    fn activation(&self) -> Activation {
        self.spec.activation
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, y: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, x) = (sweep.backend(), sweep.value(self.x));
        let w: Vec<_> = self.w.iter().map(|&w| sweep.value(w)).collect();
        let weights: Vec<_> = self.w.iter().chain(&self.b).copied().collect();
        sweep.before_activation(y, self.spec.activation, dy, |sweep, dz| {
            sweep
                .accumulate_through(self.x, |dx, slope| backend.run(Sdc::InputGrad { spec: &self.spec, dz, w: &w, dx, slope }))?;
            sweep.accumulate_all(&weights, |grads| {
                let (dw, db) = grads.split_at_mut(w.len());
                backend.run(Sdc::WeightGrad { spec: &self.spec, x, dz, dw, db })
            })
        })
    }

    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let (dw, db) = inputs[1..].split_at(self.w.len());
        let by_input = match inputs[0] {
            Some(x) => {
                let no_bias = or_zeros(tape, &self.b, &vec![None; self.b.len()])?;
                Some(tape.sdc(x, &self.w, &no_bias, &self.dilations, Activation::Identity)?)
            }
            None => None,
        };
        let by_weight = if dw.iter().chain(db).any(Option::is_some) {
            let (dw, db) = (or_zeros(tape, &self.w, dw)?, or_zeros(tape, &self.b, db)?);
            Some(tape.sdc(self.x, &dw, &db, &self.dilations, Activation::Identity)?)
        } else {
            None
        };
        let total = tape.sum_terms([by_input, by_weight])?;
        total.map(|total| tape.through_activation(y, self.spec.activation, total)).transpose()
    }
}

/// Each tangent, or zeros of the shape of its primal.
fn or_zeros<B: Backend>(tape: &mut Tape<B>, primals: &[Var], tangents: &[Option<Var>]) -> Result<Vec<Var>> {
    let fill = |(&primal, &tangent): (&Var, &Option<Var>)| match tangent {
        Some(tangent) => Ok(tangent),
        None => tape.zeros(tape.shape(primal)),
    };
    primals.iter().zip(tangents).map(fill).collect()
}
