//! A device with too little memory for a run. The error is one sentence with the requested and free memory and settings that
//! would fit; nothing is lost.

use std::sync::atomic::{AtomicBool, Ordering};

use orthoscope::Error;
use orthoscope::backend::cuda::driver::emulator::Settings;
use orthoscope::backend::{Cpu, Cuda};
use orthoscope::ops::Backend;
use orthoscope::run::{Config, Outcome, TrainingJob};

use crate::fixture::{CONFIG, Scratch};

fn run(scratch: &Scratch, config: &str, resume: bool, backend: &impl Backend) -> Result<Outcome, Error> {
    let config = Config::parse(config).unwrap();
    let job = TrainingJob::prepare(config, &scratch.path("cloth"), &scratch.path("new"), resume)?;
    let stop = AtomicBool::new(false);
    job.run(backend, &stop, |_| stop.store(true, Ordering::Relaxed))
}

/// An emulated device with this many bytes of memory.
fn emulator(memory: usize) -> Cuda {
    Cuda::emulated(Settings { seed: 1, memory, ..Settings::default() })
}

#[test]
fn out_of_memory_suggests_a_batch_size_and_keeps_the_checkpoint() {
    let scratch = Scratch::new();
    assert_eq!(run(&scratch, CONFIG, false, &Cpu::default()).unwrap(), Outcome::Interrupted);
    let checkpoint = scratch.read("new/checkpoint.safetensors");
    // Memory for some weights, for the weights only, and for part of a step.
    for mebibytes in [0.01, 0.2, 0.6] {
        let full = emulator((mebibytes * f64::from(1 << 20)) as usize);
        let error = run(&scratch, CONFIG, true, &full).unwrap_err().to_string();
        assert!(error.starts_with("emulator: out of memory: ") && error.contains("iB were asked for, "), "{error}");
        assert!(
            error.ends_with(
                " in a run with batches of 2; try train.batch = 1, or a smaller data.size than 32 or model.width than 2"
            ),
            "{error}"
        );
        assert!(scratch.read("new/checkpoint.safetensors") == checkpoint, "the checkpoint changed");
    }
    let roomy = emulator(64 << 20);
    assert_eq!(run(&scratch, CONFIG, true, &roomy).unwrap(), Outcome::Interrupted);
}

#[test]
fn with_batch_size_one_a_smaller_image_is_suggested() {
    let scratch = Scratch::new();
    let full = emulator(1 << 19);
    let error = run(&scratch, &CONFIG.replace("batch = 2", "batch = 1"), false, &full).unwrap_err().to_string();
    assert!(error.ends_with(" in a run with one image a step; try a smaller data.size than 32 or model.width than 2"), "{error}");
    let left = ["config.toml", "log.jsonl"].map(|name| scratch.path("new").join(name).exists());
    assert_eq!(left, [false, false], "looks like a run that has begun");
}
