use super::{Bound, Net};
use crate::error::Result;
use crate::ops::{Backend, CcmVars, Conv2dOptions};
use crate::shape::Activation;
use crate::tape::{Tape, Var};

/// Runs a network on a tape, with parameters bound to that tape.
pub struct Forward<'a, B: Backend> {
    tape: &'a mut Tape<B>,
    parameters: &'a Bound,
}

impl<'a, B: Backend> Forward<'a, B> {
    /// Records on `tape`, with `parameters` bound to that tape.
    pub fn new(tape: &'a mut Tape<B>, parameters: &'a Bound) -> Self {
        Self { tape, parameters }
    }

    /// Weight and bias of a layer.
    fn affine(&self, name: &str) -> Result<[Var; 2]> {
        Ok([self.parameters.get(&format!("{name}.weight"))?, self.parameters.get(&format!("{name}.bias"))?])
    }
}

impl<B: Backend> Net for Forward<'_, B> {
    type Value = Var;

    fn conv(&mut self, name: &str, x: Var, _: usize, kernel: usize, activation: Activation) -> Result<Var> {
        let [w, b] = self.affine(name)?;
        self.tape.enter(name);
        self.tape.conv2d(x, w, Some(b), Conv2dOptions::same(kernel, 1, activation)).map_err(|e| e.within(name))
    }

    fn conv_and_pool(&mut self, name: &str, x: Var, _: usize, kernel: usize, activation: Activation) -> Result<[Var; 2]> {
        let [w, b] = self.affine(name)?;
        self.tape.enter(name);
        self.tape.conv2d_pooled(x, w, Some(b), Conv2dOptions::same(kernel, 1, activation)).map_err(|e| e.within(name))
    }

    fn sdc(&mut self, name: &str, x: Var, _: usize, dilations: &[usize]) -> Result<Var> {
        let mut weights = Vec::with_capacity(dilations.len());
        let mut biases = Vec::with_capacity(dilations.len());
        for branch in 0..dilations.len() {
            let [w, b] = self.affine(&format!("{name}.{branch}"))?;
            weights.push(w);
            biases.push(b);
        }
        self.tape.enter(name);
        self.tape.sdc(x, &weights, &biases, dilations, Activation::Elu).map_err(|e| e.within(name))
    }

    fn ccm(&mut self, name: &str, s: Var, u: Var) -> Result<Var> {
        let [w_mix, b_mix] = self.affine(&format!("{name}.mix"))?;
        let [w_gate, b_gate] = self.affine(&format!("{name}.gate"))?;
        self.tape.enter(name);
        self.tape.ccm(s, u, CcmVars { w_mix, b_mix, w_gate, b_gate }).map_err(|e| e.within(name))
    }

    fn linear(&mut self, name: &str, x: Var, _: usize, activation: Activation) -> Result<Var> {
        let [w, b] = self.affine(name)?;
        self.tape.enter(name);
        self.tape.linear(x, w, Some(b), activation).map_err(|e| e.within(name))
    }

    fn max_pool2(&mut self, x: Var) -> Result<Var> {
        self.tape.max_pool(x, 2)
    }

    fn upsample2(&mut self, x: Var) -> Result<Var> {
        self.tape.upsample2(x)
    }
}
