/// Channels `start .. start + count` of pixels that have `stride` channels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChannelRange {
    pub start: usize,
    pub count: usize,
    pub stride: usize,
}

impl ChannelRange {
    /// All `channels`.
    pub fn all(channels: usize) -> Self {
        Self { start: 0, count: channels, stride: channels }
    }
}
