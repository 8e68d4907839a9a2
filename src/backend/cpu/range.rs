/// Channels `start .. start + count` of pixels that have `stride` of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    pub start: usize,
    pub count: usize,
    pub stride: usize,
}

impl Range {
    /// All `channels`.
    pub fn all(channels: usize) -> Self {
        Self { start: 0, count: channels, stride: channels }
    }
}
