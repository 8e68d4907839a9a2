//! What the claims of the theory found, in words: a table for the terminal, a sentence on what went wrong, an HTML page.

mod table;
mod words;

pub use table::table;
pub use words::{complaint, statement, summary};
