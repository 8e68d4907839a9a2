//! Questions about Hopper's matrix instruction that decide which convolutions can be written for it. `kernels/probes.cu`

use serde::Serialize;

use super::layout::{Case, DEPTH, Matrix, Place, ROWS};
use crate::backend::Storage;
use crate::backend::cuda::device::Cuda;
use crate::backend::cuda::driver::{TensorMap, Tiles};
use crate::backend::cuda::kernels::probes as kernel;
use crate::backend::cuda::storage::Buffer;
use crate::error::{Error, Result};

/// Values of a row of a tile.
const WIDTH: u32 = 64;

/// A question, with the descriptors that answer it.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// The descriptors.
    pub cases: &'static [Case],
}

const PLAIN: Case = Case { matrix: Matrix::B, transposed: false, rows: 64, offset: 0, leading: 16, stride: 1024, phase: 0 };
const ACROSS: Case = Case { transposed: true, rows: 24, leading: 1024, stride: 2048, ..PLAIN };

/// Every question.
pub const PROBES: [Probe; 6] = [
    Probe {
        name: "k-major",
        question: "are rows of 64 along the depth, swizzled by 128 bytes, read as they were stored?",
        cases: &[PLAIN, Case { matrix: Matrix::A, ..PLAIN }],
    },
    Probe {
        name: "k-advance",
        question: "does a start 32 or 96 bytes into the row advance the depth by 16 or 48?",
        cases: &[Case { offset: 32, ..PLAIN }, Case { offset: 96, ..PLAIN }, Case { matrix: Matrix::A, offset: 32, ..PLAIN }],
    },
    Probe {
        name: "row-shift",
        question: "may an operand start at any row, and which base_offset does it need then?",
        cases: &[
            Case { rows: 72, offset: 128, ..PLAIN },
            // The phase of the first row, and one that is wrong in every reading that uses it.
            Case { rows: 72, offset: 128, phase: 1, ..PLAIN },
            Case { rows: 72, offset: 128, phase: 3, ..PLAIN },
            Case { rows: 72, offset: 128, matrix: Matrix::A, ..PLAIN },
        ],
    },
    Probe {
        name: "mn-major-a",
        question: "how are the groups of 8 along the depth of a transposed A apart?",
        cases: &[Case { matrix: Matrix::A, ..ACROSS }],
    },
    Probe { name: "mn-major-b", question: "how are the groups of 8 along the depth of a transposed B apart?", cases: &[ACROSS] },
    Probe {
        name: "wide-groups",
        question: "may groups of 8 rows be 10 rows apart, as in a tile with a halo, from any row on?",
        cases: &[
            Case { rows: 80, stride: 1280, ..PLAIN },
            Case { rows: 80, stride: 1280, offset: 128, ..PLAIN },
            Case { rows: 80, stride: 1280, offset: 256, ..PLAIN },
        ],
    },
];

/// The answers to one question.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// Name of the probe.
    pub probe: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// The device that answers.
    pub device: String,
    /// One for each descriptor.
    pub cases: Vec<Reading>,
}

/// What was read through one descriptor.
#[derive(Clone, Debug, Serialize)]
pub struct Reading {
    /// The descriptor.
    #[serde(flatten)]
    pub case: Case,
    /// The readings of the manual that agree with all that was read. Several may, if the case does not tell them apart.
    pub holds: Vec<&'static str>,
    /// Why nothing was read.
    pub error: Option<String>,
    /// Row and column in the tile of every element, row by row, if no reading agrees.
    pub read: Option<Vec<[f32; 2]>>,
}

/// Asks a device one question.
///
/// # Errors
/// There is no probe of this name, the device cannot be used at all, or there is no memory. A case that fails is part of the
/// answer.
pub fn probe(cuda: &Cuda, name: &str) -> Result<Answer> {
    let found = PROBES.iter().find(|probe| probe.name == name).ok_or_else(|| {
        let known = PROBES.map(|probe| probe.name).join(", ");
        Error::argument(format!("there is no probe `{name}`; known are {known}"))
    })?;
    let cases = found.cases.iter().map(|case| match places(cuda, case) {
        Ok(places) => judge(case, &places),
        Err(error) => Reading { case: *case, holds: Vec::new(), error: Some(error.to_string()), read: None },
    });
    Ok(Answer { probe: found.name, question: found.question, device: cuda.description(), cases: cases.collect() })
}

/// Which readings agree with the places that were read.
fn judge(case: &Case, places: &[[f32; 2]]) -> Reading {
    let is_read = |wanted: &[Place]| wanted.iter().map(|&(row, column)| [row as f32, column as f32]).eq(places.iter().copied());
    let holds: Vec<&str> = case.hypotheses().iter().filter(|(_, wanted)| is_read(wanted)).map(|(name, _)| *name).collect();
    let read = holds.is_empty().then(|| places.to_vec());
    Reading { case: *case, holds, error: None, read }
}

/// Row and column in the tile of every element of the operand, in the order row, depth. The instruction reads two tiles, whose
/// values are rows and columns; both are below 256, so bf16 holds them exactly.
fn places(cuda: &Cuda, case: &Case) -> Result<Vec<[f32; 2]>> {
    let cells = || (0..case.rows).flat_map(|row| (0..WIDTH).map(move |column| (row, column)));
    let rows = read(cuda, case, &cells().map(|(row, _)| row as f32).collect::<Vec<_>>())?;
    let columns = read(cuda, case, &cells().map(|(_, column)| column as f32).collect::<Vec<_>>())?;
    Ok(rows.into_iter().zip(columns).map(|(row, column)| [row, column]).collect())
}

/// The values of the operand that the instruction reads from a tile, in the order row, depth.
fn read(cuda: &Cuda, case: &Case, tile: &[f32]) -> Result<Vec<f32>> {
    let tile = cuda.upload_bf16(tile)?;
    let ones = (0..WIDTH * WIDTH).map(|i| f32::from(i / WIDTH == i % WIDTH));
    let identity = cuda.upload_bf16(&ones.collect::<Vec<_>>())?;
    let mut product = cuda.zeros((ROWS * ROWS) as usize)?;
    let kernel = match (case.matrix, case.transposed) {
        (Matrix::A, false) => &kernel::PROBE_A,
        (Matrix::A, true) => &kernel::PROBE_A_TRANSPOSED,
        (Matrix::B, false) => &kernel::PROBE_B,
        (Matrix::B, true) => &kernel::PROBE_B_TRANSPOSED,
    };
    let mut launch = cuda.launch(kernel, [1, 1, 1]).value(map(cuda, &tile, case.rows)?);
    if case.matrix == Matrix::A {
        launch = launch.value(map(cuda, &identity, WIDTH)?);
    }
    let launch = launch.output(&mut product).value(case.layout()).value(case.offset);
    launch.number("bytes", 2 * WIDTH * case.rows).run()?;
    let product = cuda.download(&product)?;
    let at = |row: u32, k: u32| if case.matrix == Matrix::A { row * ROWS + k } else { k * ROWS + row };
    Ok((0..ROWS).flat_map(|row| (0..DEPTH).map(move |k| at(row, k))).map(|at| product[at as usize]).collect())
}

/// A whole buffer of bf16 as one tile.
fn map(cuda: &Cuda, buffer: &Buffer, rows: u32) -> Result<TensorMap> {
    let stride = u64::from(2 * WIDTH);
    let (whole, whole_bytes) = ([WIDTH, rows, 1, 1], stride * u64::from(rows));
    let tiles = Tiles { address: buffer.address(), len: whole, stride: [stride, whole_bytes, whole_bytes], tile: whole };
    cuda.driver.tensor_map(&tiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device that addresses memory by one of the readings is recognised; one that does something else is shown as it is.
    #[test]
    fn every_reading_is_recognised_and_nothing_else() {
        for case in PROBES.iter().flat_map(|probe| probe.cases) {
            for (name, wanted) in case.hypotheses() {
                let mut places: Vec<[f32; 2]> = wanted.iter().map(|&(row, column)| [row as f32, column as f32]).collect();
                let found = judge(case, &places);
                assert!(found.holds.contains(&name) && found.read.is_none(), "{case:?}: {name}");
                places[17][1] += 1.0;
                let found = judge(case, &places);
                assert!(found.holds.is_empty() && found.read == Some(places), "{case:?}: {name}");
            }
        }
    }

    #[test]
    fn the_tile_of_every_case_holds_what_is_read() {
        for case in PROBES.iter().flat_map(|probe| probe.cases) {
            let (name, wanted) = &case.hypotheses()[0];
            let last = wanted.iter().map(|place| place.0).max().unwrap();
            assert!(last < case.rows, "{case:?}: {name} reads row {last}");
        }
    }
}
