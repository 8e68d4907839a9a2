//! Networks: Models I and II of the paper, and an MLP. Each is defined once and interpreted in two ways.
//!
//! A network is a function written against the trait [`Net`]. [`Plan`] runs it on shapes, to find layers, parameters and FLOPs;
//! [`Forward`] runs it on a tape. So the layer table of Method §4 exists only once in the code.

mod architecture;
mod autoencoder;
mod forward;
mod graph;
mod inference;
mod mistaken;
mod mlp;
mod net;
mod parameters;
mod plan;
mod receptive_field;
mod safetensors_file;
mod weights;

pub use architecture::{Architecture, DILATIONS, MAX_WIDTH};
pub use autoencoder::Autoencoder;
pub use forward::Forward;
pub use graph::{Graph, Node, Role};
pub use inference::Inference;
pub use mlp::Mlp;
pub use net::Net;
pub use parameters::{Bound, Parameters};
pub use plan::{Layer, ParameterSpec, Plan};
pub use receptive_field::ReceptiveField;
pub use weights::{MODEL_FILE, WeightFile, weight_digest};

pub(crate) use safetensors_file::{decode_safetensors, decode_values, encode_safetensors};
