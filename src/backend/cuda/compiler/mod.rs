//! Turns a kernel file into a CUBIN for one architecture: from the folder of precompiled kernels, from the cache, or by compiling
//! it with NVRTC.
//!
//! [`cubin()`] is the entry point. [`Arch`] describes an architecture, [`Resources`] what a compiled kernel needs of it.

use std::sync::OnceLock;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::backend::cuda::kernel::File;
use crate::backend::cuda::kernels::{HEADERS, KERNELS};
use crate::error::{Error, Result};

mod arch;
mod cache;
mod code;
mod disassembler;
mod listing;
mod nvrtc;
mod places;
mod precompiled;
mod resources;
mod sass;

pub use arch::{ARCHITECTURES, Arch, Limiter, Residency};
pub use cache::{Cache, FOLDER_VARIABLE as CACHE_VARIABLE};
pub use disassembler::{Disassembler, FOLDER_VARIABLE as DISASSEMBLER_VARIABLE};
pub use listing::{Listing, list};
pub use nvrtc::{Nvrtc, Source, Version};
pub(crate) use places::places;
pub use places::{FOLDER_VARIABLE as NVRTC_VARIABLE, Missing, Place, default_places};
pub use precompiled::{FOLDER_VARIABLE as KERNELS_VARIABLE, Precompiled};
pub use resources::{Resources, parse as parse_resources};
pub use sass::{Amounts, Code, Executed, parse as parse_code};

/// Options of NVRTC. Without `--fmad=false` the compiler would fuse multiplications and additions, which the emulator does not.
/// Line numbers change no instruction; profilers and sanitizers name lines by them.
const OPTIONS: [&str; 4] = ["--std=c++17", "--fmad=false", "--ptxas-options=-v", "--generate-line-info"];

/// Where a CUBIN came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The folder of precompiled kernels.
    Precompiled,
    /// The cache.
    Cache,
    /// NVRTC, in this process.
    Compiled,
}

/// A kernel file, compiled for one architecture.
#[derive(Clone, Debug)]
pub struct Cubin {
    /// The kernel file.
    pub file: &'static File,
    /// The architecture.
    pub arch: &'static Arch,
    /// Version of NVRTC that compiled it.
    pub version: Version,
    /// The bytes of the CUBIN, as the driver loads them.
    pub code: Vec<u8>,
    /// Resources that its kernels need.
    pub kernels: Vec<Resources>,
    /// Where it came from.
    pub origin: Origin,
}

impl Cubin {
    /// Bytes of machine code of one of its kernels, including the functions that it calls; None if it has no such kernel.
    pub fn code_bytes(&self, kernel: &str) -> Option<u64> {
        code::sizes(&self.code).into_iter().find_map(|(name, bytes)| (name == kernel).then_some(bytes))
    }

    /// Resources of one of its kernels.
    ///
    /// # Errors
    /// The compiler's log did not mention it.
    pub fn resources(&self, kernel: &str) -> Result<&Resources> {
        self.kernels.iter().find(|used| used.name == kernel).ok_or_else(|| {
            let reason = format!("{} as compiled for {} has no kernel `{kernel}`", self.file.name, self.arch);
            Error::Device { device: "cuda", reason }
        })
    }
}

/// The CUBIN of `file` for `arch`, from [`Compiler::global`].
///
/// # Errors
/// As [`Compiler::cubin`].
pub fn cubin(file: &'static File, arch: &'static Arch) -> Result<Cubin> {
    Compiler::global().cubin(file, arch)
}

/// All kernel files, without repetition.
pub fn files() -> Vec<&'static File> {
    let mut files: Vec<&'static File> = Vec::new();
    for kernel in KERNELS.iter().copied() {
        if !files.iter().any(|file| file.name == kernel.file.name) {
            files.push(kernel.file);
        }
    }
    files
}

/// The kernel files that compile for an architecture.
pub fn files_for(arch: &Arch) -> impl Iterator<Item = &'static File> {
    let name = arch.name;
    files().into_iter().filter(move |file| file.runs_on(name))
}

/// The sources of CUBINs, in the order in which they are tried. NVRTC is the last.
pub struct Compiler {
    /// Precompiled kernels.
    pub precompiled: Option<Precompiled>,
    /// Kernels compiled earlier on this machine.
    pub cache: Option<Cache>,
    places: Vec<Place>,
    nvrtc: OnceLock<Result<Nvrtc, Missing>>,
}

impl Compiler {
    /// A compiler that searches `places` for NVRTC, without precompiled kernels and without a cache.
    pub fn new(places: Vec<Place>) -> Self {
        Self { precompiled: None, cache: None, places, nvrtc: OnceLock::new() }
    }

    /// A compiler configured by environment variables: see [`Precompiled::from_environment`], [`Cache::from_environment`] and
    /// [`default_places`].
    pub fn from_environment() -> Self {
        let (precompiled, cache) = (Precompiled::from_environment(), Cache::from_environment());
        Self { precompiled, cache, ..Self::new(default_places()) }
    }

    /// The compiler of this process, created by [`Compiler::from_environment`] on first use.
    pub fn global() -> &'static Self {
        static COMPILER: OnceLock<Compiler> = OnceLock::new();
        COMPILER.get_or_init(Self::from_environment)
    }

    /// NVRTC, loaded on first use.
    ///
    /// # Errors
    /// It was not found; the error lists the places searched.
    pub fn nvrtc(&self) -> Result<&Nvrtc, &Missing> {
        self.nvrtc.get_or_init(|| Nvrtc::load(&self.places)).as_ref()
    }

    /// The CUBIN of `file` for `arch`: precompiled, from the cache, or compiled by NVRTC. Without NVRTC, CUBINs that any version
    /// of NVRTC compiled are accepted from the cache.
    ///
    /// # Errors
    /// There is neither NVRTC nor a CUBIN, a precompiled CUBIN is stale or damaged, or the file does not compile or is for
    /// another architecture only.
    pub fn cubin(&self, file: &'static File, arch: &'static Arch) -> Result<Cubin> {
        if let Some(only) = file.only.filter(|_| !file.runs_on(arch.name)) {
            return Err(Error::Device { device: "cuda", reason: format!("{} is for {only} only, not for {arch}", file.name) });
        }
        if let Some(cubin) = self.precompiled.as_ref().map(|folder| folder.read(file, arch)).transpose()?.flatten() {
            return Ok(cubin);
        }
        let cache = self.cache.as_ref();
        let nvrtc = match self.nvrtc() {
            Ok(nvrtc) => nvrtc,
            Err(missing) => {
                return cache.and_then(|cache| cache.read_newest(file, arch)).ok_or_else(|| unavailable(arch, missing));
            }
        };
        if let Some(cubin) = cache.and_then(|cache| cache.read(file, arch, nvrtc.version())) {
            return Ok(cubin);
        }
        let cubin = compile(nvrtc, file, arch)?;
        if let Some(cache) = cache {
            cache.write(&cubin);
        }
        Ok(cubin)
    }

    /// The CUBINs of all kernel files for each of `archs` that they are for, compiled on all cores.
    ///
    /// # Errors
    /// As [`Compiler::cubin`].
    pub fn cubins(&self, archs: &[&'static Arch]) -> Result<Vec<Cubin>> {
        let wanted: Vec<_> = archs.iter().flat_map(|&arch| files_for(arch).map(move |file| (file, arch))).collect();
        wanted.into_par_iter().map(|(file, arch)| self.cubin(file, arch)).collect()
    }
}

fn compile(nvrtc: &Nvrtc, file: &'static File, arch: &'static Arch) -> Result<Cubin> {
    let source = Source { name: file.name, text: file.text, headers: HEADERS };
    let (code, log) = nvrtc.compile(&source, arch, &OPTIONS)?;
    let kernels = resources::parse(&log);
    log::debug!("NVRTC {} compiled {} for {arch}: {} bytes", nvrtc.version(), file.name, code.len());
    Ok(Cubin { file, arch, version: nvrtc.version(), code, kernels, origin: Origin::Compiled })
}

/// The error for a machine with neither NVRTC nor compiled kernels; it says how to get either.
fn unavailable(arch: &Arch, missing: &Missing) -> Error {
    log::info!("{missing}");
    let unusable: String = missing.unusable.iter().map(|clause| format!(" ({clause})")).collect();
    let reason = format!(
        "no NVRTC{unusable} and no compiled kernels for {arch}: install the package nvidia-cuda-nvrtc with pip and set \
         {NVRTC_VARIABLE}, or compile them elsewhere with `orthoscope kernels --arch {arch} --out DIR` and set \
         {KERNELS_VARIABLE}=DIR"
    );
    Error::Device { device: "cuda", reason }
}

/// SHA-256 of everything that a CUBIN depends on apart from the compiler's version and the architecture: source, headers and
/// options.
fn sources_hash(file: &File) -> String {
    let headers = HEADERS.iter().flat_map(|&(name, text)| [name, text]);
    sha256([file.name, file.text].into_iter().chain(headers).chain(OPTIONS).map(str::as_bytes))
}

/// SHA-256 of `parts`, each preceded by its length, as hexadecimal digits.
fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
