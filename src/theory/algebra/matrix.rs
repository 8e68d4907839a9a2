use super::vector::{dot, norm};
use crate::rng::Stream;

/// A dense matrix in row-major order. Extents that do not fit each other panic, as a slice does that is indexed beyond its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    rows: usize,
    columns: usize,
    values: Vec<f64>,
}

impl Matrix {
    /// `rows x columns` with the entry `entry(row, column)`.
    pub fn from_fn(rows: usize, columns: usize, mut entry: impl FnMut(usize, usize) -> f64) -> Self {
        let values = (0..rows * columns).map(|index| entry(index / columns, index % columns)).collect();
        Self { rows, columns, values }
    }

    /// From values in row-major order; missing ones are 0, those beyond the end are left out.
    pub fn from_values(rows: usize, columns: usize, mut values: Vec<f64>) -> Self {
        values.resize(rows * columns, 0.0);
        Self { rows, columns, values }
    }

    /// The matrix with these columns, each of `rows` values.
    ///
    /// # Panics
    /// If a column is shorter.
    pub fn from_columns(rows: usize, columns: &[Vec<f64>]) -> Self {
        Self::from_fn(rows, columns.len(), |row, column| columns[column][row])
    }

    /// Independent standard normal entries, drawn in row-major order.
    pub fn normal(stream: &mut Stream, rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: stream.normals(rows * columns) }
    }

    /// All entries 0.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self { rows, columns, values: vec![0.0; rows * columns] }
    }

    /// The unit matrix I.
    pub fn identity(size: usize) -> Self {
        Self::from_fn(size, size, |row, column| f64::from(u8::from(row == column)))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// All entries in row-major order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// One row.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.columns..(row + 1) * self.columns]
    }

    /// One column.
    ///
    /// # Panics
    /// If there is no such column.
    pub fn column(&self, column: usize) -> Vec<f64> {
        (0..self.rows).map(|row| self[(row, column)]).collect()
    }

    /// Aᵀ.
    pub fn transposed(&self) -> Self {
        Self::from_fn(self.columns, self.rows, |row, column| self[(column, row)])
    }

    /// `A B`.
    ///
    /// # Panics
    /// If the inner extents differ.
    pub fn times(&self, other: &Self) -> Self {
        assert_eq!(self.columns, other.rows, "inner extents of a product");
        let mut product = Self::zeros(self.rows, other.columns);
        for row in 0..self.rows {
            for inner in 0..self.columns {
                let factor = self[(row, inner)];
                for (sum, value) in product.row_mut(row).iter_mut().zip(other.row(inner)) {
                    *sum += factor * value;
                }
            }
        }
        product
    }

    /// `A v`.
    ///
    /// # Panics
    /// If v has not as many values as A has columns.
    pub fn apply(&self, v: &[f64]) -> Vec<f64> {
        assert_eq!(self.columns, v.len(), "columns of a matrix and values of a vector");
        (0..self.rows).map(|row| dot(self.row(row), v)).collect()
    }

    /// `Aᵀ v`.
    ///
    /// # Panics
    /// If v has not as many values as A has rows.
    pub fn apply_transposed(&self, v: &[f64]) -> Vec<f64> {
        assert_eq!(self.rows, v.len(), "rows of a matrix and values of a vector");
        let mut product = vec![0.0; self.columns];
        for (row, factor) in v.iter().enumerate() {
            for (sum, value) in product.iter_mut().zip(self.row(row)) {
                *sum += factor * value;
            }
        }
        product
    }

    /// `A + t B`.
    ///
    /// # Panics
    /// If the extents differ.
    #[must_use]
    pub fn add_scaled(&self, t: f64, other: &Self) -> Self {
        assert_eq!([self.rows, self.columns], [other.rows, other.columns], "extents of a sum");
        Self { values: super::add_scaled(&self.values, t, &other.values), ..*self }
    }

    /// `A - B`.
    ///
    /// # Panics
    /// If the extents differ.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.add_scaled(-1.0, other)
    }

    /// `t A`.
    #[must_use]
    pub fn scaled(&self, t: f64) -> Self {
        Self { values: self.values.iter().map(|value| t * value).collect(), ..*self }
    }

    /// Sum of the diagonal.
    pub fn trace(&self) -> f64 {
        (0..self.rows.min(self.columns)).map(|index| self[(index, index)]).sum()
    }

    /// Frobenius norm ‖A‖_F.
    pub fn frobenius(&self) -> f64 {
        norm(&self.values)
    }

    fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * self.columns..(row + 1) * self.columns]
    }
}

impl std::ops::Index<(usize, usize)> for Matrix {
    type Output = f64;

    fn index(&self, (row, column): (usize, usize)) -> &f64 {
        assert!(column < self.columns, "column {column} of {}", self.columns);
        &self.values[row * self.columns + column]
    }
}

impl std::ops::IndexMut<(usize, usize)> for Matrix {
    fn index_mut(&mut self, (row, column): (usize, usize)) -> &mut f64 {
        assert!(column < self.columns, "column {column} of {}", self.columns);
        &mut self.values[row * self.columns + column]
    }
}
