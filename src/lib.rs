//! From-scratch numerical engine for *Self-Supervised Training with Autoencoders for Visual Anomaly Detection*
//! (Bauer, Nakajima, Müller; arXiv 2206.11723): an autoencoder trained on partially corrupted images learns to act like an
//! orthogonal projection onto the manifold of normal images, so that what it changes is what is anomalous.
//!
//! The modules are rooms with one direction of sight: each may look only at those above it in this list.
//! `tests/architecture.rs` enforces it. `Method §3` means section 3 of `paper/method.md`.
#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(rust_2018_idioms)]

pub mod error;
pub mod shape;

pub mod rng;

pub mod disk;

pub mod backend;

pub mod tape;

pub mod model;
pub mod ops;

pub mod data;

pub mod train;

pub mod detect;

pub mod run;

pub mod theory;

pub mod profile;

pub mod report;

pub use error::{Error, Result};

/// Compiles and runs the examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
