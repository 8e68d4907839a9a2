//! The card of an audit: a table for the terminal, the sentences behind what is undetermined, and an HTML page.

mod page;
mod table;

pub use page::AuditPage;
pub use table::{notes, table};
