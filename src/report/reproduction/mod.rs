//! The report of a reproduction: an HTML page with tables beside published numbers, and a gallery in which thresholds can be moved.

pub mod gallery;
mod levels;
mod page;
mod published;
mod tables;

pub use page::write;
