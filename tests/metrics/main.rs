//! The metrics of Method §7 against their definitions, other implementations and general properties.

mod definitions;
mod faults;
mod golden;
mod laws;
mod resize;
mod worked;
