//! The theory through its public interface: properties of every manifold, matrix and claim, and that faults are detected.

mod theory {
    mod algebra;
    mod claims;
    mod faulty;
    mod laws;
    mod manifolds;
    mod mutations;
    mod refusals;
    mod special_points;
}
