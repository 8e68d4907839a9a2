//! Images, tables, charts and self-contained HTML pages. Only the command line imports this module.
//!
//! | file | holds |
//! |---|---|
//! | `colour` | heatmaps, overlays and masks as images |
//! | `table` | tables that fit the terminal |
//! | `loss_curve`, `histogram`, `curves` | SVG charts: `marks` on the `chart` frame with the `axis` ticks and a `legend` |
//! | `figure` | images in labelled rows and columns as one PNG; `text` writes the labels |
//! | `gallery` | images of the theory as a figure |
//! | `preview` | corrupted samples of a training as a figure |
//! | `spell` | file names from mathematical titles |
//! | `steering` | signs that would steer a terminal |
//! | `document` | the skeleton of an HTML page |
//! | `results`, `example`, `page` | the results of an evaluation: numbers, images with their figure, HTML page |
//! | `training` | a page about a training run, which can reload itself |
//! | `comparison` | runs side by side: tables, a page with their curves |
//! | `runs` | plan and results of a reproduction as tables |
//! | `profile` | results of the profiler: tables, CSV files, sentences, a comparison |
//! | `prediction` | predicted steps: tables, sentences, a comparison, CSV |
//! | `kernels` | compiled kernels: a table, architectures side by side, two builds compared |
//! | `network` | a network as SVG, from its graph |
//! | `figures` | the figures of the paper, of an evaluation and of an ablation, with their page |
//! | `roofline` | operations under the peaks of memory and arithmetic, as SVG |
//! | `detections` | what `detect` has found: JSON, pictures, a table, an HTML page |
//! | `reproduction` | the report of a reproduction: an HTML folder with tables and a gallery |
//! | `audit` | the card of an audit: a table, sentences and an HTML page |
//! | `claims` | results of the claims of the theory: a table, a sentence and an HTML page |

pub mod audit;
mod axis;
mod chart;
pub mod claims;
pub mod colour;
pub mod comparison;
pub mod curves;
pub mod detections;
mod document;
pub mod example;
pub mod figure;
pub mod figures;
pub mod gallery;
pub mod histogram;
mod html;
pub mod kernels;
mod legend;
pub mod loss_curve;
mod marks;
mod maths;
pub mod network;
mod number;
pub mod page;
mod png;
pub mod prediction;
pub mod preview;
pub mod profile;
pub mod reproduction;
pub mod results;
pub mod roofline;
pub mod runs;
pub mod spell;
pub mod steering;
mod style;
pub mod table;
mod text;
pub mod training;
pub mod wrap;
