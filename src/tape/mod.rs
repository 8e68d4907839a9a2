//! The tape: what was computed, so that it can be differentiated.
//!
//! - [`Tape`] records one node per operation; [`Var`] is the index of a node.
//! - [`Tape::backward`] sweeps the nodes in reverse and accumulates gradients (reverse mode).
//! - [`Tape::tangents`] walks them forward and records directional derivatives *as nodes of the same tape* (forward mode), so
//!   `‖J v‖²` is an ordinary value and can be differentiated exactly.
//!
//! The tape knows no operation. Each one is a folder of [`crate::ops`], whose `tape.rs` holds the method that computes it, its adjoint
//! and its tangent.
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
use crate::shape::Shape;

/// One value on a [`Tape`]. Using it with another tape is a logic error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Var(usize);

/// What the backward pass needs of a device besides its memory.
pub trait Accumulate: Storage {
    /// `sum += part`.
    ///
    /// # Errors
    /// The device failed.
    fn add_to(&self, part: &Self::Buffer, sum: &mut Self::Buffer) -> Result<()>;

    /// A buffer of one element, 1: the gradient of a scalar in itself. Nothing is uploaded.
    ///
    /// # Errors
    /// The device failed.
    fn one(&self) -> Result<Self::Buffer>;
}

/// An operation as the tape sees it. The forward pass has happened when the node is recorded.
pub(crate) trait Operation<B: Accumulate>: Send + Sync {
    /// Nodes that this one was computed from, in the order that [`Operation::tangent`] gets their tangents.
    fn inputs(&self) -> Vec<Var>;

    /// Accumulates `dy`, the gradient of this node `y`, into the inputs. Nobody reads `dy` afterwards: it may be changed in place.
    fn backward(&self, sweep: &mut Sweep<'_, B>, y: Var, dy: &mut B::Buffer) -> Result<()>;

    /// Records the tangent of node `y`; `inputs` holds each input's tangent where it is not zero (at least one is not).
    fn tangent(&self, tape: &mut Tape<B>, y: Var, inputs: &[Option<Var>]) -> Result<Option<Var>>;
}

struct Node<B: Accumulate> {
    value: Tensor<B>,
    /// None for a leaf.
    operation: Option<Arc<dyn Operation<B>>>,
    /// Whether gradients flow to or through this node.
    needs_gradient: bool,
    /// The layer that it belongs to, for profilers.
    layer: Option<Arc<str>>,
}

/// A record of computation on backend `B`.
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

    /// Says of which layer the next nodes are, in both directions; the empty name ends it. Profilers are told.
    pub fn enter(&mut self, layer: &str) {
        self.backend.enter(layer, Phase::Forward);
        self.layer = (!layer.is_empty()).then(|| layer.into());
    }

    /// The device that computes.
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// A leaf whose gradient is wanted.
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

    /// Forgets everything recorded and gives the memory back. Earlier [`Var`]s become invalid.
    pub fn clear(&mut self) {
        self.nodes.clear();
    }

    /// Shape of a node.
    pub fn shape(&self, var: Var) -> Shape {
        self.nodes[var.0].value.shape()
    }

    /// Value of a node; cloning it is cheap.
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

    /// Whether gradients flow to or through a node.
    pub fn needs_gradient(&self, var: Var) -> bool {
        self.nodes[var.0].needs_gradient
    }

    pub(crate) fn buffer(&self, var: Var) -> &B::Buffer {
        self.value(var).buffer()
    }

    /// Computes a node of `shape` with `forward` and records how to differentiate it.
    pub(crate) fn record(
        &mut self,
        shape: Shape,
        operation: impl Operation<B> + 'static,
        forward: impl FnOnce(&Self, &mut B::Buffer) -> Result<()>,
    ) -> Result<Var> {
        let mut out = self.backend.alloc(shape.len())?;
        forward(self, &mut out)?;
        let needs_gradient = operation.inputs().iter().any(|&input| self.needs_gradient(input));
        Ok(self.push(Tensor::from_buffer(shape, out), Some(Arc::new(operation)), needs_gradient))
    }

    pub(crate) fn push(&mut self, value: Tensor<B>, operation: Option<Arc<dyn Operation<B>>>, needs_gradient: bool) -> Var {
        self.nodes.push(Node { value, operation, needs_gradient, layer: self.layer.clone() });
        Var(self.nodes.len() - 1)
    }
}
