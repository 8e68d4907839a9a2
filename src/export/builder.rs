//! An ONNX graph under construction. Field numbers are those of `onnx.proto` (ONNX IR version 8).

use super::protobuf::Message;

/// Version of the standard operators that the file asks for: that of ONNX 1.12, of the year 2022.
pub const OPSET: i64 = 17;

/// Version of the file format that goes with [`OPSET`].
const IR_VERSION: i64 = 8;

/// `TensorProto.DataType`.
const FLOAT: i64 = 1;
const INT64: i64 = 7;

/// A value of the graph: the input, a constant or the result of a node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Value(usize);

/// An attribute of a node.
#[derive(Clone, Copy)]
pub(super) enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Text(&'a str),
}

impl Attribute<'_> {
    fn message(self, name: &str) -> Message {
        let named = Message::default().bytes(1, name);
        // 20 is the kind of the attribute: INT, INTS or STRING.
        match self {
            Self::Int(value) => named.int(3, value).int(20, 2),
            Self::Ints(values) => named.each(values, |message, &value| message.int(8, value)).int(20, 7),
            Self::Text(text) => named.bytes(4, text).int(20, 3),
        }
    }
}

/// A reduction over the channels of `[N, C, H, W]`.
pub(super) const CHANNELS: [(&str, Attribute<'_>); 1] = [("axes", Attribute::Ints(&[1]))];

struct Node {
    operator: &'static str,
    inputs: Vec<Option<Value>>,
    outputs: Vec<Value>,
    attributes: Vec<Message>,
}

/// Nodes, constants and names.
#[derive(Default)]
pub(super) struct Builder {
    /// By value.
    names: Vec<String>,
    nodes: Vec<Node>,
    constants: Vec<Message>,
    inputs: Vec<Message>,
    outputs: Vec<Message>,
    /// Part of the computation that the next nodes belong to; the first half of their names.
    part: String,
}

impl Builder {
    /// The input `image`.
    pub(super) fn input(&mut self) -> Value {
        let image = self.value("image".to_owned());
        self.inputs.push(described("image", &["N", "3", "H", "W"]));
        image
    }

    /// Makes `value` an output of the graph, with these sides: a number or a name.
    pub(super) fn output(&mut self, name: &str, value: Value, sides: &[&str]) {
        name.clone_into(&mut self.names[value.0]);
        self.outputs.push(described(name, sides));
    }

    /// The next nodes belong to this part of the computation.
    pub(super) fn enter(&mut self, part: &str) {
        part.clone_into(&mut self.part);
    }

    /// The result of an operator without attributes.
    pub(super) fn apply(&mut self, operator: &'static str, inputs: impl IntoIterator<Item = Value>) -> Value {
        self.apply_with(operator, inputs, &[])
    }

    /// The result of an operator.
    pub(super) fn apply_with(
        &mut self,
        operator: &'static str,
        inputs: impl IntoIterator<Item = Value>,
        attributes: &[(&str, Attribute<'_>)],
    ) -> Value {
        self.apply_sparsely(operator, inputs.into_iter().map(Some).collect(), attributes)
    }

    /// The result of an operator that leaves out an input.
    pub(super) fn apply_sparsely(
        &mut self,
        operator: &'static str,
        inputs: Vec<Option<Value>>,
        attributes: &[(&str, Attribute<'_>)],
    ) -> Value {
        let output = self.result(operator);
        let attributes = attributes.iter().map(|(name, attribute)| attribute.message(name)).collect();
        self.nodes.push(Node { operator, inputs, outputs: vec![output], attributes });
        output
    }

    /// The `count` largest values of each row of x `[N, M]`, the largest first.
    pub(super) fn top_k(&mut self, x: Value, count: Value) -> Value {
        let outputs = ["TopK", "places"].map(|name| self.result(name));
        self.nodes.push(Node {
            operator: "TopK",
            inputs: vec![Some(x), Some(count)],
            outputs: outputs.into(),
            attributes: Vec::new(),
        });
        outputs[0]
    }

    fn result(&mut self, name: &str) -> Value {
        self.value(format!("{}/{name}_{}", self.part, self.names.len()))
    }

    /// Whole numbers as f32.
    pub(super) fn float_of(&mut self, x: Value) -> Value {
        self.apply_with("Cast", [x], &[("to", Attribute::Int(FLOAT))])
    }

    /// A constant scalar.
    pub(super) fn float(&mut self, value: f64) -> Value {
        self.floats(&[], [value as f32])
    }

    /// A constant array.
    pub(super) fn floats(&mut self, sides: &[usize], values: impl IntoIterator<Item = f32>) -> Value {
        let name = format!("{}/constant_{}", self.part, self.names.len());
        self.parameter(name, sides, values)
    }

    /// A constant array with a name of its own.
    pub(super) fn parameter(&mut self, name: String, sides: &[usize], values: impl IntoIterator<Item = f32>) -> Value {
        let bytes = values.into_iter().flat_map(f32::to_le_bytes).collect();
        self.constant(name, FLOAT, sides, bytes)
    }

    /// A constant whole number.
    pub(super) fn int(&mut self, value: i64) -> Value {
        let name = format!("{}/constant_{}", self.part, self.names.len());
        self.constant(name, INT64, &[], value.to_le_bytes().to_vec())
    }

    /// A constant list of whole numbers.
    pub(super) fn ints(&mut self, values: &[i64]) -> Value {
        let name = format!("{}/constant_{}", self.part, self.names.len());
        self.constant(name, INT64, &[values.len()], values.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn constant(&mut self, name: String, kind: i64, sides: &[usize], bytes: Vec<u8>) -> Value {
        let sized = Message::default().each(sides, |message, &side| message.int(1, side as i64));
        self.constants.push(sized.int(2, kind).bytes(8, &name).bytes(9, bytes));
        self.value(name)
    }

    fn value(&mut self, name: String) -> Value {
        self.names.push(name);
        Value(self.names.len() - 1)
    }

    fn name(&self, value: Option<Value>) -> &str {
        // An empty name stands for an input that is left out.
        value.map_or("", |value| &self.names[value.0])
    }

    fn node(&self, node: &Node) -> Message {
        let own = Message::default().each(&node.inputs, |message, &input| message.bytes(1, self.name(input)));
        let own = own.each(&node.outputs, |message, &output| message.bytes(2, self.name(Some(output))));
        let own = own.bytes(3, self.name(node.outputs.first().copied())).bytes(4, node.operator);
        own.each(&node.attributes, |message, attribute| message.message(5, attribute))
    }

    /// The file: the graph with these pairs as metadata.
    pub(super) fn model(&self, metadata: &[(String, String)]) -> Vec<u8> {
        let graph = Message::default().each(&self.nodes, |graph, node| graph.message(1, &self.node(node))).bytes(2, "detection");
        let graph = graph.each(&self.constants, |graph, constant| graph.message(5, constant));
        let graph = graph.each(&self.inputs, |graph, input| graph.message(11, input));
        let graph = graph.each(&self.outputs, |graph, output| graph.message(12, output));
        let model = Message::default().int(1, IR_VERSION).bytes(2, "orthoscope").bytes(3, env!("CARGO_PKG_VERSION"));
        let model = model.message(7, &graph).message(8, &Message::default().int(2, OPSET));
        let pair = |(key, value): &(String, String)| Message::default().bytes(1, key).bytes(2, value);
        model.each(metadata, |model, entry| model.message(14, &pair(entry))).into_bytes()
    }
}

/// `ValueInfoProto` of an f32 array.
fn described(name: &str, sides: &[&str]) -> Message {
    let side = |side: &str| match side.parse() {
        Ok(number) => Message::default().int(1, number),
        Err(_) => Message::default().bytes(2, side),
    };
    let shape = Message::default().each(sides, |shape, name| shape.message(1, &side(name)));
    let array = Message::default().int(1, FLOAT).message(2, &shape);
    Message::default().bytes(1, name).message(2, &Message::default().message(1, &array))
}
