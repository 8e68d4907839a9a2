//! The room `theory` through its public interface: what must hold for any manifold, any matrix and every claim, and that what is wrong
//! is seen.

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
