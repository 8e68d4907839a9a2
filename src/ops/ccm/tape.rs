use std::sync::Arc;

use super::{Ccm, CcmSpec, CcmVars, CcmWeights};
use crate::error::{Error, Result};
use crate::ops::{Backend, Conv2dOptions};
use crate::shape::{Activation, Shape};
use crate::tape::{Operation, Sweep, Tape, Tensor, Var};

impl<B: Backend> Tape<B> {
    /// Convex combination module, fused: `β ⊙ s + (1-β) ⊙ u` with `β = σ(conv1(ELU(conv1([s, u, (s-u)²]))))` (Method §4).
    ///
    /// # Errors
    /// As [`CcmSpec::new`]; a bias that is not `[c]`.
    pub fn ccm(&mut self, s: Var, u: Var, weights: CcmVars) -> Result<Var> {
        let shape = self.shape(s);
        let spec = CcmSpec::new(&shape, &self.shape(u), &self.shape(weights.w_mix), &self.shape(weights.w_gate))?;
        for bias in [weights.b_mix, weights.b_gate].map(|bias| self.shape(bias)) {
            if bias.dims() != [shape.channels()] {
                return Err(Error::shape("ccm", format!("biases must be [{}], got {bias} (s {shape})", shape.channels())));
            }
        }
        let mut y = self.backend().alloc_activation(&shape)?;
        let call = |saved, y| Ccm::Forward {
            spec: &spec,
            s: self.buffer(s),
            u: self.buffer(u),
            weights: buffers(self, &weights),
            saved,
            y,
        };
        let needs_gradient = [s, u].into_iter().chain(weights.all()).any(|input| self.needs_gradient(input));
        let saved = if needs_gradient {
            let [mut h, mut beta] = [self.backend().alloc_activation(&shape)?, self.backend().alloc_activation(&shape)?];
            self.backend().run(call(Some([&mut h, &mut beta]), &mut y))?;
            Some([h, beta])
        } else {
            self.backend().run(call(None, &mut y))?;
            None
        };
        self.backend().settle(&mut y)?;
        let operation = Arc::new(CcmNode { spec, s, u, weights, saved });
        Ok(self.push(Tensor::from_buffer(shape, y), Some(operation), needs_gradient))
    }

    /// The same module composed of other operations of the tape. It is the reference for the fused module and gives its tangent.
    ///
    /// # Errors
    /// As [`Tape::ccm`].
    pub fn ccm_composed(&mut self, s: Var, u: Var, weights: CcmVars) -> Result<Var> {
        let beta = self.ccm_gate(s, u, weights)?;
        self.convex_combination(beta, s, u)
    }

    /// The gate β of a convex combination module.
    ///
    /// # Errors
    /// Shapes that do not fit.
    pub fn ccm_gate(&mut self, s: Var, u: Var, weights: CcmVars) -> Result<Var> {
        let difference = self.sub(s, u)?;
        let square = self.mul(difference, difference)?;
        let features = self.concat(&[s, u, square])?;
        let h = self.conv2d(features, weights.w_mix, Some(weights.b_mix), Conv2dOptions::same(1, 1, Activation::Elu))?;
        self.conv2d(h, weights.w_gate, Some(weights.b_gate), Conv2dOptions::same(1, 1, Activation::Sigmoid))
    }

    /// `β ⊙ s + (1-β) ⊙ u`: for β in [0, 1] every element is between s and u.
    ///
    /// # Errors
    /// Shapes differ.
    pub fn convex_combination(&mut self, beta: Var, s: Var, u: Var) -> Result<Var> {
        const OP: &str = "convex_combination";
        Shape::same(OP, &self.shape(beta), &self.shape(s))?;
        let shape = Shape::same(OP, &self.shape(s), &self.shape(u))?;
        self.record(shape, ConvexCombinationNode { beta, s, u }, |tape, y| {
            tape.backend().run(Ccm::Combination { beta: tape.buffer(beta), s: tape.buffer(s), u: tape.buffer(u), y })
        })
    }
}

fn buffers<'a, B: Backend>(tape: &'a Tape<B>, weights: &CcmVars) -> CcmWeights<&'a B::Buffer> {
    let [w_mix, b_mix, w_gate, b_gate] = weights.all().map(|var| tape.buffer(var));
    CcmWeights { w_mix, b_mix, w_gate, b_gate }
}

struct CcmNode<T> {
    spec: CcmSpec,
    s: Var,
    u: Var,
    weights: CcmVars,
    /// h and β of the forward pass; None if no gradient is needed.
    saved: Option<[T; 2]>,
}

impl<B: Backend> Operation<B> for CcmNode<B::Buffer> {
    fn inputs(&self) -> Vec<Var> {
        [self.s, self.u].into_iter().chain(self.weights.all()).collect()
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let (backend, operands) = (sweep.backend(), [sweep.value(self.s), sweep.value(self.u)]);
        // Without it no gradient flows through this node.
        let Some([h, beta]) = &self.saved else { return Ok(()) };
        let weights = buffers(sweep.tape, &self.weights);
        sweep.accumulate_all_through(&Operation::<B>::inputs(self), 2, |grads, slopes| {
            let [ds, du, w_mix, b_mix, w_gate, b_gate] = grads else { return Ok(()) };
            let weight_grads = CcmWeights { w_mix, b_mix, w_gate, b_gate };
            backend.run(Ccm::Grad {
                spec: &self.spec,
                s: operands[0],
                u: operands[1],
                weights,
                saved: [h, beta],
                dy,
                ds,
                du,
                slopes: [slopes[0], slopes[1]],
                weight_grads,
            })
        })
    }

    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let composed = tape.ccm_composed(self.s, self.u, self.weights)?;
        let primals = Operation::<B>::inputs(self);
        let seeds: Vec<_> = primals.into_iter().zip(inputs).filter_map(|(primal, tangent)| Some((primal, (*tangent)?))).collect();
        tape.tangent(composed, &seeds).map(Some)
    }
}

struct ConvexCombinationNode {
    beta: Var,
    s: Var,
    u: Var,
}

impl<B: Backend> Operation<B> for ConvexCombinationNode {
    fn inputs(&self) -> Vec<Var> {
        vec![self.beta, self.s, self.u]
    }

    fn backward(&self, sweep: &mut Sweep<'_, B>, _: Var, dy: &mut B::Buffer) -> Result<()> {
        let backend = sweep.backend();
        let operands = [self.beta, self.s, self.u].map(|var| sweep.value(var));
        sweep.accumulate_all(&[self.beta, self.s, self.u], |grads| {
            let [dbeta, ds, du] = grads else { return Ok(()) };
            backend.run(Ccm::CombinationGrad { beta: operands[0], s: operands[1], u: operands[2], dy, d_beta: dbeta, ds, du })
        })
    }

    /// `β' ⊙ (s-u) + β ⊙ (s'-u') + u'`.
    fn tangent(&self, tape: &mut Tape<B>, _: Var, inputs: &[Option<Var>]) -> Result<Option<Var>> {
        let by_gate = match inputs[0] {
            Some(beta) => {
                let difference = tape.sub(self.s, self.u)?;
                Some(tape.mul(beta, difference)?)
            }
            None => None,
        };
        let by_skip = inputs[1].map(|s| tape.mul(self.beta, s)).transpose()?;
        let by_upsampled = match inputs[2] {
            Some(u) => {
                let rest = tape.affine(self.beta, -1.0, 1.0)?;
                Some(tape.mul(rest, u)?)
            }
            None => None,
        };
        tape.sum_terms([by_gate, by_skip, by_upsampled])
    }
}
