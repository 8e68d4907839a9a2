pub(super) const NUMBER: u32 = 12;
