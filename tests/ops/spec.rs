//! Example values of specs, the structs that kernels take as arguments, with the bytes and fields as Rust lays them out.

use bytemuck::NoUninit;
use serde::Serialize;
use serde_json::Value;

/// A spec whose fields all have different values, so that any swap of fields is detected.
pub struct SpecValue {
    pub name: &'static str,
    #[cfg_attr(not(feature = "emulator"), expect(dead_code, reason = "only the emulator reads them"))]
    pub bytes: Vec<u8>,
    pub fields: Vec<(String, Vec<f64>)>,
}

impl SpecValue {
    pub fn of<S: NoUninit + Serialize>(spec: &S) -> Self {
        let name = std::any::type_name::<S>().rsplit("::").next().unwrap();
        Self { name, bytes: bytemuck::bytes_of(spec).to_vec(), fields: fields(&serde_json::to_value(spec).unwrap()) }
    }
}

/// Names and numbers of the fields of a JSON object, in its order.
pub fn fields(spec: &Value) -> Vec<(String, Vec<f64>)> {
    let object = spec.as_object().unwrap();
    object.iter().map(|(name, value)| (name.clone(), numbers(value))).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        // The enumerators of `kernels/spec.cuh`.
        Value::String(name) if name == "Elu" || name == "charbonnier" => vec![1.0],
        value => vec![value.as_f64().unwrap()],
    }
}
