use super::Net;
use crate::error::Result;
use crate::ops::{CcmSpec, Conv2dOptions, Conv2dSpec, LinearSpec, PoolSpec, SdcSpec, UpsampleSpec};
use crate::shape::{Activation, Shape};

/// Name and shape of a parameter, in memory layout (OHWI for convolutions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// PyTorch-style name, e.g. `e1.0.weight`.
    pub name: String,
    /// Shape of the parameter.
    pub shape: Shape,
    /// Number of inputs of one output, `kernel² · c_in`. It determines the scale of the initial weights.
    pub fan_in: usize,
}

/// One row of the model summary.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Prefix of its parameters' names; empty if it has none.
    pub name: String,
    /// What it does, e.g. `conv3 32→64, ELU`.
    pub kind: String,
    /// Shape of its result.
    pub output: Shape,
    /// Number of parameters.
    pub parameters: usize,
    /// FLOPs of one forward pass, two per multiply-add; convolutions and linear maps only.
    pub flops: u64,
    /// FLOPs of the forward and backward pass: three times the FLOPs of the forward pass, or twice if the input needs no
    /// gradient.
    pub training_flops: u64,
}

/// A network run on shapes: its layers and parameters.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Layers in order of execution.
    pub layers: Vec<Layer>,
    /// Parameters in order of first use.
    pub parameters: Vec<ParameterSpec>,
}

impl Plan {
    /// Number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.parameters.iter().map(|parameter| parameter.shape.len()).sum()
    }

    /// FLOPs of one forward pass.
    pub fn flops(&self) -> u64 {
        self.layers.iter().map(|layer| layer.flops).sum()
    }

    /// FLOPs of one forward and backward pass.
    pub fn training_flops(&self) -> u64 {
        self.layers.iter().map(|layer| layer.training_flops).sum()
    }

    fn affine(&mut self, name: &str, weight: Shape) -> Result<usize> {
        let outputs = weight.dims()[0];
        let fan_in = weight.len() / outputs;
        let bias = Shape::new(&[outputs])?;
        self.parameters.push(ParameterSpec { name: format!("{name}.weight"), shape: weight, fan_in });
        self.parameters.push(ParameterSpec { name: format!("{name}.bias"), shape: bias, fan_in });
        Ok(weight.len() + outputs)
    }

    fn layer(&mut self, name: &str, kind: String, output: Shape, parameters: usize, flops: u64) -> Shape {
        let passes = if self.layers.is_empty() { 2 } else { 3 };
        self.layers.push(Layer { name: name.to_owned(), kind, output, parameters, flops, training_flops: passes * flops });
        output
    }
}

fn suffix(activation: Activation) -> String {
    match activation {
        Activation::Identity => String::new(),
        Activation::Elu => ", ELU".into(),
        other => format!(", {}", format!("{other:?}").to_lowercase()),
    }
}

impl Net for Plan {
    type Value = Shape;

    fn conv(&mut self, name: &str, x: Shape, c_out: usize, kernel: usize, activation: Activation) -> Result<Shape> {
        let weight = Shape::new(&[c_out, kernel, kernel, x.channels()])?;
        let spec = Conv2dSpec::new(&x, &weight, None, Conv2dOptions::same(kernel, 1, activation)).map_err(|e| e.within(name))?;
        let parameters = self.affine(name, weight)?;
        let kind = format!("conv{kernel} {}→{c_out}{}", x.channels(), suffix(activation));
        Ok(self.layer(name, kind, spec.output()?, parameters, spec.flops()))
    }

    fn sdc(&mut self, name: &str, x: Shape, c_out: usize, dilations: &[usize]) -> Result<Shape> {
        let weight = Shape::new(&[c_out, 3, 3, x.channels()])?;
        let spec = SdcSpec::new(&x, &vec![weight; dilations.len()], dilations, Activation::Elu).map_err(|e| e.within(name))?;
        let mut parameters = 0;
        for branch in 0..dilations.len() {
            parameters += self.affine(&format!("{name}.{branch}"), weight)?;
        }
        let flops = dilations.len() as u64 * spec.branch(0).flops();
        let kind = format!("SDC {}→{}x{c_out}, dilations {dilations:?}, ELU", x.channels(), dilations.len());
        Ok(self.layer(name, kind, spec.output()?, parameters, flops))
    }

    fn ccm(&mut self, name: &str, s: Shape, u: Shape) -> Result<Shape> {
        let c = s.channels();
        let [w_mix, w_gate] = [Shape::new(&[c, 1, 1, 3 * c])?, Shape::new(&[c, 1, 1, c])?];
        CcmSpec::new(&s, &u, &w_mix, &w_gate).map_err(|e| e.within(name))?;
        let parameters = self.affine(&format!("{name}.mix"), w_mix)? + self.affine(&format!("{name}.gate"), w_gate)?;
        let flops = 2 * s.rows() as u64 * (w_mix.len() + w_gate.len()) as u64;
        Ok(self.layer(name, format!("CCM {c}"), s, parameters, flops))
    }

    fn linear(&mut self, name: &str, x: Shape, c_out: usize, activation: Activation) -> Result<Shape> {
        let weight = Shape::new(&[c_out, x.channels()])?;
        let spec = LinearSpec::new(&x, &weight, None, activation).map_err(|e| e.within(name))?;
        let parameters = self.affine(name, weight)?;
        let kind = format!("linear {}→{c_out}{}", x.channels(), suffix(activation));
        Ok(self.layer(name, kind, x.with_channels(c_out)?, parameters, spec.flops()))
    }

    fn max_pool2(&mut self, x: Shape) -> Result<Shape> {
        let output = PoolSpec::new(&x, 2)?.output()?;
        Ok(self.layer("", "max-pool 2".into(), output, 0, 0))
    }

    fn upsample2(&mut self, x: Shape) -> Result<Shape> {
        let output = UpsampleSpec::new(&x)?.output()?;
        Ok(self.layer("", "bilinear x2".into(), output, 0, 0))
    }
}
