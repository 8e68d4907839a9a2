//! Fast f32 on any CPU.

/// The fast CPU backend.
#[derive(Clone, Debug, Default)]
pub struct Cpu;
