//! From the text of a kernel file to code for one architecture: compiled ahead of time, out of the cache, or by NVRTC now.
//!
//! [`image()`] is the way in. [`Arch`] knows the architectures, [`Resources`] what kernels need of them.

use std::sync::OnceLock;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::backend::cuda::kernel::File;
use crate::backend::cuda::kernels::{HEADERS, KERNELS};
use crate::error::{Error, Result};

mod ahead;
mod arch;
mod cache;
mod listing;
mod nvrtc;
mod places;
mod resources;

pub use ahead::{Ahead, FOLDER_VARIABLE as KERNELS_VARIABLE};
pub use arch::{ARCHITECTURES, Arch};
pub use cache::{Cache, FOLDER_VARIABLE as CACHE_VARIABLE};
pub use listing::{Listing, list};
pub use nvrtc::{Nvrtc, Source, Version};
pub(crate) use places::places;
pub use places::{FOLDER_VARIABLE as NVRTC_VARIABLE, Missing, Place, usual as usual_places};
pub use resources::{Resources, parse as parse_resources};

/// How kernels are compiled. Without `--fmad=false` the compiler would fuse what the emulator does not.
const OPTIONS: [&str; 3] = ["--std=c++17", "--fmad=false", "--ptxas-options=-v"];

/// Where an image came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The folder of kernels compiled ahead of time.
    Ahead,
    /// The cache.
    Cache,
    /// NVRTC, just now.
    Compiled,
}

/// A kernel file, compiled for one architecture.
#[derive(Clone, Debug)]
pub struct Image {
    /// What was compiled.
    pub file: &'static File,
    /// What it is for.
    pub arch: &'static Arch,
    /// Version of NVRTC that compiled it.
    pub version: Version,
    /// The code, as the driver loads it.
    pub cubin: Vec<u8>,
    /// What its kernels need.
    pub kernels: Vec<Resources>,
    /// Where it came from.
    pub origin: Origin,
}

/// `file` for `arch` by [`Compiler::usual`].
///
/// # Errors
/// As [`Compiler::image`].
pub fn image(file: &'static File, arch: &'static Arch) -> Result<Image> {
    Compiler::usual().image(file, arch)
}

/// Every kernel file, once.
pub fn files() -> Vec<&'static File> {
    let mut files: Vec<&'static File> = Vec::new();
    for kernel in KERNELS.iter().copied() {
        if !files.iter().any(|file| file.name == kernel.file.name) {
            files.push(kernel.file);
        }
    }
    files
}

/// The places where images may be, in the order in which they are looked at.
pub struct Compiler {
    /// Kernels compiled ahead of time.
    pub ahead: Option<Ahead>,
    /// What was compiled before.
    pub cache: Option<Cache>,
    places: Vec<Place>,
    nvrtc: OnceLock<Result<Nvrtc, Missing>>,
}

impl Compiler {
    /// Looks for NVRTC in `places`, and for images nowhere yet.
    pub fn new(places: Vec<Place>) -> Self {
        Self { ahead: None, cache: None, places, nvrtc: OnceLock::new() }
    }

    /// What the environment of this process names: see [`Ahead::usual`], [`Cache::usual`] and [`usual_places`].
    pub fn from_environment() -> Self {
        Self { ahead: Ahead::usual(), cache: Cache::usual(), ..Self::new(usual_places()) }
    }

    /// The one of this process, made of its environment when it is first needed.
    pub fn usual() -> &'static Self {
        static COMPILER: OnceLock<Compiler> = OnceLock::new();
        COMPILER.get_or_init(Self::from_environment)
    }

    /// The runtime compiler, loaded when it is first needed.
    ///
    /// # Errors
    /// There is none: says where it was looked for.
    pub fn nvrtc(&self) -> Result<&Nvrtc, &Missing> {
        self.nvrtc.get_or_init(|| Nvrtc::load(&self.places)).as_ref()
    }

    /// `file` for `arch`: from the folder compiled ahead of time, from the cache, or from NVRTC. Without NVRTC the cache gives
    /// what any version of it compiled.
    ///
    /// # Errors
    /// There is no NVRTC and no image; the folder is stale or damaged; or the file does not compile.
    pub fn image(&self, file: &'static File, arch: &'static Arch) -> Result<Image> {
        if let Some(image) = self.ahead.as_ref().map(|ahead| ahead.read(file, arch)).transpose()?.flatten() {
            return Ok(image);
        }
        let cache = self.cache.as_ref();
        let nvrtc = match self.nvrtc() {
            Ok(nvrtc) => nvrtc,
            Err(missing) => {
                return cache.and_then(|cache| cache.read_any(file, arch)).ok_or_else(|| no_way(arch, missing));
            }
        };
        if let Some(image) = cache.and_then(|cache| cache.read(file, arch, nvrtc.version())) {
            return Ok(image);
        }
        let image = compile(nvrtc, file, arch)?;
        if let Some(cache) = cache {
            cache.write(&image);
        }
        Ok(image)
    }

    /// Every file for each of `archs`, on all cores.
    ///
    /// # Errors
    /// As [`Compiler::image`].
    pub fn images(&self, archs: &[&'static Arch]) -> Result<Vec<Image>> {
        let wanted: Vec<_> = archs.iter().flat_map(|&arch| files().into_iter().map(move |file| (file, arch))).collect();
        wanted.into_par_iter().map(|(file, arch)| self.image(file, arch)).collect()
    }
}

fn compile(nvrtc: &Nvrtc, file: &'static File, arch: &'static Arch) -> Result<Image> {
    let source = Source { name: file.name, text: file.text, headers: HEADERS };
    let (cubin, log) = nvrtc.compile(&source, arch, &OPTIONS)?;
    let kernels = resources::parse(&log);
    log::debug!("NVRTC {} compiled {} for {arch}: {} bytes", nvrtc.version(), file.name, cubin.len());
    Ok(Image { file, arch, version: nvrtc.version(), cubin, kernels, origin: Origin::Compiled })
}

/// What is missing and how to get it.
fn no_way(arch: &Arch, missing: &Missing) -> Error {
    log::info!("{missing}");
    let unusable: String = missing.unusable.iter().map(|clause| format!(" ({clause})")).collect();
    let reason = format!(
        "no NVRTC{unusable} and no compiled kernels for {arch}: install the package nvidia-cuda-nvrtc with pip and set \
         {NVRTC_VARIABLE}, or compile them elsewhere with `orthoscope kernels --arch {arch} --out DIR` and set \
         {KERNELS_VARIABLE}=DIR"
    );
    Error::Device { device: "cuda", reason }
}

/// SHA-256 of all that the code depends on besides compiler and architecture: source, headers, options.
fn sources_hash(file: &File) -> String {
    let headers = HEADERS.iter().flat_map(|&(name, text)| [name, text]);
    sha256([file.name, file.text].into_iter().chain(headers).chain(OPTIONS).map(str::as_bytes))
}

/// SHA-256 of `parts`, each with its length, in hexadecimal digits.
fn sha256<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
