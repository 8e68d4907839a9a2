use super::Net;
use crate::error::Result;
use crate::shape::Activation;

/// A fully connected network for the theory's small manifolds: hidden layers with one activation, a linear last layer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mlp {
    /// Features of input and output, n.
    pub features: usize,
    /// Width of each hidden layer.
    pub hidden: Vec<usize>,
}

impl Mlp {
    /// f(x): x `[N, n]`, the result has x's shape.
    pub(super) fn describe<N: Net>(&self, net: &mut N, x: N::Value) -> Result<N::Value> {
        let mut z = x;
        for (layer, &width) in self.hidden.iter().enumerate() {
            z = net.linear(&format!("l{layer}"), z, width, Activation::Elu)?;
        }
        net.linear("out", z, self.features, Activation::Identity)
    }
}
