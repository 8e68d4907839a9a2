//! The wire format of protobuf, as far as ONNX needs it: <https://protobuf.dev/programming-guides/encoding>.

/// A message, written field by field.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message(Vec<u8>);

/// How the value of a field is stored.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Bytes = 2,
}

impl Message {
    /// A field of an integer or an enumeration.
    pub(super) fn int(mut self, field: u32, value: i64) -> Self {
        self.tag(field, Wire::Varint);
        // Negative numbers take all ten bytes, as `int64` does.
        self.varint(value as u64);
        self
    }

    /// A field of text, bytes or packed numbers.
    pub(super) fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.tag(field, Wire::Bytes);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A field of a message.
    pub(super) fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// A repeated field.
    pub(super) fn each<T>(self, values: impl IntoIterator<Item = T>, add: impl Fn(Self, T) -> Self) -> Self {
        values.into_iter().fold(self, add)
    }

    /// The encoded message.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn tag(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field) << 3 | wire as u64);
    }

    /// Seven bits a byte, the lowest first; all bytes but the last have their top bit set.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        assert_eq!(Message::default().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().bytes(2, "testing").into_bytes(), [b"\x12\x07".as_slice(), b"testing"].concat());
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, &inner).into_bytes(), [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let minus_two = Message::default().int(1, -2).into_bytes();
        assert_eq!(minus_two, [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        let repeated = Message::default().each([3, 270], |message, value| message.int(4, value));
        assert_eq!(repeated.into_bytes(), [0x20, 0x03, 0x20, 0x8e, 0x02]);
    }

    #[test]
    fn long_fields_and_high_numbers() {
        let bytes = Message::default().bytes(20, [7; 300]).into_bytes();
        assert_eq!(bytes[..4], [0xa2, 0x01, 0xac, 0x02]);
        assert_eq!(bytes.len(), 304);
        assert_eq!(Message::default().int(1, 127).into_bytes(), [0x08, 0x7f]);
        assert_eq!(Message::default().int(1, 128).into_bytes(), [0x08, 0x80, 0x01]);
    }
}
