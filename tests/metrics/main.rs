//! The metrics of Method §7, against their definitions, other people's programs, and the laws they obey.

mod definitions;
mod faults;
mod golden;
mod laws;
mod resize;
mod worked;
