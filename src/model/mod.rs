//! Networks: Model I and II of the paper and an MLP, described once and interpreted twice.
//!
//! A network is a function written against [`Net`] (`autoencoder`, `mlp`). [`Plan`] runs it on shapes and learns layers,
//! parameters and FLOPs; [`Forward`] runs it on a tape. So the table of Method §4 stands in one place.

mod architecture;
mod autoencoder;
mod forward;
mod inference;
mod mlp;
mod net;
mod parameters;
mod plan;
mod safetensors_file;
mod weights;

pub use architecture::{Architecture, DILATIONS};
pub use autoencoder::Autoencoder;
pub use forward::Forward;
pub use inference::Inference;
pub use mlp::Mlp;
pub use net::Net;
pub use parameters::{Bound, Parameters};
pub use plan::{Layer, ParameterSpec, Plan};
pub use weights::WeightFile;

pub(crate) use safetensors_file::encode_safetensors;
