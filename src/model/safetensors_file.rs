use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::error::{Error, Result};

/// A tensor to store: name, extents, values.
pub(crate) type Stored = (String, Vec<usize>, Vec<f32>);

/// The bytes of a safetensors file: length of the header, header, values. Tensors and metadata are sorted by name, so that
/// equal content gives equal bytes; the format's own crate writes metadata in an order that changes from run to run.
///
/// # Errors
/// A header that JSON cannot hold.
pub(crate) fn encode_safetensors(mut tensors: Vec<Stored>, metadata: &HashMap<String, String>) -> Result<Vec<u8>> {
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let mut pairs: Vec<_> = metadata.iter().collect();
    pairs.sort();
    let metadata: Map<String, Value> = pairs.into_iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect();
    let mut header = Map::from_iter([("__metadata__".to_owned(), Value::Object(metadata))]);
    let mut data = Vec::new();
    for (name, extents, values) in tensors {
        let start = data.len();
        data.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        header.insert(name, json!({ "dtype": "F32", "shape": extents, "data_offsets": [start, data.len()] }));
    }
    let mut header = serde_json::to_vec(&header).map_err(|error| Error::format(error))?;
    // Spaces align the values to 8 bytes, as the format asks.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok([&(header.len() as u64).to_le_bytes()[..], &header, &data].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    #[test]
    fn the_crate_of_the_format_reads_it_back() {
        let tensors = vec![("b".to_owned(), vec![2, 3], vec![1.0; 6]), ("a".to_owned(), vec![1], vec![-2.5])];
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
