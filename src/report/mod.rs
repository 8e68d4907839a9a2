//! Pictures, tables, charts and the self-contained HTML page. Only the command line imports this room.
//!
//! | file | holds |
//! |---|---|
//! | `colour` | heatmaps, overlays and masks as pictures |
//! | `table` | tables that fit the terminal |
//! | `loss_curve`, `histogram`, `curves` | SVG charts: `marks` on the `chart` frame with the `axis` ticks and a `legend` |
//! | `picture` | the side-by-side figure as one picture, lettered with the `font` |
//! | `gallery` | grey pictures of the theory in rows; `spell` puts their signs into plain letters |
//! | `document` | the skeleton of an HTML page |
//! | `page` | the HTML page of a run, written with `html`, `png` and `number` |
//! | `profile` | what the profiler found: tables, CSV files, sentences, a comparison |
//! | `roofline` | operations under the peaks of memory and arithmetic, as SVG |
//! | `claims` | what claims of the theory found: a table, a sentence and an HTML page |

mod axis;
mod chart;
pub mod claims;
pub mod colour;
pub mod curves;
mod document;
mod font;
pub mod gallery;
pub mod histogram;
mod html;
mod legend;
pub mod loss_curve;
mod marks;
mod number;
pub mod page;
pub mod picture;
mod png;
pub mod profile;
pub mod roofline;
pub mod spell;
mod style;
pub mod table;
pub mod wrap;
