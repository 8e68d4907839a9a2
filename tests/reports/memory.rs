//! "Out of memory after some hundred images": memory that grows with the number of images.

use std::process::Stdio;
use std::time::Duration;

use orthoscope::data::{Image, encode_png};

use crate::fixture::{Scratch, orthoscope};

const SIDE: usize = 160;
/// Numbers of images of the two runs.
const FEW: usize = 8;
const MANY: usize = 88;
/// What decoding one image leaves in memory: three values in f32 for each pixel. Heatmap, overlay, mask and reconstruction are
/// several times that.
const IMAGE: u64 = (SIDE * SIDE * 3 * 4) as u64;

fn write_images(scratch: &Scratch, folder: &str, count: usize) {
    for number in 0..count {
        let value = |(row, column, channel)| ((row * 7 + column * 3 + channel * 5 + number * 11) % 61) as f32 / 60.0;
        scratch.write(format!("{folder}/{number}.png"), encode_png(&Image::from_shape_fn((SIDE, SIDE, 3), value)).unwrap());
    }
}

/// The most memory that a command had, in bytes, as the system last told while it ran.
fn peak(scratch: &Scratch, command: &str) -> u64 {
    let mut child = orthoscope();
    child.args(command.split(' ')).current_dir(scratch.path("")).stdout(Stdio::null()).stderr(Stdio::null());
    // One thread, so that the number of buffers does not depend on timing.
    let mut child = child.env("RAYON_NUM_THREADS", "1").spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = kilobytes.unwrap_or(0_u64).max(peak);
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(child.wait().unwrap().success(), "{command}");
    assert!(peak > 1000, "the system tells nothing");
    peak * 1024
}

/// By how much more memory the larger of two folders takes.
fn growth(scratch: &Scratch, command: impl Fn(&str) -> String) -> u64 {
    let [few, many] = ["few", "many"].map(|folder| peak(scratch, &command(folder)));
    many.saturating_sub(few)
}

#[test]
fn detection_of_many_images_takes_no_more_memory_than_of_few() {
    let scratch = Scratch::new();
    write_images(&scratch, "few", FEW);
    write_images(&scratch, "many", MANY);
    let grown = growth(&scratch, |folder| format!("detect --model run/model.safetensors --out found-{folder} {folder}"));
    let limit = (MANY - FEW) as u64 * IMAGE / 4;
    assert!(grown < limit, "{grown} bytes more for {} more images of {IMAGE} bytes", MANY - FEW);
}

#[test]
fn evaluation_keeps_of_each_pixel_what_the_metrics_need_and_no_image() {
    let scratch = Scratch::new();
    write_images(&scratch, "few/test/good", FEW);
    write_images(&scratch, "many/test/good", MANY);
    for folder in ["few", "many"] {
        scratch.write(format!("{folder}/test/hole/0.png"), scratch.read("few/test/good/0.png"));
        let mask = Image::from_shape_fn((SIDE, SIDE, 3), |(row, _, _)| f32::from(u8::from(row < 9)));
        scratch.write(format!("{folder}/ground_truth/hole/0.png"), encode_png(&mask).unwrap());
    }
    let grown =
        growth(&scratch, |folder| format!("evaluate --model run/model.safetensors --data {folder} --out report-{folder}"));
    // 16 bytes of each pixel: score and truth, and both once more to be sorted.
    let limit = ((MANY - FEW) * SIDE * SIDE) as u64 * 16 * 3 / 2;
    assert!(grown < limit, "{grown} bytes more for {} more images, {limit} are allowed", MANY - FEW);
}
