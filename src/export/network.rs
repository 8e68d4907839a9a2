//! The network as ONNX nodes: the third interpretation of [`Net`], beside shapes and a tape. Arrays are NCHW, weights OIHW.

use super::builder::{Attribute, Builder, Value};
use crate::error::Result;
use crate::model::{Net, WeightFile};
use crate::shape::Activation;

/// Adds a network to a graph.
pub(super) struct Network<'a> {
    graph: &'a mut Builder,
    weights: &'a WeightFile,
}

impl<'a> Network<'a> {
    /// With these weights.
    pub(super) fn new(graph: &'a mut Builder, weights: &'a WeightFile) -> Self {
        Self { graph, weights }
    }

    /// A parameter under its name in the weight file.
    fn parameter(&mut self, name: String) -> Result<Value> {
        let values = self.weights.stored(&name)?;
        Ok(self.graph.parameter(name, values.shape(), values.iter().copied()))
    }

    /// Convolution of stride 1 that keeps the size, the border padded with zeros.
    fn convolution(&mut self, name: &str, x: Value, kernel: usize, dilation: usize) -> Result<Value> {
        let [weight, bias] = [self.parameter(format!("{name}.weight"))?, self.parameter(format!("{name}.bias"))?];
        let [kernel, dilation] = [kernel as i64, dilation as i64];
        let attributes = [
            ("kernel_shape", Attribute::Ints(&[kernel; 2])),
            ("dilations", Attribute::Ints(&[dilation; 2])),
            ("pads", Attribute::Ints(&[dilation * (kernel / 2); 4])),
        ];
        Ok(self.graph.apply_with("Conv", [x, weight, bias], &attributes))
    }

    fn activated(&mut self, x: Value, activation: Activation) -> Value {
        let operator = match activation {
            Activation::Identity => return x,
            Activation::Elu => "Elu",
            Activation::Tanh => "Tanh",
            Activation::Sigmoid => "Sigmoid",
            Activation::Softplus => "Softplus",
        };
        self.graph.apply(operator, [x])
    }
}

impl Net for Network<'_> {
    type Value = Value;

    fn conv(&mut self, name: &str, x: Value, _: usize, kernel: usize, activation: Activation) -> Result<Value> {
        self.graph.enter(name);
        let y = self.convolution(name, x, kernel, 1)?;
        Ok(self.activated(y, activation))
    }

    fn sdc(&mut self, name: &str, x: Value, _: usize, dilations: &[usize]) -> Result<Value> {
        self.graph.enter(name);
        let branch = |(branch, &dilation): (usize, &usize)| self.convolution(&format!("{name}.{branch}"), x, 3, dilation);
        let branches = dilations.iter().enumerate().map(branch).collect::<Result<Vec<_>>>()?;
        let y = self.graph.apply_with("Concat", branches, &[("axis", Attribute::Int(1))]);
        Ok(self.activated(y, Activation::Elu))
    }

    fn ccm(&mut self, name: &str, s: Value, u: Value) -> Result<Value> {
        self.graph.enter(name);
        let difference = self.graph.apply("Sub", [s, u]);
        let square = self.graph.apply("Mul", [difference, difference]);
        let joined = self.graph.apply_with("Concat", [s, u, square], &[("axis", Attribute::Int(1))]);
        let mixed = self.convolution(&format!("{name}.mix"), joined, 1, 1)?;
        let hidden = self.activated(mixed, Activation::Elu);
        let gate = self.convolution(&format!("{name}.gate"), hidden, 1, 1)?;
        let beta = self.activated(gate, Activation::Sigmoid);
        let one = self.graph.float(1.0);
        let rest = self.graph.apply("Sub", [one, beta]);
        let [of_s, of_u] = [self.graph.apply("Mul", [beta, s]), self.graph.apply("Mul", [rest, u])];
        Ok(self.graph.apply("Add", [of_s, of_u]))
    }

    fn linear(&mut self, name: &str, x: Value, _: usize, activation: Activation) -> Result<Value> {
        self.graph.enter(name);
        let [weight, bias] = [self.parameter(format!("{name}.weight"))?, self.parameter(format!("{name}.bias"))?];
        let y = self.graph.apply_with("Gemm", [x, weight, bias], &[("transB", Attribute::Int(1))]);
        Ok(self.activated(y, activation))
    }

    fn max_pool2(&mut self, x: Value) -> Result<Value> {
        let two = Attribute::Ints(&[2, 2]);
        Ok(self.graph.apply_with("MaxPool", [x], &[("kernel_shape", two), ("strides", two)]))
    }

    fn upsample2(&mut self, x: Value) -> Result<Value> {
        let scales = self.graph.floats(&[4], [1.0, 1.0, 2.0, 2.0]);
        let attributes = [("mode", Attribute::Text("linear")), ("coordinate_transformation_mode", Attribute::Text("half_pixel"))];
        Ok(self.graph.apply_sparsely("Resize", vec![Some(x), None, Some(scales)], &attributes))
    }
}
