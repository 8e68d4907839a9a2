//! The report of a reproduction: an HTML page that compares the results with published numbers, and a gallery in which thresholds
//! can be moved.

pub mod gallery;
mod levels;
mod page;
mod published;
mod tables;

pub use page::file;
