//! Results of the claims of the theory: a table for the terminal, a sentence on what failed, an HTML page.

mod page;
mod table;
mod words;

pub use page::ClaimsPage;
pub use table::table;
pub use words::{complaint, statement, summary};
