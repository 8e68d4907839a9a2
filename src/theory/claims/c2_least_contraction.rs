//! **C2, least contraction.** If f is C¹ and fixes D pointwise, then on D
//!
//! ```text
//! ‖J_f(x)‖_F² = d + ‖J_f(x) P_N‖_F² ≥ d,   with equality iff J_f(x) = P_T.
//! ```
//!
//! Because f(γ(t)) = γ(t) along every curve in D, J_f P_T = P_T, and P_T, P_N are orthogonal. So π has the least RCAE penalty
//! among all maps that reproduce D. For matrices: W² = W of rank m has ‖W‖_F² ≥ m, with equality iff W = Wᵀ.

use crate::error::Result;
use crate::rng::Stream;
use crate::theory::algebra::{Matrix, dot, orthonormal_basis, solve};
use crate::theory::claim::{Claim, Evidence, Row, Setting};

const NUMBER: u32 = 2;

/// See the [module](self).
pub struct LeastContraction;

impl Claim for LeastContraction {
    fn id(&self) -> &'static str {
        "C2"
    }

    fn title(&self) -> &'static str {
        "Least contraction"
    }

    fn statement(&self) -> &'static str {
        "TODO"
    }

    fn measure(&self, setting: &Setting) -> Result<Evidence> {
        let mut stream = setting.stream(NUMBER, 0);
        let (n, m) = (12, 3);
        let orthogonal = orthogonal_projector(&mut stream, n, m);
        let oblique = oblique_projector(&mut stream, n, m);
        let square = |w: &Matrix| dot(w.values(), w.values());
        let because = "rounding of n² products";
        let row = Row::equal("‖W‖_F² of the orthogonal projector of rank m", m as f64, square(&orthogonal), 1e-10, because);
        Ok(Evidence { rows: vec![row.control("oblique projector", square(&oblique))], figures: vec![] })
    }
}

/// `Q Qᵀ` for the span of m random vectors.
fn orthogonal_projector(stream: &mut Stream, n: usize, m: usize) -> Matrix {
    let q = orthonormal_basis(&normal_matrix(stream, n, m));
    q.times(&q.transposed())
}

/// `A (Bᵀ A)⁻¹ Bᵀ`: onto the span of A, along the orthogonal complement of the span of B. Idempotent, but not symmetric.
fn oblique_projector(stream: &mut Stream, n: usize, m: usize) -> Matrix {
    let (a, b) = (normal_matrix(stream, n, m), normal_matrix(stream, n, m));
    let bt = b.transposed();
    solve(&bt.times(&a), &bt).map_or_else(|| Matrix::zeros(n, n), |inner| a.times(&inner))
}

fn normal_matrix(stream: &mut Stream, rows: usize, columns: usize) -> Matrix {
    Matrix::from_fn(rows, columns, |_, _| stream.normal())
}
