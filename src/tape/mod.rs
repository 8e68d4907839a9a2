//! The autograd tape: a record of the computation for differentiation.
//!
//! - [`Tape`] records one node per operation; [`Var`] is the index of a node.
//! - [`Tape::backward`] visits the nodes in reverse order and accumulates gradients (reverse mode).
//! - [`Tape::tangents`] visits them in order and records JVPs *as nodes of the same tape* (forward mode). So `‖J v‖²` is an
//!   ordinary node and can be differentiated exactly.
//!
//! The tape itself has no operations. Each operation is a folder of [`crate::ops`]; its `tape.rs` holds the method of [`Tape`],
//! the backward pass and the JVP.
//!
//! ```
//! use orthoscope::backend::Reference;
//! use orthoscope::shape::{Activation, Shape};
//! use orthoscope::tape::{Tape, Tensor};
//!
//! let backend = Reference::<f64>::default();
//! let mut tape = Tape::new(backend);
//! let x = tape.variable(Tensor::from_f64(&backend, Shape::new(&[2])?, &[3.0, -1.0])?);
//! let squares = tape.mul(x, x)?;
//! let loss = tape.sum(squares)?;
//! let gradients = tape.backward(loss)?;
//! assert_eq!(gradients.host(x)?, [6.0, -2.0]);
//!
//! // The tangent of the loss in direction v is ⟨gradient, v⟩, and is itself a node.
//! let v = tape.constant(Tensor::from_f64(&backend, Shape::new(&[2])?, &[1.0, 10.0])?);
//! let slope = tape.tangent(loss, &[(x, v)])?;
//! assert_eq!(tape.host(slope)?, [-14.0]);
//! # Ok::<(), orthoscope::Error>(())
//! ```

mod gradients;
mod tangents;
mod tensor;

use std::sync::Arc;

use ndarray::ArrayD;

pub use gradients::Gradients;
pub(crate) use gradients::Sweep;
pub use tensor::Tensor;

use crate::backend::{Phase, Storage};
use crate::error::Result;
use crate::shape::{Activation, Shape};

/// A node of a [`Tape`]. Using it with another tape is a logic error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Var(usize);

/// What the backward pass needs from a device besides memory.
pub trait Accumulate: Storage {
    /// `sum += part`.
    ///
    /// # Errors
    /// The device failed.
    fn add_to(&self, part: &Self::Buffer, sum: &mut Self::Buffer) -> Result<()>;

    /// A buffer with the single element 1, the gradient of a scalar with respect to itself. Nothing is uploaded.
    ///
    /// # Errors
    /// The device failed.
    fn one(&self) -> Result<Self::Buffer>;
}

/// The interface between an operation and the tape. When the node is recorded, the forward pass has already run.
pub(crate) trait Operation<B: Accumulate>: Send + Sync {
    /// Input nodes, in the order in which [`Operation::tangent`] gets their tangents.
    fn inputs(&self) -> Vec<Var>;

    /// The activation A that ends this node, `y = A(z)`, if its backward pass starts with [`Sweep::before_activation`].
    fn activation(&self) -> Activation {
        Activation::Identity
    }

    /// Propagates `dy`, the gradient of this node `y`, to the inputs. `dy` is not read afterwards, so it may be changed in place.
    fn backward(&self, sweep: &mut Sweep<'_, B>, y: Var, dy: &mut B::Buffer) -> Result<()>;

    /// Records the tangent of node `y`. `inputs` holds the tangent of each input, or None for zero; at least one is not None.
    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>>;
}

struct Node<B: Accumulate> {
    value: Tensor<B>,
    /// None for a leaf.
    operation: Option<Arc<dyn Operation<B>>>,
    /// Whether gradients are propagated to or through this node.
    needs_gradient: bool,
    /// The layer it belongs to, for profiling.
    layer: Option<Arc<str>>,
}

/// A tape on backend `B`.
pub struct Tape<B: Accumulate> {
    backend: B,
    nodes: Vec<Node<B>>,
    layer: Option<Arc<str>>,
}

impl<B: Accumulate> Tape<B> {
    /// An empty tape.
    pub fn new(backend: B) -> Self {
        backend.enter("", Phase::Forward);
        Self { backend, nodes: Vec::new(), layer: None }
    }

    /// Sets the layer name of the following nodes, for profiling the forward and the backward pass. An empty name ends the layer.
    pub fn enter(&mut self, layer: &str) {
        self.backend.enter(layer, Phase::Forward);
        self.layer = (!layer.is_empty()).then(|| layer.into());
    }

    /// The backend.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// A leaf with a gradient.
    pub fn variable(&mut self, value: Tensor<B>) -> Var {
        self.push(value, None, true)
    }

    /// A leaf without a gradient.
    pub fn constant(&mut self, value: Tensor<B>) -> Var {
        self.push(value, None, false)
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Clears the tape and frees its memory. Earlier [`Var`]s become invalid.
    pub fn clear(&mut self) {
        self.nodes.clear();
    }

    /// Keeps the first `len` nodes and frees the memory of the others, whose [`Var`]s become invalid. So a function that is
    /// recorded once can be differentiated in many directions, without recording their tangents on top of each other.
    pub fn truncate(&mut self, len: usize) {
        self.nodes.truncate(len);
    }

    /// Shape of a node.
    pub fn shape(&self, var: Var) -> Shape {
        self.nodes[var.0].value.shape()
    }

    /// Value of a node. A clone shares the memory.
    pub fn value(&self, var: Var) -> &Tensor<B> {
        &self.nodes[var.0].value
    }

    /// Value of a node on the host.
    ///
    /// # Errors
    /// The device failed.
    pub fn host(&self, var: Var) -> Result<Vec<B::Elem>> {
        self.value(var).to_host(&self.backend)
    }

    /// Value of a node on the host, as an array with its dimensions.
    ///
    /// # Errors
    /// The device failed.
    pub fn array(&self, var: Var) -> Result<ArrayD<B::Elem>> {
        self.value(var).to_array(&self.backend)
    }

    /// Whether gradients are propagated to or through a node.
    pub fn needs_gradient(&self, var: Var) -> bool {
        self.nodes[var.0].needs_gradient
    }

    pub(crate) fn buffer(&self, var: Var) -> &B::Buffer {
        self.value(var).buffer()
    }

    /// Computes a node of `shape` with `forward` and records its operation for differentiation.
    pub(crate) fn record(
        &mut self,
        shape: Shape,
        operation: impl Operation<B> + 'static,
        forward: impl FnOnce(&Self, &mut B::Buffer) -> Result<()>,
    ) -> Result<Var> {
        let mut out = self.backend.alloc_activation(&shape)?;
        forward(self, &mut out)?;
        self.backend.settle(&mut out)?;
        let needs_gradient = operation.inputs().iter().any(|&input| self.needs_gradient(input));
        Ok(self.push(Tensor::from_buffer(shape, out), Some(Arc::new(operation)), needs_gradient))
    }

    pub(crate) fn push(&mut self, value: Tensor<B>, operation: Option<Arc<dyn Operation<B>>>, needs_gradient: bool) -> Var {
        self.nodes.push(Node { value, operation, needs_gradient, layer: self.layer.clone() });
        Var(self.nodes.len() - 1)
    }
}
