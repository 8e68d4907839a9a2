//! Pictures, tables, charts and the self-contained HTML page. Only the command line imports this room.
//!
//! | file | holds |
//! |---|---|
//! | `colour` | heatmaps, overlays and mask outlines as pictures |
//! | `table` | tables for the terminal and for Markdown |
//! | `loss_curve`, `histogram`, `curves` | SVG charts: `marks` on the `chart` frame with the `axis` ticks and a `legend` |
//! | `picture` | the side-by-side figure as one picture, lettered with the `font` |
//! | `gallery` | grey pictures of the theory in rows; `spell` puts their signs into plain letters |
//! | `document` | the skeleton of an HTML page |
//! | `page` | the HTML page of a run, written with `html`, `png` and `number` |
//! | `profile` | what the profiler found: a table, sentences, a comparison |
//! | `kernels` | the kernels of a profile: a table and a sentence |
//! | `roofline` | operations under the roofs of memory and arithmetic, as SVG |
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
pub mod kernels;
mod legend;
pub mod loss_curve;
mod marks;
mod maths;
mod number;
pub mod page;
pub mod picture;
mod png;
pub mod profile;
pub mod roofline;
pub mod spell;
pub mod table;
pub mod wrap;
