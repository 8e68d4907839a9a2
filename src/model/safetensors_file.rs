use std::collections::HashMap;

use half::{bf16, f16};
use ndarray::ArrayD;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// The bytes of a safetensors file: length of the header, header, values. Tensors and metadata are sorted by name, so that equal
/// content gives equal bytes. The `safetensors` crate writes metadata in an order that changes from run to run.
///
/// # Errors
/// A header that JSON cannot represent.
pub(crate) fn encode_safetensors(mut tensors: Vec<(String, ArrayD<f32>)>, metadata: &HashMap<String, String>) -> Result<Vec<u8>> {
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut pairs: Vec<_> = metadata.iter().collect();
    pairs.sort();
    let metadata: Map<String, Value> = pairs.into_iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect();
    let mut header = Map::from_iter([("__metadata__".to_owned(), Value::Object(metadata))]);
    let mut data = Vec::new();
    for (name, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        header.insert(name, json!({ "dtype": "F32", "shape": values.shape(), "data_offsets": [start, data.len()] }));
    }
    let mut header = serde_json::to_vec(&header).map_err(Error::format)?;
    // Spaces align the values to 8 bytes, as the format requires.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, &data].concat())
}

/// The values of a tensor, row-major, if they are F16, BF16, F32 or F64.
pub(crate) fn decode_values(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F16 => Some(decode(bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
        Dtype::BF16 => Some(decode(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
        Dtype::F32 => Some(decode(bytes, f32::from_le_bytes)),
        Dtype::F64 => Some(decode(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
        _ => None,
    }
}

fn decode<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&chunk| value(chunk)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr1;
    use safetensors::SafeTensors;

    #[test]
    fn four_types_are_read_and_others_refused() {
        // 1.5, -0.25 and the smallest subnormal of each type.
        let f16: Vec<u8> = [0x3E00_u16, 0xB400, 0x0001].iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let bf16: Vec<u8> = [0x3FC0_u16, 0xBE80, 0x0001].iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let f32: Vec<u8> = [1.5_f32, -0.25, f32::from_bits(1)].iter().flat_map(|value| value.to_le_bytes()).collect();
        let f64: Vec<u8> = [1.5_f64, -0.25, 2.0_f64.powi(-149)].iter().flat_map(|value| value.to_le_bytes()).collect();
        for (dtype, bytes, smallest) in
            [(Dtype::F16, f16, -24), (Dtype::BF16, bf16, -133), (Dtype::F32, f32, -149), (Dtype::F64, f64, -149)]
        {
            let view = TensorView::new(dtype, vec![3], &bytes).unwrap();
            assert_eq!(decode_values(&view).unwrap(), [1.5, -0.25, 2.0_f64.powi(smallest) as f32], "{dtype:?}");
        }
        assert!(decode_values(&TensorView::new(Dtype::I32, vec![1], &[0; 4]).unwrap()).is_none());
    }

    #[test]
    fn the_safetensors_crate_reads_encoded_files() {
        let tensors = vec![("b".to_owned(), ArrayD::ones(vec![2, 3])), ("a".to_owned(), arr1(&[-2.5]).into_dyn())];
        let metadata: HashMap<_, _> = ["one", "two", "three"].map(|key| (key.to_owned(), format!("\"{key}\""))).into();
        let bytes = encode_safetensors(tensors.clone(), &metadata).unwrap();
        let read = SafeTensors::deserialize(&bytes).unwrap();
        let mut names = read.names();
        names.sort();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            (read.tensor("b").unwrap().shape(), read.tensor("a").unwrap().data()),
            (&[2, 3][..], &(-2.5f32).to_le_bytes()[..])
        );
        assert_eq!(SafeTensors::read_metadata(&bytes).unwrap().1.metadata().as_ref(), Some(&metadata));
        for _ in 0..20 {
            let again: HashMap<_, _> = metadata.clone().into_iter().collect();
            assert_eq!(encode_safetensors(tensors.clone(), &again).unwrap(), bytes);
        }
    }
}
