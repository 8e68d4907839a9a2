//! Complaints that users of other anomaly detectors have filed in public: each kind has a test here that is named for it. They
//! are about any command and any folder, so the tests run the program as people do.
//!
//! Two kinds are tested elsewhere. Exported models that score otherwise than the program: `tests/onnx/agreement.rs`, with
//! pictures of any size and several in a batch. Metrics above 1, or wrong with ties: `tests/metrics`.

mod fixture;

mod reports {
    mod config_files;
    mod equal_names;
    mod extensions;
    mod glow;
    mod leaks;
    mod links;
    mod masks;
    #[cfg(target_os = "linux")]
    mod memory;
    #[cfg(target_os = "linux")]
    mod names;
    mod one_class;
    mod places;
    mod repetition;
    mod results_as_inputs;
    mod sizes;
}
