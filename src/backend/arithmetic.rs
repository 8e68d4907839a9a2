use std::fmt;

use serde::{Deserialize, Serialize};

/// How a device computes: what the bits of a result depend on besides the inputs and their shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arithmetic {
    /// Kind of device, e.g. `cpu`.
    pub device: String,
    /// Its instructions, e.g. `AVX-512`, or the architecture of a GPU; empty if there is nothing to tell.
    pub instructions: String,
    /// `f32` or `bf16`.
    pub precision: String,
}

impl Arithmetic {
    /// In f32.
    pub fn new(device: &str, instructions: impl fmt::Display) -> Self {
        Self { device: device.to_owned(), instructions: instructions.to_string(), precision: "f32".to_owned() }
    }

    /// The same in bf16, if `is_bf16`.
    #[must_use]
    pub fn with_bf16(self, is_bf16: bool) -> Self {
        if is_bf16 { Self { precision: "bf16".to_owned(), ..self } } else { self }
    }
}

impl fmt::Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.device, self.precision)?;
        if self.instructions.is_empty() { Ok(()) } else { write!(f, ", {}", self.instructions) }
    }
}
