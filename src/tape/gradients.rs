use super::{Accumulate, Node, Tape, Var};
use crate::backend::{Phase, Slope};
use crate::error::{Error, Result};
use crate::shape::Activation;

/// Gradients of a scalar with respect to the variables it depends on.
pub struct Gradients<B: Accumulate> {
    backend: B,
    slots: Vec<Option<B::Buffer>>,
}

impl<B: Accumulate> Gradients<B> {
    /// Gradient with respect to `var`. None if the scalar does not depend on `var`, or `var` is not a [`Tape::variable`].
    pub fn get(&self, var: Var) -> Option<&B::Buffer> {
        self.slots.get(var.0).and_then(Option::as_ref)
    }

    /// Gradient with respect to `var`, on the host.
    ///
    /// # Errors
    /// `var` has no gradient; the device failed.
    pub fn host(&self, var: Var) -> Result<Vec<B::Elem>> {
        let buffer = self.get(var).ok_or_else(|| Error::argument(format!("node {} has no gradient", var.0)))?;
        self.backend.download(buffer)
    }

    /// Accumulates into a slot, which may be empty. Every write of a gradient goes through here.
    fn accumulate(&mut self, var: Var, part: B::Buffer) -> Result<()> {
        match &mut self.slots[var.0] {
            Some(sum) => self.backend.add_to(&part, sum),
            empty => {
                *empty = Some(part);
                Ok(())
            }
        }
    }
}

/// The backward pass as seen by an operation: it reads values and accumulates gradients.
pub(crate) struct Sweep<'a, B: Accumulate> {
    pub(crate) tape: &'a Tape<B>,
    gradients: Gradients<B>,
    /// The node whose backward pass runs.
    current: usize,
    /// For each node the first node that uses it, the last one that contributes to its gradient.
    first_uses: Vec<Option<usize>>,
    /// Nodes whose gradient has been multiplied by the slope of their activation.
    finished: Vec<bool>,
}

impl<'a, B: Accumulate> Sweep<'a, B> {
    pub(crate) fn backend(&self) -> &'a B {
        &self.tape.backend
    }

    pub(crate) fn value(&self, var: Var) -> &'a B::Buffer {
        self.tape.buffer(var)
    }

    /// Lets `add` accumulate into the gradient of `var`. Does nothing if `var` needs no gradient.
    pub(crate) fn accumulate(&mut self, var: Var, add: impl FnOnce(&mut B::Buffer) -> Result<()>) -> Result<()> {
        if !self.tape.needs_gradient(var) {
            return Ok(());
        }
        let mut sum = self.take(var)?;
        add(&mut sum)?;
        self.put(var, sum)
    }

    /// As [`Sweep::accumulate`]. `add` must multiply the sum by the slope that it gets, which is there if this is the last
    /// contribution to the gradient of a node that ends with an activation.
    pub(crate) fn accumulate_through(
        &mut self,
        var: Var,
        add: impl FnOnce(&mut B::Buffer, Option<Slope<'a, B::Buffer>>) -> Result<()>,
    ) -> Result<()> {
        let slope = self.last_slope(var);
        self.accumulate(var, |sum| add(sum, slope))?;
        self.finished[var.0] |= slope.is_some();
        Ok(())
    }

    /// As [`Sweep::accumulate`] for several nodes at once. A node that needs no gradient gets scratch memory.
    pub(crate) fn accumulate_all(&mut self, vars: &[Var], add: impl FnOnce(&mut [B::Buffer]) -> Result<()>) -> Result<()> {
        let mut sums = vars.iter().map(|&var| self.take(var)).collect::<Result<Vec<_>>>()?;
        add(&mut sums)?;
        for (&var, sum) in vars.iter().zip(sums) {
            if self.tape.needs_gradient(var) {
                self.put(var, sum)?;
            }
        }
        Ok(())
    }

    /// [`Sweep::accumulate_all`] with the slopes of [`Sweep::accumulate_through`] for the first `count` nodes.
    pub(crate) fn accumulate_all_through(
        &mut self,
        vars: &[Var],
        count: usize,
        add: impl FnOnce(&mut [B::Buffer], &[Option<Slope<'a, B::Buffer>>]) -> Result<()>,
    ) -> Result<()> {
        let slopes: Vec<_> = vars[..count].iter().map(|&var| self.last_slope(var)).collect();
        self.accumulate_all(vars, |sums| add(sums, &slopes))?;
        vars.iter().zip(&slopes).for_each(|(var, slope)| self.finished[var.0] |= slope.is_some());
        Ok(())
    }

    /// Whether the gradient of `var` is already that before its activation.
    pub(crate) fn is_finished(&self, var: Var) -> bool {
        self.finished[var.0]
    }

    /// The slope by which to multiply the gradient of `var` after the contribution of the current node.
    fn last_slope(&self, var: Var) -> Option<Slope<'a, B::Buffer>> {
        let activation = self.tape.nodes[var.0].operation.as_ref()?.activation();
        let is_last = self.first_uses[var.0] == Some(self.current) && self.tape.needs_gradient(var);
        // If the node uses it twice, no single contribution of the node is the last.
        let is_single = || self.tape.nodes[self.current].inputs().filter(|&input| input == var).count() == 1;
        (activation != Activation::Identity && is_last && is_single()).then(|| Slope { activation, y: self.value(var) })
    }

    /// Takes out the gradient accumulated for `var` so far, or zeros. It is put back with [`Sweep::put`].
    fn take(&mut self, var: Var) -> Result<B::Buffer> {
        match self.gradients.slots[var.0].take() {
            Some(sum) => Ok(sum),
            None => self.backend().gradient_of(self.value(var)),
        }
    }

    fn put(&mut self, var: Var, mut sum: B::Buffer) -> Result<()> {
        self.backend().settle(&mut sum)?;
        self.gradients.accumulate(var, sum)
    }
}

impl<B: Accumulate> Node<B> {
    /// The nodes that its operation uses; none for a leaf.
    fn inputs(&self) -> impl Iterator<Item = Var> {
        self.operation.iter().flat_map(|operation| operation.inputs())
    }
}

impl<B: Accumulate> Tape<B> {
    /// Gradients of the scalar `loss` with respect to all variables.
    ///
    /// # Errors
    /// `loss` is not a scalar, or the device failed.
    pub fn backward(&self, loss: Var) -> Result<Gradients<B>> {
        if self.shape(loss).len() != 1 {
            return Err(Error::shape("backward", format!("needs a scalar, got {}", self.shape(loss))));
        }
        self.sweep(loss, self.backend.one()?)
    }

    /// Gradients of `⟨seed, y⟩`, that is, the vector-Jacobian product `Jᵀ seed`.
    ///
    /// # Errors
    /// `seed` has another length than `y`, or the device failed.
    pub fn backward_from(&self, y: Var, seed: &[B::Elem]) -> Result<Gradients<B>> {
        if seed.len() != self.shape(y).len() {
            return Err(Error::shape("backward", format!("{} needs a seed of its size, got {}", self.shape(y), seed.len())));
        }
        self.sweep(y, self.backend.upload(seed)?)
    }

    fn sweep(&self, y: Var, seed: B::Buffer) -> Result<Gradients<B>> {
        let slots = self.nodes.iter().map(|_| None).collect();
        let gradients = Gradients { backend: self.backend.clone(), slots };
        let (first_uses, finished) = (self.first_uses(), vec![false; self.nodes.len()]);
        let mut sweep = Sweep { tape: self, gradients, current: y.0, first_uses, finished };
        sweep.gradients.accumulate(y, seed)?;
        for index in (0..=y.0).rev() {
            let node = &self.nodes[index];
            let Some(operation) = node.operation.as_ref() else { continue };
            // Taken out, so that its memory is freed as soon as it has been used.
            let Some(mut dy) = sweep.gradients.slots[index].take() else { continue };
            if node.needs_gradient {
                sweep.current = index;
                self.backend.enter(node.layer.as_deref().unwrap_or_default(), Phase::InputGradient);
                operation.backward(&mut sweep, Var(index), &mut dy)?;
            }
        }
        Ok(sweep.gradients)
    }

    /// For each node the first node that uses it.
    fn first_uses(&self) -> Vec<Option<usize>> {
        let mut first_uses = vec![None; self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            node.inputs().for_each(|input| {
                first_uses[input.0].get_or_insert(index);
            });
        }
        first_uses
    }
}
