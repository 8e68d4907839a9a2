use std::fs;
use std::path::Path;

use ndarray::ArrayD;
use orthoscope::disk::npy::{is_f64, read, read_from, write};

use super::{Loader, Read, Verdict, ensure, must, of_file, refused};
use crate::fixture::{npy, npy_f32};
use crate::fuzz::campaign::run;

fn corpus() -> Vec<Vec<u8>> {
    let doubles: Vec<u8> = (0..12).flat_map(|k| (f64::from(k) * 1e-60).to_le_bytes()).collect();
    let large: Vec<u8> = (0..6_u16).flat_map(|k| f32::from(k).to_be_bytes()).collect();
    vec![
        npy_f32(&[3, 4], &[0.5; 12]),
        npy_f32(&[1, 2, 2, 3], &[-1.0; 12]),
        npy_f32(&[], &[7.0]),
        npy_f32(&[0, 3], &[]),
        npy("<f8", false, "(3, 4)", &doubles),
        npy("<f8", true, "(2, 6)", &doubles),
        npy(">f4", false, "(6,)", &large),
    ]
}

fn bits(array: &ArrayD<f64>) -> Vec<u64> {
    array.iter().map(|value| value.to_bits()).collect()
}

fn check(path: &Path) -> Verdict {
    let array = match read::<f64>(path) {
        Ok(array) => array,
        Err(error) => {
            // The same file in the other type: only values that are too large for it may be accepted by one of them.
            drop(read::<f32>(path));
            drop(is_f64(path));
            return refused(&error);
        }
    };
    must("the type", is_f64(path))?;
    // Of f64 beyond the range of f32 it is refused.
    if let Ok(narrow) = read::<f32>(path) {
        ensure(narrow.shape() == array.shape(), "its shape depends on the type that is asked for")?;
    }
    let stream = must("the stream", read_from::<f64>(&fs::read(path).unwrap()[..]))?;
    ensure(bits(&stream) == bits(&array) && stream.shape() == array.shape(), "the stream gives another array than the file")?;
    let again = path.with_extension("again");
    must("writing", write(&again, &array))?;
    let again = must("reading", read::<f64>(&again))?;
    ensure(bits(&again) == bits(&array) && again.shape() == array.shape(), "not the same when it is written and read again")?;
    Ok(Read::Accepted)
}

#[test]
fn array() {
    run(&Loader { name: "array", file: "a.npy", corpus: corpus(), memory: of_file, check: Box::new(check) });
}
