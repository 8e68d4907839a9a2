//! What `detect` has found: `NAME.json`, the pictures beside it, `results.csv` and the page `index.html`.

mod counts;
mod csv;
mod finding;
mod folder;
mod overlay;
mod page;
mod parts;
mod row;
mod score;
pub mod strips;

pub use counts::Counts;
pub use csv::csv;
pub use finding::{Finding, Verdict};
pub use folder::{ResultFolder, file_of, files_of, files_of_all};
pub use overlay::Outliner;
pub use page::Page;
pub use parts::{JSON, Part, Parts};
pub use row::{Judged, Row};

/// The table of all pictures.
pub const TABLE_FILE: &str = "results.csv";
/// The page of all pictures.
pub const PAGE_FILE: &str = "index.html";
