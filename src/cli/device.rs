//! `--device` and `--precision`: the backend to run on.

use std::fmt;
use std::str::FromStr;

use crate::backend::cpu::Isa;
use crate::backend::cuda::Mode;
use crate::backend::{Cpu, Cuda};
use crate::{Error, Result};

/// Environment variable that names the CPU instructions to use; by default the widest available.
const CPU_VARIABLE: &str = "ORTHOSCOPE_CPU";
/// Environment variable that turns on the convolution by the matrix instruction of Hopper.
const WGMMA_VARIABLE: &str = "ORTHOSCOPE_WGMMA";

/// The options of every command that runs a network.
#[derive(clap::Args)]
pub struct DeviceOption {
    /// Device to run on: auto (the first GPU if usable, else cpu), cpu, cuda, cuda:N (GPU number N) or emulator;
    /// ORTHOSCOPE_CPU=avx512, avx2 or portable chooses the CPU instructions
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Device,
    /// Precision in which activations and their gradients are stored, and of the products between them
    #[arg(long, value_enum, value_name = "PRECISION", default_value = "f32")]
    precision: Precision,
}

/// Precision of matrix products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Precision {
    /// Everything in f32
    F32,
    /// Activations, their gradients and the weights of products rounded to bf16; sums, weights and optimiser in f32
    Bf16,
}

/// The value of `--device`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Auto,
    Cpu,
    Cuda(usize),
    Emulator,
}

/// An opened device. [`on_device!`] passes it to code that is generic over backends.
#[derive(Clone)]
pub enum Opened {
    Cpu(Cpu),
    Cuda(Cuda),
}

impl Opened {
    /// Whether it computes in the memory of the host.
    pub fn is_cpu(&self) -> bool {
        matches!(self, Self::Cpu(_))
    }
}

/// `on_device!(opened, |backend| f(&backend))` calls `f` with the backend.
macro_rules! on_device {
    ($opened:expr, |$backend:ident| $body:expr) => {
        match $opened {
            $crate::cli::device::Opened::Cpu($backend) => $body,
            $crate::cli::device::Opened::Cuda($backend) => $body,
        }
    };
}
pub(super) use on_device;

/// bf16 counts as slower than f32 only below this ratio of speeds, because smaller differences are noise.
const MIN_SPEEDUP: f64 = 0.95;

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        match text {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            "emulator" => Some(Self::Emulator),
            _ => text.strip_prefix("cuda:").and_then(number).map(Self::Cuda),
        }
        .ok_or_else(|| Error::argument("a device is auto, cpu, cuda, cuda:N (N = 0, 1, …) or emulator"))
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Emulator => f.write_str("emulator"),
        }
    }
}

impl DeviceOption {
    /// Opens the device.
    ///
    /// # Errors
    /// The named device cannot be used.
    pub fn open(&self) -> Result<Opened> {
        let wgmma = wgmma()?;
        match (self.open_device()?, self.precision) {
            (Opened::Cuda(cuda), Precision::Bf16) if wgmma => Ok(Opened::Cuda(cuda.with_mode(Mode::Bf16).with_wgmma()?)),
            _ if wgmma => Err(Error::argument(format!("{WGMMA_VARIABLE}=on needs a Hopper GPU and --precision bf16"))),
            (opened, Precision::F32) => Ok(opened),
            (Opened::Cuda(cuda), Precision::Bf16) => Ok(Opened::Cuda(cuda.with_mode(Mode::Bf16))),
            (Opened::Cpu(cpu), Precision::Bf16) => {
                recommend_precision(&cpu)?;
                Ok(Opened::Cpu(cpu.with_bf16()))
            }
        }
    }

    /// The kernels that a GPU would run with this precision.
    pub fn mode(&self) -> Mode {
        match self.precision {
            Precision::F32 => Mode::default(),
            Precision::Bf16 => Mode::Bf16,
        }
    }

    /// The name of the precision, as on the command line.
    pub fn precision(&self) -> &'static str {
        match self.precision {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        }
    }

    /// The options, as on the command line, without those that have their default.
    pub fn words(&self) -> String {
        let device = if self.device == Device::Auto { String::new() } else { format!(" --device {}", self.device) };
        let precision = if self.precision == Precision::F32 { "" } else { " --precision bf16" };
        device + precision
    }

    fn open_device(&self) -> Result<Opened> {
        match self.device {
            Device::Auto => automatic(),
            Device::Cpu => cpu().map(Opened::Cpu),
            Device::Cuda(ordinal) => Cuda::gpu(ordinal).map(Opened::Cuda),
            Device::Emulator => emulator(),
        }
    }
}

/// Whether the environment asks for the convolution by the matrix instruction of Hopper.
fn wgmma() -> Result<bool> {
    match std::env::var_os(WGMMA_VARIABLE).unwrap_or_default().to_str() {
        Some("" | "off") => Ok(false),
        Some("on") => Ok(true),
        _ => Err(Error::argument(format!("{WGMMA_VARIABLE} must be on or off"))),
    }
}

/// Prints a note if bf16 is slower than f32 on this processor. It does not switch to f32, because results must not depend on a
/// measurement.
fn recommend_precision(cpu: &Cpu) -> Result<()> {
    let speedup = crate::profile::bf16_speedup(cpu)?;
    log::info!("bf16 is {speedup:.2} times as fast as f32 on this processor, by the module that uses it most");
    if speedup < MIN_SPEEDUP {
        super::output::note(format!(
            "note: on this processor bf16 is slower than f32 (its products take {:.1} times as long); --precision f32 is faster",
            1.0 / speedup
        ));
    }
    Ok(())
}

/// The first GPU if it can be used, otherwise the CPU. The log states the choice and the reason.
fn automatic() -> Result<Opened> {
    match Cuda::gpu(0) {
        Ok(gpu) => {
            log::info!("computing on the first GPU, {}", crate::backend::Storage::description(&gpu));
            Ok(Opened::Cuda(gpu))
        }
        Err(error) => {
            log::info!("computing on the CPU; {error}");
            cpu().map(Opened::Cpu)
        }
    }
}

/// The CPU with the instructions that the environment variable names.
///
/// # Errors
/// Unknown instructions, or instructions that this machine does not have.
pub fn cpu() -> Result<Cpu> {
    let named = std::env::var_os(CPU_VARIABLE).unwrap_or_default();
    let refuse = |reason: String| Error::argument(format!("{CPU_VARIABLE}={}: {reason}", named.display()));
    match named.to_str() {
        Some("") => Ok(Cpu::default()),
        Some("avx512") => Cpu::with_isa(Isa::Avx512).map_err(|error| refuse(error.to_string())),
        Some("avx2") => Cpu::with_isa(Isa::Avx2).map_err(|error| refuse(error.to_string())),
        Some("portable") => Cpu::with_isa(Isa::Portable),
        _ => Err(refuse("must be avx512, avx2 or portable".into())),
    }
}

#[cfg(feature = "emulator")]
fn emulator() -> Result<Opened> {
    Ok(Opened::Cuda(Cuda::emulator(1)))
}

#[cfg(not(feature = "emulator"))]
fn emulator() -> Result<Opened> {
    let reason = "is not part of this program; `cargo build --release --features emulator` builds one that has it";
    Err(Error::Device { device: "emulator", reason: reason.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_the_help_says() {
        for (text, device) in [
            ("auto", Device::Auto),
            ("cpu", Device::Cpu),
            ("cuda", Device::Cuda(0)),
            ("cuda:0", Device::Cuda(0)),
            ("cuda:12", Device::Cuda(12)),
            ("emulator", Device::Emulator),
        ] {
            assert_eq!(text.parse::<Device>().unwrap(), device);
            assert_eq!(device.to_string().parse::<Device>().unwrap(), device);
        }
        for text in ["", "gpu", "CUDA", "cuda:", "cuda:-1", "cuda:+1", "cuda: 1", "cuda:1x", "cuda:99999999999999999999", "cpu:0"]
        {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }
}
