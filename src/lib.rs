//! A from-scratch engine for *Self-Supervised Training with Autoencoders for Visual Anomaly Detection* (Bauer, Nakajima, Müller;
//! arXiv 2206.11723). An autoencoder is trained to remove partial corruptions from images of normal objects. It learns to act
//! like the orthogonal projection onto the manifold of normal images, so what it changes in an image is what is anomalous.
//!
//! The crate contains everything from convolutions to metrics: CPU and CUDA backends, a tape for derivatives of any order that
//! the theory needs, the networks of the paper, training, detection, experiments that test the theory, and a profiler.
//!
//! # Primary types
//! - [`run::Config`]: every setting of an experiment, with defaults; read from TOML.
//! - [`data::TrainingSet`]: normal images as `ndarray` arrays `[height, width, 3]`, and how they are corrupted.
//! - [`train::Trainer`]: weights and optimiser. [`train::Batches`] makes the batches, on the host or on the device.
//! - [`detect::Detector`]: a trained model. [`examine`](detect::Detector::examine) turns an image of any size into a heatmap, a mask,
//!   a score, a verdict and the anomalous regions.
//! - [`backend::Cpu`], [`backend::Cuda`], [`backend::Reference`]: devices. Code is generic over [`ops::Backend`].
//! - [`model::WeightFile`]: weights as safetensors, with the names and layouts of PyTorch.
//! - [`Error`]: one sentence for a user, and a kind to match on.
//!
//! # Example
//! Train on arrays, then examine an image with a defect (`examples/train_and_detect.rs`):
//!
//! ```
//! use ndarray::{Array3, s};
//! use orthoscope::backend::Cpu;
//! use orthoscope::run::Config;
//! use orthoscope::train::{Batches, Trainer};
//!
//! # fn main() -> orthoscope::Result<()> {
//! let stripes = |phase| Array3::from_shape_fn((32, 32, 3), |(y, x, _)| ((x + y + phase) % 8) as f32 / 7.0);
//! let normal: Vec<Array3<f32>> = (0..8).map(stripes).collect();
//! let config = Config::parse("model.width = 8\ndata.size = 32\ntrain = { steps = 200, batch = 2, learning_rate = 0.005 }")?;
//! let (set, held_out) = config.training_set(&normal)?;
//!
//! let backend = Cpu::default();
//! let mut trainer = Trainer::new(&backend, config.recipe())?;
//! let mut batches = Batches::new(&backend, set, config.train.batch, config.train.steps)?;
//! while trainer.step() < config.train.steps {
//!     trainer.advance(&mut batches)?;
//! }
//! let detector = config.detector(&trainer, &held_out)?;
//!
//! let mut image = stripes(3);
//! image.slice_mut(s![12..20, 10..18, ..]).fill(0.5);
//! let found = detector.examine(&image)?;
//! assert_eq!(found.anomalous, Some(true));
//! assert_eq!(found.heatmap.dim(), (32, 32));
//! # Ok(())
//! # }
//! ```
//!
//! For folders of images, with checkpoints and a log, see [`run::TrainingJob`], [`run::evaluate_detector`] and the program
//! `orthoscope`.
//!
//! # Modules
//! In the order in which they build on each other; `tests/architecture.rs` checks that none uses a later one.
//!
//! | module | contents |
//! |---|---|
//! | [`error`] | the error type |
//! | [`shape`] | shapes of arrays |
//! | [`rng`] | Philox, the only source of randomness |
//! | [`disk`] | files that are written completely or not at all; arrays as .npy |
//! | [`backend`] | engines: CPU with SIMD and threads, CUDA and its emulator, plain memory for reference loops |
//! | [`tape`] | recording, gradients, directional derivatives; knows no operation |
//! | [`ops`] | one folder per operation: contract, reference loops, CPU, CUDA, adjoint and tangent |
//! | [`model`] | Model I and II, MLP, weight files |
//! | [`data`] | images, folders, generated textures, corruption, batches |
//! | [`train`] | objective, Adam, schedule, checkpoints |
//! | [`detect`] | heatmaps, thresholds, regions, metrics |
//! | [`export`] | a detector as an ONNX file |
//! | [`run`] | one experiment from config to metrics |
//! | [`theory`] | manifolds, and the experiments that test the claims of the theory |
//! | [`audit`] | how close any map is to an orthogonal projection |
//! | [`profile`] | time, FLOPs and bytes of every operation |
//! | [`report`] | tables, figures, HTML |
//! | `cli` | the program, also for a program of your own with claims of its own |
//!
//! # Features
//! - `cli` (default): the program. Libraries should use `default-features = false`; this leaves out the crates for arguments, progress
//!   bars and signals.
//! - `emulator`: runs the CUDA kernels on the CPU; needs a C++20 compiler.
//!
//! `Method §3` in the documentation means section 3 of `paper/method.md`.
#![deny(missing_docs)]
#![deny(unsafe_op_in_unsafe_fn)]
#![warn(rust_2018_idioms)]

pub mod audit;
pub mod backend;
#[cfg(feature = "cli")]
pub mod cli;
pub mod data;
pub mod detect;
pub mod disk;
pub mod error;
pub mod export;
pub mod model;
pub mod ops;
pub mod profile;
pub mod report;
pub mod rng;
pub mod run;
pub mod shape;
mod spare;
pub mod tape;
pub mod theory;
pub mod train;

pub use error::{Error, Result};
