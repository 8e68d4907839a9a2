use std::collections::HashMap;

use half::{bf16, f16};
use ndarray::{ArrayD, ArrayViewD};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::spare;

/// Metadata key of the SHA-256 of everything else in the file.
const DIGEST: &str = "orthoscope.sha256";

/// Its digits.
const DIGITS: usize = 64;

/// Digits of a digest in a message.
const SHOWN: usize = 16;

/// A tensor of a file with its name.
pub(crate) type Named<'a> = (String, ArrayViewD<'a, f32>);

/// The bytes of a safetensors file: length of the header, header, values. Tensors and metadata are sorted by name, so that equal
/// content gives equal bytes. The `safetensors` crate writes metadata in an order that changes from run to run. A digest of
/// names, shapes, values and metadata is added to the metadata.
///
/// # Errors
/// A header that JSON cannot represent; too little memory.
pub(crate) fn encode_safetensors(mut tensors: Vec<Named<'_>>, metadata: &HashMap<String, String>) -> Result<Vec<u8>> {
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    // As long as the one with the digest, which is known when the values are written.
    let blank = header(&tensors, metadata, &"0".repeat(DIGITS))?;
    let start = size_of::<u64>() + blank.len();
    let whole = start + tensors.iter().map(|(_, values)| size_of::<f32>() * values.len()).sum::<usize>();
    let short = |_| Error::OutOfMemory { device: "cpu", reason: format!("{whole} bytes of a file to write") };
    let mut bytes = spare::reserved(whole).map_err(short)?;
    bytes.extend_from_slice(&(blank.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&blank);
    let mut digest = ContentDigest::new(metadata);
    for (name, values) in &tensors {
        let start = bytes.len();
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        digest.add(name, Dtype::F32, values.shape(), &bytes[start..]);
    }
    bytes[size_of::<u64>()..start].copy_from_slice(&header(&tensors, metadata, &digest.hex())?);
    Ok(bytes)
}

/// Where each tensor is, and the metadata with this digest.
fn header(tensors: &[Named<'_>], metadata: &HashMap<String, String>, digest: &str) -> Result<Vec<u8>> {
    let mut pairs: Vec<_> = metadata.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
    pairs.retain(|(key, _)| *key != DIGEST);
    pairs.push((DIGEST, digest));
    pairs.sort_unstable();
    let metadata: Map<String, Value> = pairs.into_iter().map(|(key, text)| (key.to_owned(), text.into())).collect();
    let (mut header, mut end) = (Map::from_iter([("__metadata__".to_owned(), Value::Object(metadata))]), 0);
    for (name, values) in tensors {
        let start = end;
        end += size_of::<f32>() * values.len();
        header.insert(name.clone(), json!({ "dtype": "F32", "shape": values.shape(), "data_offsets": [start, end] }));
    }
    let mut header = serde_json::to_vec(&header).map_err(Error::format)?;
    // Spaces align the values to 8 bytes, as the format requires.
    header.resize(header.len().next_multiple_of(8), b' ');
    Ok(header)
}

/// Tensors and metadata of a safetensors file. If it has a digest, that is checked, and taken out of the metadata; files of other
/// programs and of earlier versions have none. A file that was converted to other types of numbers is not checked.
///
/// # Errors
/// A file of another form, for which the sentence begins with `foreign`; a digest that does not fit.
pub(crate) fn decode_safetensors<'a>(bytes: &'a [u8], foreign: &str) -> Result<(SafeTensors<'a>, HashMap<String, String>)> {
    let refused = |error| Error::format(format!("{foreign}: {error}"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(refused)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(refused)?;
    let mut metadata = header.metadata().clone().unwrap_or_default();
    // This program writes F32 only, so other values were converted by another one that kept the metadata.
    let is_converted = tensors.iter().any(|(_, view)| view.dtype() != Dtype::F32);
    if let Some(noted) = metadata.remove(DIGEST).filter(|_| !is_converted) {
        let found = digest_of(&tensors, &metadata);
        if found != noted {
            let [found, noted]: [String; 2] = [found, noted].map(|digest| digest.chars().take(SHOWN).collect());
            let reason = format!(
                "is damaged: its content has the SHA-256 {found}…, and `{DIGEST}` in its metadata says {noted}…; \
                a program that changes the file on purpose must leave out that key"
            );
            return Err(Error::format(reason));
        }
    }
    Ok((tensors, metadata))
}

fn digest_of(tensors: &SafeTensors<'_>, metadata: &HashMap<String, String>) -> String {
    let mut sorted = tensors.tensors();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let mut digest = ContentDigest::new(metadata);
    for (name, view) in &sorted {
        digest.add(name, view.dtype(), view.shape(), view.data());
    }
    digest.hex()
}

/// SHA-256 of the content of a file, whatever the order in which it is stored. Each part comes after its length, so that no two
/// contents give the same bytes.
struct ContentDigest(Sha256);

impl ContentDigest {
    fn new(metadata: &HashMap<String, String>) -> Self {
        let mut pairs: Vec<_> = metadata.iter().filter(|(key, _)| *key != DIGEST).collect();
        pairs.sort();
        let mut own = Self(Sha256::new());
        own.number(pairs.len());
        pairs.iter().flat_map(|(key, text)| [key, text]).for_each(|text| own.part(text.as_bytes()));
        own
    }

    fn add(&mut self, name: &str, dtype: Dtype, shape: &[usize], data: &[u8]) {
        self.part(name.as_bytes());
        self.part(format!("{dtype:?}").as_bytes());
        self.number(shape.len());
        shape.iter().for_each(|&extent| self.number(extent));
        self.part(data);
    }

    fn part(&mut self, bytes: &[u8]) {
        self.number(bytes.len());
        self.0.update(bytes);
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_le_bytes());
    }

    fn hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The SHA-256 of arrays and of texts about them, whatever their order.
pub(super) fn digest_of_arrays(arrays: &HashMap<String, ArrayD<f32>>, about: &HashMap<String, String>) -> String {
    let mut sorted: Vec<_> = arrays.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut digest = ContentDigest::new(about);
    for (name, values) in sorted {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        digest.add(name, Dtype::F32, values.shape(), &bytes);
    }
    digest.hex()
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

    fn views(tensors: &[(String, ArrayD<f32>)]) -> Vec<Named<'_>> {
        tensors.iter().map(|(name, values)| (name.clone(), values.view())).collect()
    }

    #[test]
    fn the_safetensors_crate_reads_encoded_files() {
        let tensors = vec![("b".to_owned(), ArrayD::ones(vec![2, 3])), ("a".to_owned(), arr1(&[-2.5]).into_dyn())];
        let metadata: HashMap<_, _> = ["one", "two", "three"].map(|key| (key.to_owned(), format!("\"{key}\""))).into();
        let bytes = encode_safetensors(views(&tensors), &metadata).unwrap();
        let read = SafeTensors::deserialize(&bytes).unwrap();
        let mut names = read.names();
        names.sort();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(
            (read.tensor("b").unwrap().shape(), read.tensor("a").unwrap().data()),
            (&[2, 3][..], &(-2.5f32).to_le_bytes()[..])
        );
        assert_eq!(decode_safetensors(&bytes, "").unwrap().1, metadata);
        for _ in 0..20 {
            let again: HashMap<_, _> = metadata.clone().into_iter().collect();
            assert_eq!(encode_safetensors(views(&tensors), &again).unwrap(), bytes);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let tensors = vec![("b".to_owned(), ArrayD::ones(vec![2, 3])), ("a".to_owned(), arr1(&[-2.5]).into_dyn())];
        let metadata = HashMap::from([("orthoscope.step".to_owned(), "128".to_owned())]);
        let bytes = encode_safetensors(views(&tensors), &metadata).unwrap();
        let decoded = |bytes: &[u8]| decode_safetensors(bytes, "foreign").map(|(_, metadata)| metadata);
        assert_eq!(decoded(&bytes).unwrap(), metadata);
        let mut unnoticed = Vec::new();
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            match decoded(&flipped) {
                Ok(_) => unnoticed.push(flipped),
                Err(error) => assert!(["foreign: ", "is damaged: "].iter().any(|start| error.to_string().starts_with(start))),
            }
        }
        // What is left: another name of the key of the digest, as in a file that has none. The rest is whole.
        for flipped in unnoticed {
            assert!(!flipped.windows(DIGEST.len()).any(|part| part == DIGEST.as_bytes()));
        }
    }

    #[test]
    fn files_without_a_digest_or_in_another_order_are_read() {
        let tensors = vec![("b".to_owned(), ArrayD::ones(vec![2, 3])), ("a".to_owned(), arr1(&[-2.5]).into_dyn())];
        let metadata = HashMap::from([("key".to_owned(), "text".to_owned())]);
        let bytes = encode_safetensors(views(&tensors), &metadata).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let stored = SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone().unwrap();
        for metadata in [stored, metadata] {
            let again = safetensors::serialize(file.tensors().into_iter().rev(), Some(metadata)).unwrap();
            assert_eq!(decode_safetensors(&again, "").unwrap().1["key"], "text");
        }
    }
}
