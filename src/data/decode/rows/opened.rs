//! What each format gives: its header, and its rows as they are stored.

use std::fs::File;
use std::io::BufReader;

use super::super::orientation::Orientation;
use super::super::reason::Reason;
use super::super::samples::Samples;

/// Where the bytes come from.
pub(in crate::data) type Source = BufReader<File>;

/// Gives the rows of a picture as they are stored.
pub(super) trait Rows {
    /// Appends the samples of `count` further rows, of which there are as many.
    fn append(&mut self, count: usize, raw: &mut Vec<u8>) -> Reason<()>;
}

/// What the header of a picture says, and its rows.
pub(super) struct Opened {
    /// Height and width as stored.
    pub size: [u32; 2],
    /// What samples are, without any.
    pub samples: Samples,
    pub orientation: Orientation,
    pub rows: Box<dyn Rows>,
}
