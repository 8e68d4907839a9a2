//! The sentences below the table of a prediction: the step, the rates that were used, and what is left out.

use crate::profile::Task;
use crate::profile::predict::{Hardware, Prediction};
use crate::report::number::{prefixed, readable};
use crate::report::table::Screen;
use crate::report::wrap::wrap;

/// What was predicted and how, in lines that fit the screen.
pub fn sentences(prediction: &Prediction, screen: Screen) -> Vec<String> {
    let mut lines = vec![step(prediction), floor(prediction), rates(prediction), how(&prediction.hardware), sources(prediction)];
    lines.extend(counted(prediction));
    lines.extend(prediction.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(prediction.left_out.iter().map(|clause| format!("left out: {clause}")));
    lines.iter().flat_map(|line| wrap(line, screen.columns)).collect()
}

/// A step in a line.
pub(super) fn step(prediction: &Prediction) -> String {
    let settings = &prediction.settings;
    let knows_code = prediction.disassembler.is_some();
    format!(
        "predicted, not measured: {} of Model {} w={} in {}, {} image{} of {size} x {size}: {}{} ms on {} ({}), {}{} images/s",
        if settings.task == Task::Train { "a training step" } else { "inference" },
        if settings.model == 1 { "I" } else { "II" },
        settings.width,
        prediction.precision,
        settings.batch,
        if settings.batch == 1 { "" } else { "s" },
        if knows_code { "" } else { "at least " },
        readable(prediction.predicted_ms, 3),
        prediction.hardware.card,
        prediction.arch,
        if knows_code { "" } else { "at most " },
        readable(prediction.images_per_second, 3),
        size = settings.size,
    )
}

fn floor(prediction: &Prediction) -> String {
    format!(
        "it has {} and moves {} of DRAM in {} launches; the same kernels at the card's highest rates would take {} ms; buffers need {}",
        prefixed(prediction.flops as f64, 3, "FLOP"),
        prefixed(prediction.dram_bytes, 3, "B"),
        prediction.launches,
        readable(prediction.floor_ms, 3),
        prefixed(prediction.memory_bytes as f64, 2, "B"),
    )
}

/// The rates, and which of them were measured.
fn rates(prediction: &Prediction) -> String {
    let Hardware { multiprocessors, clock, dram, l2, shared, fma, matrix, launch, .. } = &prediction.hardware;
    let tera = |rate: &f64| readable(rate / 1e12, 3);
    let numbers = format!(
        "{multiprocessors} multiprocessors at {} GHz, DRAM {} TB/s, L2 {} TB/s, shared memory {} bytes per clock, f32 {} TFLOP/s, \
         mma.sync {} TFLOP/s, {} µs between kernels",
        readable(clock / 1e9, 4),
        tera(dram),
        tera(l2),
        readable(*shared, 3),
        tera(fma),
        tera(matrix),
        readable(1e6 * launch, 2),
    );
    match &prediction.calibration {
        None => format!("assumed: {numbers}"),
        Some(own) => format!(
            "measured on {} on {}: {}; others are assumed. Together: {numbers}",
            own.device,
            own.date,
            own.measured().join(", ")
        ),
    }
}

fn how(hardware: &Hardware) -> String {
    format!(
        "a kernel takes the time of its scarcest resource, of which it reaches {:.0} %, and its launch; % of bound is that resource's \
         part of the time. Of what a launch uses, L2 keeps up to {} MiB for the next",
        100.0 * hardware.efficiency,
        readable(hardware.l2_kept / f64::from(1 << 20), 2)
    )
}

/// What the columns of counts mean.
fn counted(prediction: &Prediction) -> Option<String> {
    prediction.rows.iter().any(|row| row.cost.counts.is_some()).then(|| {
        "counted on the emulator, from some blocks of each launch: sectors of global memory over the fewest that would hold the same bytes; \
         conflicts: wavefronts of shared memory over the fewest"
            .to_owned()
    })
}

fn sources(prediction: &Prediction) -> String {
    let compiler =
        prediction.compiler.as_ref().map_or("no compiled kernels".to_owned(), |version| format!("kernels of NVRTC {version}"));
    let disassembler =
        prediction.disassembler.as_ref().map_or("no disassembler".to_owned(), |path| format!("disassembled by {path}"));
    format!("{compiler}, {disassembler}")
}
