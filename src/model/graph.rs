use super::{Architecture, Layer, Net, Plan};
use crate::error::Result;
use crate::shape::{Activation, Shape};

/// A layer with the layers that it reads from.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it does, with its name and the shape of its result.
    pub layer: Layer,
    /// What kind of layer it is.
    pub role: Role,
    /// The places of its inputs in [`Graph::nodes`], in the order of the arguments; None for the input of the network.
    pub inputs: Vec<Option<usize>>,
}

/// The kinds of layers, one for each method of [`Net`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// Convolution with a kernel of this height and width.
    Convolution(usize),
    /// Parallel convolutions with these dilations.
    StackedDilated(Vec<usize>),
    /// Convex combination of a skip (first input) and an upsampled value (second input).
    ConvexCombination,
    /// Fully connected.
    Linear,
    /// Maximum over 2 x 2 pixels.
    MaxPool,
    /// Bilinear upsampling by two.
    Upsample,
}

/// A network as a graph: the layers of its [`Plan`] with their connections.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The layers in order of execution.
    pub nodes: Vec<Node>,
    plan: Plan,
}

/// The shape of a value and the layer that it comes from; None for the input.
type Value = (Shape, Option<usize>);

impl Graph {
    /// The graph of `architecture` for an input of shape `x`.
    ///
    /// # Errors
    /// As [`Architecture::plan`].
    pub fn of(architecture: &Architecture, x: Shape) -> Result<Self> {
        architecture.check_input(x)?;
        let mut graph = Self::default();
        architecture.describe(&mut graph, (x, None))?;
        Ok(graph)
    }

    /// The layers, parameters and FLOPs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Adds the layer that the plan added last.
    fn node(&mut self, role: Role, output: Shape, inputs: &[Value]) -> Value {
        let place = self.nodes.len();
        let inputs = inputs.iter().map(|value| value.1).collect();
        self.nodes.extend(self.plan.layers.last().map(|layer| Node { layer: layer.clone(), role, inputs }));
        (output, Some(place))
    }
}

impl Net for Graph {
    type Value = Value;

    fn conv(&mut self, name: &str, x: Value, c_out: usize, kernel: usize, activation: Activation) -> Result<Value> {
        let output = self.plan.conv(name, x.0, c_out, kernel, activation)?;
        Ok(self.node(Role::Convolution(kernel), output, &[x]))
    }

    fn sdc(&mut self, name: &str, x: Value, c_out: usize, dilations: &[usize]) -> Result<Value> {
        let output = self.plan.sdc(name, x.0, c_out, dilations)?;
        Ok(self.node(Role::StackedDilated(dilations.to_vec()), output, &[x]))
    }

    fn ccm(&mut self, name: &str, s: Value, u: Value) -> Result<Value> {
        let output = self.plan.ccm(name, s.0, u.0)?;
        Ok(self.node(Role::ConvexCombination, output, &[s, u]))
    }

    fn linear(&mut self, name: &str, x: Value, c_out: usize, activation: Activation) -> Result<Value> {
        let output = self.plan.linear(name, x.0, c_out, activation)?;
        Ok(self.node(Role::Linear, output, &[x]))
    }

    fn max_pool2(&mut self, x: Value) -> Result<Value> {
        let output = self.plan.max_pool2(x.0)?;
        Ok(self.node(Role::MaxPool, output, &[x]))
    }

    fn upsample2(&mut self, x: Value) -> Result<Value> {
        let output = self.plan.upsample2(x.0)?;
        Ok(self.node(Role::Upsample, output, &[x]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(model: u8) -> Graph {
        Graph::of(&Architecture::autoencoder(model, 4).unwrap(), Shape::new(&[1, 32, 48, 3]).unwrap()).unwrap()
    }

    #[test]
    fn nodes_are_the_layers_of_the_plan_in_order() {
        for model in [1, 2] {
            let graph = graph(model);
            let layers: Vec<Layer> = graph.nodes.iter().map(|node| node.layer.clone()).collect();
            assert_eq!(layers, graph.plan().layers);
            let backward = |(at, node): (usize, &Node)| node.inputs.iter().all(|input| input.is_none_or(|input| input < at));
            assert!(graph.nodes.iter().enumerate().all(backward));
            assert_eq!(graph.nodes.iter().filter(|node| node.inputs.contains(&None)).count(), 1);
        }
    }

    #[test]
    fn convex_combinations_join_the_encoder_and_the_decoder() {
        let graph = graph(2);
        let names = |place: usize| {
            let inputs = graph.nodes[place].inputs.iter();
            inputs.map(|input| graph.nodes[input.unwrap()].layer.name.as_str()).collect::<Vec<_>>()
        };
        let joins = graph.nodes.iter().enumerate().filter(|(_, node)| node.role == Role::ConvexCombination);
        let found: Vec<_> = joins.map(|(place, _)| names(place)).collect();
        assert_eq!(found, [["e3.1", "u3"], ["e2.1", "u2"], ["e1.1", "u1"]]);
        assert!(graph.nodes.iter().any(|node| node.role == Role::StackedDilated(vec![1, 2, 4, 8, 16, 32])));
    }

    #[test]
    fn an_input_that_does_not_fit_is_refused() {
        let architecture = Architecture::autoencoder(1, 4).unwrap();
        assert!(Graph::of(&architecture, Shape::new(&[1, 33, 48, 3]).unwrap()).is_err());
    }
}
