//! An ONNX file taken apart, by the field numbers of `onnx.proto`.

use std::collections::BTreeMap;

/// The value of a field.
enum Field<'a> {
    Int(u64),
    Bytes(&'a [u8]),
}

/// A constant array.
pub struct Array {
    pub kind: u64,
    pub sides: Vec<usize>,
    pub bytes: Vec<u8>,
}

#[derive(Debug)]
pub struct Node {
    pub operator: String,
    pub inputs: Vec<String>,
    pub outputs: Vec<String>,
}

/// An input or output: a side is a number or a name.
#[derive(Debug, PartialEq)]
pub struct Described {
    pub name: String,
    pub kind: u64,
    pub sides: Vec<String>,
}

pub struct Model {
    pub ir_version: u64,
    /// Domain and version.
    pub opsets: Vec<(String, u64)>,
    pub metadata: BTreeMap<String, String>,
    pub nodes: Vec<Node>,
    pub constants: BTreeMap<String, Array>,
    pub inputs: Vec<Described>,
    pub outputs: Vec<Described>,
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first().expect("a number is cut off");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return value;
        }
    }
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Int(varint(&mut bytes)),
            2 => {
                let length = varint(&mut bytes) as usize;
                let (own, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(own)
            }
            other => panic!("wire type {other}"),
        };
        found.push((tag >> 3, field));
    }
    found
}

fn ints(bytes: &[u8], number: u64) -> Vec<u64> {
    let int = |(own, field)| match field {
        Field::Int(value) if own == number => Some(value),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(int).collect()
}

fn parts(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let part = |(own, field)| match field {
        Field::Bytes(value) if own == number => Some(value),
        _ => None,
    };
    fields(bytes).into_iter().filter_map(part).collect()
}

fn texts(bytes: &[u8], number: u64) -> Vec<String> {
    parts(bytes, number).into_iter().map(|part| String::from_utf8(part.to_vec()).unwrap()).collect()
}

/// The only value of a field.
fn one<T>(values: Vec<T>) -> T {
    let [value] = <[T; 1]>::try_from(values).unwrap_or_else(|values| panic!("{} values", values.len()));
    value
}

fn node(bytes: &[u8]) -> Node {
    Node { operator: one(texts(bytes, 4)), inputs: texts(bytes, 1), outputs: texts(bytes, 2) }
}

fn array(bytes: &[u8]) -> (String, Array) {
    let sides = ints(bytes, 1).into_iter().map(|side| side as usize).collect();
    (one(texts(bytes, 8)), Array { kind: one(ints(bytes, 2)), sides, bytes: one(parts(bytes, 9)).to_vec() })
}

fn described(bytes: &[u8]) -> Described {
    let kind = one(parts(one(parts(bytes, 2)), 1));
    let side = |side: &[u8]| ints(side, 1).iter().map(u64::to_string).chain(texts(side, 2)).collect::<String>();
    let sides = parts(one(parts(kind, 2)), 1).into_iter().map(side).collect();
    Described { name: one(texts(bytes, 1)), kind: one(ints(kind, 1)), sides }
}

impl Model {
    pub fn parse(bytes: &[u8]) -> Self {
        let graph = one(parts(bytes, 7));
        let constants = parts(graph, 5);
        let model = Self {
            ir_version: one(ints(bytes, 1)),
            opsets: parts(bytes, 8).into_iter().map(|set| (texts(set, 1).concat(), one(ints(set, 2)))).collect(),
            metadata: parts(bytes, 14).into_iter().map(|pair| (one(texts(pair, 1)), one(texts(pair, 2)))).collect(),
            nodes: parts(graph, 1).into_iter().map(node).collect(),
            constants: constants.iter().map(|bytes| array(bytes)).collect(),
            inputs: parts(graph, 11).into_iter().map(described).collect(),
            outputs: parts(graph, 12).into_iter().map(described).collect(),
        };
        assert_eq!(model.constants.len(), constants.len(), "two constants have one name");
        model
    }
}
