//! Minimisers of the objective itself, found through a tape.

use crate::error::Result;
use crate::model::{Architecture, Parameters};
use crate::ops::{Backend, Penalty};
use crate::shape::Shape;
use crate::tape::{Tape, Tensor, Var};
use crate::theory::claims::training::{minimise, outputs, schedule};

use super::world::{Atom, VALUES, World};

/// Of [`Penalty::Charbonnier`], which is not used here.
const EPSILON: f64 = 0.05;

/// The objective of a world for one λ.
pub(super) struct Problem<'a, B> {
    pub(super) backend: &'a B,
    pub(super) world: &'a World,
    pub(super) lambda: f64,
}

impl<B: Backend<Elem = f64>> Problem<'_, B> {
    /// The minimiser over all functions of x̂ from values of the objective: it is a parabola in every output, so three values
    /// give the vertex. One row a group.
    pub(super) fn minimiser_by_values(&self) -> Result<Vec<Vec<f64>>> {
        let mut table = vec![0.0; self.entries()];
        let origin = self.value(&table)?;
        let mut vertices = Vec::with_capacity(table.len());
        for entry in 0..table.len() {
            let mut at = |x: f64| {
                table[entry] = x;
                let value = self.value(&table);
                table[entry] = 0.0;
                value
            };
            let (above, below) = (at(1.0)?, at(-1.0)?);
            vertices.push(0.5 * (below - above) / (above - 2.0 * origin + below));
        }
        Ok(self.rows(&vertices))
    }

    /// The same minimiser from two gradients of the reverse sweep: each is linear in its own output.
    pub(super) fn minimiser_by_gradients(&self) -> Result<Vec<Vec<f64>>> {
        let (at_0, at_1) = (self.gradient(0.0)?, self.gradient(1.0)?);
        Ok(self.rows(&at_0.iter().zip(&at_1).map(|(g0, g1)| -g0 / (g1 - g0)).collect::<Vec<_>>()))
    }

    /// Trains the function that has free outputs for each x̂.
    pub(super) fn trained_table(&self, steps: u64) -> Result<Vec<Vec<f64>>> {
        let mut table = vec![Tensor::zeros(self.backend, self.table_shape()?)?];
        minimise(self.backend, schedule(steps, 0.05), &mut table, |tape, table, _| {
            let table = tape.variable(table[0].clone());
            Ok((self.objective_of_table(tape, table)?, vec![table]))
        })?;
        Ok(self.rows(&table[0].to_host(self.backend)?))
    }

    /// Trains a network with one hidden layer; its outputs for each x̂.
    pub(super) fn trained_network(&self, seed: u64, hidden: usize, steps: u64) -> Result<Vec<Vec<f64>>> {
        let mut network = Parameters::initialise(self.backend, &Architecture::mlp(VALUES, &[hidden])?, seed)?;
        minimise(self.backend, schedule(steps, 0.02), &mut network, |tape, network, _| {
            let bound = network.bind(tape, true);
            let x = self.constant(tape, |atom| &atom.corrupted)?;
            let output = network.forward(tape, &bound, x)?;
            Ok((self.objective(tape, output)?, bound.vars().to_vec()))
        })?;
        outputs(self.backend, &network, &self.world.inputs)
    }

    fn value(&self, table: &[f64]) -> Result<f64> {
        let mut tape = Tape::new(self.backend.clone());
        let table = Tensor::from_f64(self.backend, self.table_shape()?, table)?;
        let table = tape.constant(table);
        let loss = self.objective_of_table(&mut tape, table)?;
        Ok(tape.host(loss)?[0])
    }

    /// With every entry of the table equal to `value`.
    fn gradient(&self, value: f64) -> Result<Vec<f64>> {
        let mut tape = Tape::new(self.backend.clone());
        let table = Tensor::from_f64(self.backend, self.table_shape()?, &vec![value; self.entries()])?;
        let table = tape.variable(table);
        let loss = self.objective_of_table(&mut tape, table)?;
        tape.backward(loss)?.host(table)
    }

    /// The table holds one column a group: f(x̂) is the product of a unit vector and its transpose.
    fn objective_of_table(&self, tape: &mut Tape<B>, table: Var) -> Result<Var> {
        let groups = self.world.inputs.len();
        let unit = |&group: &usize| (0..groups).map(move |other| f64::from(u8::from(other == group)));
        let units: Vec<f64> = self.world.group.iter().flat_map(unit).collect();
        let units = Tensor::from_f64(self.backend, Shape::new(&[self.world.atoms.len(), groups])?, &units)?;
        let units = tape.constant(units);
        let output = tape.linear(units, table, None, crate::shape::Activation::Identity)?;
        self.objective(tape, output)
    }

    fn objective(&self, tape: &mut Tape<B>, output: Var) -> Result<Var> {
        let target = self.constant(tape, |atom| &atom.image)?;
        let mask = self.constant(tape, |atom| &atom.region)?;
        tape.objective(output, target, mask, Penalty::Squared, self.lambda, EPSILON)
    }

    fn constant(&self, tape: &mut Tape<B>, pick: impl Fn(&Atom) -> &Vec<f64>) -> Result<Var> {
        let values: Vec<f64> = self.world.atoms.iter().flat_map(|atom| pick(atom).iter().copied()).collect();
        let tensor = Tensor::from_f64(self.backend, Shape::new(&[self.world.atoms.len(), VALUES])?, &values)?;
        Ok(tape.constant(tensor))
    }

    fn table_shape(&self) -> Result<Shape> {
        Shape::new(&[VALUES, self.world.inputs.len()])
    }

    fn entries(&self) -> usize {
        VALUES * self.world.inputs.len()
    }

    /// From a table `[n, groups]` to one row a group.
    fn rows(&self, table: &[f64]) -> Vec<Vec<f64>> {
        let groups = self.world.inputs.len();
        (0..groups).map(|group| (0..VALUES).map(|i| table[i * groups + group]).collect()).collect()
    }
}
