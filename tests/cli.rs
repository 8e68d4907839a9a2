//! The command line as scripts and people use it: files, keys, exit codes.

mod fixture;

mod cli {
    #[cfg(target_os = "linux")]
    mod ablate;
    mod audit;
    mod compare;
    mod data;
    mod demo;
    mod detect;
    mod detect_results;
    mod device;
    mod dry_run;
    mod evaluate;
    mod familiar;
    mod figures;
    mod folders;
    #[cfg(target_os = "linux")]
    mod gpu;
    mod help;
    mod interrupt;
    mod kernels;
    mod lengthen;
    mod metrics;
    mod model;
    mod pictures;
    mod predict;
    mod profile;
    mod reproduce;
    mod streams;
    mod tiles;
    mod train;
    mod training_log;
    mod validate;
    mod verify;
}
