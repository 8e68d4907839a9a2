//! What the claims of the theory found, in words: a table for the terminal, a sentence on what went wrong, an HTML page.

mod page;
mod table;
mod words;

pub use page::ClaimsPage;
pub use table::table;
pub use words::{complaint, statement, summary};
