use crate::backend::cuda::compiler::{Compiler, Nvrtc, Precompiled};
use crate::backend::cuda::{Device, Nvtx, Probe, probe};
use crate::report::wrap::wrap;
use crate::run::{COMMIT, DEFAULT_CONFIG};
use serde_json::{Value, json};

use super::output::{print, say, say_json, screen};

/// Width of the column of names.
const INDENT: usize = 22;

/// Arguments of `doctor`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Print JSON instead of lines
    #[arg(long)]
    json: bool,
    /// Print the default config as TOML, with a comment for every key
    #[arg(long, conflicts_with = "json")]
    config: bool,
}

/// Shows the devices and libraries found on this machine.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.config {
        return print(DEFAULT_CONFIG);
    }
    let facts = facts();
    if arguments.json {
        return say_json(&facts);
    }
    for (name, value) in facts.as_object().into_iter().flatten() {
        let room = screen().columns - INDENT;
        // The name is written before the first line of each sentence; further lines are indented.
        for sentence in if name == "missing" { sentences(value) } else { vec![one_line(value)] } {
            for (at, line) in wrap(&sentence, room).iter().enumerate() {
                say(format_args!("{:<INDENT$}{line}", if at == 0 { name } else { "" }))?;
            }
        }
    }
    Ok(())
}

fn facts() -> Value {
    let compiler = Compiler::global();
    let mut missing: Vec<String> = Vec::new();
    let nvrtc = nvrtc(compiler, &mut missing);
    let cache = compiler.cache.as_ref();
    let cache_size = cache.map(|cache| cache.size());
    if cache.is_none() {
        missing.push("a cache folder, so kernels are compiled in every run: set ORTHOSCOPE_CACHE_DIR".to_owned());
    }
    let precompiled = compiler.precompiled.as_ref();
    let architectures = precompiled.map(|folder| architectures(folder, &mut missing));
    let (driver, devices) = gpu(&mut missing);
    let simd = simd(&mut missing);
    let nvtx = Nvtx::global().map_err(|reason| missing.push(format!("NVTX, to name operations in nsys and ncu: {reason}"))).ok();
    let emulator = cfg!(feature = "emulator");
    if !emulator {
        missing.push("the emulator, to run kernels without a GPU: build with `--features emulator`".to_owned());
    }
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": COMMIT,
        "system": format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        "threads": rayon::current_num_threads(),
        "simd": simd,
        "backends": ["cpu", "reference", "cuda"],
        "cuda": driver,
        "cuda_devices": devices,
        "nvrtc": nvrtc.map(|nvrtc| nvrtc.version().to_string()),
        "nvrtc_path": nvrtc.map(|nvrtc| nvrtc.path().display().to_string()),
        "nvtx": nvtx.map(|nvtx| nvtx.path().display().to_string()),
        "kernel_cache": cache.map(|cache| cache.folder().display().to_string()),
        "kernel_cache_files": cache_size.map(|size| size.0),
        "kernel_cache_bytes": cache_size.map(|size| size.1),
        "kernels_dir": precompiled.map(|folder| folder.folder().display().to_string()),
        "kernels_dir_archs": architectures,
        "emulator": emulator,
        "missing": missing,
    })
}

/// The library that compiles kernels; adds a sentence to `missing` if there is none.
fn nvrtc<'a>(compiler: &'a Compiler, missing: &mut Vec<String>) -> Option<&'a Nvrtc> {
    let help = "install the package nvidia-cuda-nvrtc with pip and set ORTHOSCOPE_NVRTC_DIR to its lib folder";
    let found = compiler.nvrtc();
    found.map_err(|reason| missing.push(format!("NVRTC, to compile kernels: {reason}; {help}"))).ok()
}

/// What the kernels in a folder are compiled for; adds a sentence to `missing` if it cannot be read.
fn architectures(folder: &Precompiled, missing: &mut Vec<String>) -> Vec<String> {
    folder.architectures().map_err(|error| missing.push(error.to_string())).unwrap_or_default()
}

/// The instructions of the CPU that are used; adds a sentence to `missing` if it has too few.
fn simd(missing: &mut Vec<String>) -> Option<String> {
    let simd = super::device::cpu().map(|cpu| format!("{:?}", cpu.isa()).to_lowercase());
    // Without it no command can compute on the CPU, so it is also logged as a warning.
    let simd = simd.inspect_err(|error| log::warn!("no command will compute on the CPU: {error}"));
    simd.map_err(|error| missing.push(error.to_string())).ok()
}

/// The driver and its GPUs; adds a sentence to `missing` if there is none.
fn gpu(missing: &mut Vec<String>) -> (Value, Value) {
    let Probe { driver, devices } = probe();
    let driver = driver.map(|(major, minor)| format!("CUDA {major}.{minor}"));
    let devices = devices.unwrap_or_else(|reason| {
        missing.push(format!("a GPU: {reason}; install the NVIDIA driver of a machine that has one"));
        Vec::new()
    });
    let line = |device: &Device| {
        let Device { name, capability: (major, minor), memory, multiprocessors } = device;
        let gibibytes = *memory as f64 / f64::from(1 << 30);
        format!("{name}, compute capability {major}.{minor}, {multiprocessors} multiprocessors, {gibibytes:.1} GiB")
    };
    (driver.into(), devices.iter().map(line).collect())
}

fn sentences(value: &Value) -> Vec<String> {
    let found: Vec<String> = value.as_array().into_iter().flatten().map(one_line).collect();
    if found.is_empty() { vec!["nothing".to_owned()] } else { found }
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(one_line).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
