//! The room `theory` through its public interface: what must hold for any manifold and any matrix.

mod theory {
    mod algebra;
    mod faulty;
    mod laws;
    mod manifolds;
    mod mutations;
}
