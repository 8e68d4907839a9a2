//! Minimisers of the objective, found through a tape.

use ndarray::{Array1, Array2, Axis};

use crate::error::Result;
use crate::model::{Architecture, Parameters};
use crate::ops::{Backend, Penalty};
use crate::shape::Activation;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::algebra::from_columns;
use crate::theory::claims::training::{batch, matrix, minimise, outputs, schedule};

use super::world::{Atom, VALUES, World};

/// Parameter of [`Penalty::Charbonnier`], not used here.
const EPSILON: f64 = 0.05;

/// The objective of a finite world for one λ.
pub(super) struct Problem<'a, B> {
    pub(super) backend: &'a B,
    pub(super) world: &'a World,
    pub(super) lambda: f64,
}

impl<B: Backend<Elem = f64>> Problem<'_, B> {
    /// The minimiser over all functions of x̂, from values of the objective: it is a parabola in every output, so three values
    /// determine the vertex. One row per group.
    pub(super) fn minimiser_by_values(&self) -> Result<Array2<f64>> {
        let mut table = Array2::zeros(self.dim());
        let origin = self.value(&table)?;
        let mut vertices = table.clone();
        for (entry, vertex) in vertices.indexed_iter_mut() {
            let mut at = |x: f64| {
                table[entry] = x;
                let value = self.value(&table);
                table[entry] = 0.0;
                value
            };
            let (above, below) = (at(1.0)?, at(-1.0)?);
            *vertex = 0.5 * (below - above) / (above - 2.0 * origin + below);
        }
        Ok(vertices.reversed_axes())
    }

    /// The same minimiser from two gradients of the reverse sweep: each is linear in its own output.
    pub(super) fn minimiser_by_gradients(&self) -> Result<Array2<f64>> {
        let (at_0, at_1) = (self.gradient(0.0)?, self.gradient(1.0)?);
        Ok((-&at_0 / (at_1 - &at_0)).reversed_axes())
    }

    /// Trains the function with free outputs for each x̂.
    pub(super) fn trained_table(&self, steps: u64) -> Result<Array2<f64>> {
        let mut table = vec![Tensor::from_array(self.backend, &Array2::<f64>::zeros(self.dim()))?];
        minimise(self.backend, schedule(steps, 0.05), &mut table, |tape, table, _| {
            let table = tape.variable(table[0].clone());
            Ok((self.objective_of_table(tape, table)?, vec![table]))
        })?;
        Ok(matrix(self.backend, &table[0])?.reversed_axes())
    }

    /// Trains a network with one hidden layer and returns its outputs for each x̂.
    pub(super) fn trained_network(&self, seed: u64, hidden: usize, steps: u64) -> Result<Array2<f64>> {
        let mut network = Parameters::initialise(self.backend, &Architecture::mlp(VALUES, &[hidden])?, seed)?;
        minimise(self.backend, schedule(steps, 0.02), &mut network, |tape, network, _| {
            let bound = network.bind(tape, true);
            let x = self.constant(tape, |atom| &atom.corrupted)?;
            let output = network.forward(tape, &bound, x)?;
            Ok((self.objective(tape, output)?, bound.vars().to_vec()))
        })?;
        let found = outputs(self.backend, &network, &self.world.inputs)?;
        Ok(from_columns(VALUES, &found).reversed_axes())
    }

    fn value(&self, table: &Array2<f64>) -> Result<f64> {
        let mut tape = Tape::new(self.backend.clone());
        let table = tape.constant(Tensor::from_array(self.backend, table)?);
        let loss = self.objective_of_table(&mut tape, table)?;
        Ok(tape.host(loss)?[0])
    }

    /// The gradient where all entries of the table are `value`.
    fn gradient(&self, value: f64) -> Result<Array2<f64>> {
        let mut tape = Tape::new(self.backend.clone());
        let table = tape.variable(Tensor::from_array(self.backend, &Array2::from_elem(self.dim(), value))?);
        let loss = self.objective_of_table(&mut tape, table)?;
        let gradient = Tensor::<B>::from_host(self.backend, tape.shape(table), &tape.backward(loss)?.host(table)?)?;
        matrix(self.backend, &gradient)
    }

    /// The table has one column per group: f(x̂) is the product of a unit vector and its transpose.
    fn objective_of_table(&self, tape: &mut Tape<B>, table: Var) -> Result<Var> {
        let groups = self.world.inputs.len();
        let units = Array2::<f64>::eye(groups).select(Axis(0), &self.world.group);
        let units = tape.constant(Tensor::from_array(self.backend, &units)?);
        let output = tape.linear(units, table, None, Activation::Identity)?;
        self.objective(tape, output)
    }

    fn objective(&self, tape: &mut Tape<B>, output: Var) -> Result<Var> {
        let target = self.constant(tape, |atom| &atom.image)?;
        let mask = self.constant(tape, |atom| &atom.region)?;
        tape.objective(output, target, mask, Penalty::Squared, self.lambda, EPSILON)
    }

    fn constant(&self, tape: &mut Tape<B>, pick: impl Fn(&Atom) -> &Array1<f64>) -> Result<Var> {
        let values: Vec<Array1<f64>> = self.world.atoms.iter().map(|atom| pick(atom).clone()).collect();
        Ok(tape.constant(batch(self.backend, &values)?))
    }

    /// Dimensions of the table.
    fn dim(&self) -> (usize, usize) {
        (VALUES, self.world.inputs.len())
    }
}
