//! Pictures, tables, charts and the self-contained HTML page. Only the command line imports this room.
//!
//! | file | holds |
//! |---|---|
//! | `colour` | heatmaps, overlays and masks as images |
//! | `table` | tables that fit the terminal |
//! | `loss_curve`, `histogram`, `curves` | SVG charts: `marks` on the `chart` frame with the `axis` ticks and a `legend` |
//! | `figure` | images in labelled rows and columns as one PNG, lettered by `text` |
//! | `gallery` | grey pictures of the theory as a figure |
//! | `spell` | file names from mathematical titles |
//! | `document` | the skeleton of an HTML page |
//! | `results`, `page` | the results of an evaluation: numbers, examples, figure and HTML page |
//! | `profile` | what the profiler found: tables, CSV files, sentences, a comparison |
//! | `roofline` | operations under the peaks of memory and arithmetic, as SVG |
//! | `claims` | what claims of the theory found: a table, a sentence and an HTML page |

mod axis;
mod chart;
pub mod claims;
pub mod colour;
pub mod curves;
mod document;
pub mod figure;
pub mod gallery;
pub mod histogram;
mod html;
mod legend;
pub mod loss_curve;
mod marks;
mod maths;
mod number;
pub mod page;
mod png;
pub mod profile;
pub mod results;
pub mod roofline;
pub mod spell;
mod style;
pub mod table;
mod text;
pub mod wrap;
