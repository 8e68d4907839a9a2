//! The theory through its public interface: properties of every manifold, matrix and claim, and that faults are detected.

mod theory {
    mod algebra;
    mod checks;
    mod claims;
    mod derivatives;
    mod faulty;
    mod gratings;
    mod image_laws;
    mod laws;
    mod manifolds;
    mod mutations;
    mod records;
    mod refusals;
    mod rendered;
    mod resemblance;
    mod runner;
    mod special_points;
    mod statistics;
    mod transition_set;
}
