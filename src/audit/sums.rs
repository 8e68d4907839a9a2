use super::estimate::{Finding, Quotient};
use super::krylov::Leading;
use super::quantity::Quantity;

/// Sums over the images for every quantity and for the leading singular values.
pub(super) struct Sums {
    quotients: [Quotient; Quantity::ALL.len()],
    singular_values: Vec<Quotient>,
    /// Whether each of these has converged at every image.
    has_converged: Vec<bool>,
}

impl Sums {
    pub fn new() -> Self {
        let quotient = |quantity: Quantity| if quantity.is_root() { Quotient::root() } else { Quotient::mean() };
        Self { quotients: Quantity::ALL.map(quotient), singular_values: Vec::new(), has_converged: Vec::new() }
    }

    /// What one image contributes to a quantity.
    pub fn push(&mut self, quantity: Quantity, numerator: f64, denominator: f64) {
        self.quotients[quantity as usize].push(numerator, denominator);
    }

    /// The leading singular values of one image.
    pub fn push_singular_values(&mut self, leading: &Leading) {
        self.singular_values.resize_with(leading.values.len(), Quotient::mean);
        self.singular_values.iter_mut().zip(&leading.values).for_each(|(sum, &value)| sum.push(value, 1.0));
        self.has_converged.resize(leading.values.len(), true);
        self.has_converged.iter_mut().zip(&leading.has_converged).for_each(|(all, &has)| *all &= has);
    }

    /// What is found of each quantity.
    pub fn findings(&self, seed: u64) -> [Finding; Quantity::ALL.len()] {
        Quantity::ALL.map(|quantity| self.quotients[quantity as usize].finding(seed))
    }

    /// The value of each image, for each quantity.
    pub fn per_image(&self) -> [Vec<f64>; Quantity::ALL.len()] {
        Quantity::ALL.map(|quantity| self.quotients[quantity as usize].each())
    }

    /// The singular values of each image that they were measured of.
    pub fn singular_values_per_image(&self) -> Vec<Vec<f64>> {
        let each: Vec<Vec<f64>> = self.singular_values.iter().map(Quotient::each).collect();
        let count = each.first().map_or(0, Vec::len);
        (0..count).map(|image| each.iter().filter_map(|values| values.get(image).copied()).collect()).collect()
    }

    /// The mean singular values; none if no image has any.
    pub fn singular_values(&self, seed: u64) -> Vec<Finding> {
        let finding = |(quotient, &has_converged): (&Quotient, &bool)| match has_converged {
            true => quotient.finding(seed),
            false => quotient.finding(seed).at_least("block Lanczos has not converged"),
        };
        self.singular_values.iter().zip(&self.has_converged).map(finding).collect()
    }
}
