use ndarray::Array1;

use super::estimate::{Finding, Quotient};
use super::quantity::Quantity;

/// Sums over the images for every quantity and for the leading singular values.
pub(super) struct Sums {
    quotients: [Quotient; Quantity::ALL.len()],
    singular_values: Vec<Quotient>,
}

impl Sums {
    pub fn new() -> Self {
        let quotient = |quantity: Quantity| if quantity.is_root() { Quotient::root() } else { Quotient::mean() };
        Self { quotients: Quantity::ALL.map(quotient), singular_values: Vec::new() }
    }

    /// What one image contributes to a quantity.
    pub fn push(&mut self, quantity: Quantity, above: f64, below: f64) {
        self.quotients[quantity as usize].push(above, below);
    }

    /// The leading singular values of one image.
    pub fn push_singular_values(&mut self, values: &Array1<f64>) {
        self.singular_values.resize_with(values.len(), Quotient::mean);
        self.singular_values.iter_mut().zip(values).for_each(|(sum, &value)| sum.push(value, 1.0));
    }

    /// What is found of each quantity.
    pub fn findings(&self, seed: u64) -> [Finding; Quantity::ALL.len()] {
        Quantity::ALL.map(|quantity| self.quotients[quantity as usize].finding(seed))
    }

    /// The value of each image, for each quantity.
    pub fn per_image(&self) -> [Vec<f64>; Quantity::ALL.len()] {
        Quantity::ALL.map(|quantity| self.quotients[quantity as usize].each())
    }

    /// The mean singular values; none if no image has any.
    pub fn singular_values(&self, seed: u64) -> Vec<Finding> {
        self.singular_values.iter().map(|quotient| quotient.finding(seed)).collect()
    }
}
