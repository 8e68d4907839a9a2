//! Measures the rates of a GPU that a model of kernel time needs, or asks a Hopper GPU how its matrix instruction addresses
//! memory.
//!
//! ```sh
//! cargo run --release --example calibrate -- --device cuda --json peaks.json
//! cargo run --release --example calibrate -- --device cuda --probe row-shift
//! cargo run --release --features emulator --example calibrate -- --device emulator --probe k-major
//! ```
//!
//! `benches/gpu.py` runs all of it on a machine with a GPU.

use std::process::ExitCode;

use orthoscope::backend::Cuda;
use orthoscope::backend::cuda::hopper::{PROBES, probe};
use orthoscope::profile::calibrate;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("calibrate: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let (mut device, mut question, mut path) = ("cuda".to_owned(), None, None);
    while let Some(option) = arguments.next() {
        if option == "--help" {
            println!("calibrate [--device cuda|emulator] [--probe NAME] [--json FILE]");
            PROBES.iter().for_each(|probe| println!("  {:12} {}", probe.name, probe.question));
            return Ok(());
        }
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--device" => device = value,
            "--probe" => question = Some(value),
            "--json" => path = Some(value),
            _ => return Err(format!("there is no option {option}; --help lists them").into()),
        }
    }
    let cuda = open(&device)?;
    let text = match question {
        Some(name) => serde_json::to_string_pretty(&probe(&cuda, &name)?)?,
        None => serde_json::to_string_pretty(&calibrate(&cuda)?)?,
    };
    match path {
        Some(path) => std::fs::write(&path, text + "\n").map_err(|error| format!("{path}: {error}").into()),
        None => {
            println!("{text}");
            Ok(())
        }
    }
}

fn open(device: &str) -> Result<Cuda, Failure> {
    match device {
        "cuda" => Ok(Cuda::gpu(0)?),
        #[cfg(feature = "emulator")]
        "emulator" => Ok(Cuda::emulator(1)),
        _ => Err(format!("there is no device {device}; known are cuda and, with the feature emulator, emulator").into()),
    }
}
