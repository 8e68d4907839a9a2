//! `nvdisasm`, NVIDIA's disassembler, a program that is searched for and run on a CUBIN.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Cubin;
use super::places::children;
use super::sass::{Code, parse};
use crate::error::{Error, Result, system_words};

/// Environment variable with folders to search for `nvdisasm` first, separated as in `PATH`.
pub const FOLDER_VARIABLE: &str = "ORTHOSCOPE_NVDISASM_DIR";
/// File name of the program.
const PROGRAM: &str = "nvdisasm";

/// The program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disassembler(PathBuf);

impl Disassembler {
    /// The first `nvdisasm` in the folders of [`FOLDER_VARIABLE`], those of `PATH`, the active Python environments, the one that
    /// NVRTC is in, and the CUDA toolkits.
    ///
    /// # Errors
    /// There is none; the clause says how to get it.
    pub fn find() -> Result<Self, String> {
        let found = folders().into_iter().map(|folder| folder.join(PROGRAM)).find(|path| path.is_file());
        found.map(Self).ok_or_else(|| {
            format!("no {PROGRAM} was found: install the package nvidia-cuda-nvdisasm with pip, or name its folder in {FOLDER_VARIABLE}")
        })
    }

    /// Path of the program.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The code of every kernel of a CUBIN, by name.
    ///
    /// # Errors
    /// The program cannot be run, or refuses the file, for example because it is older than the architecture.
    pub fn disassemble(&self, cubin: &Cubin) -> Result<BTreeMap<String, Code>> {
        let failed =
            |reason: String| Error::file(&self.0, format!("cannot disassemble {} for {}: {reason}", cubin.file.name, cubin.arch));
        let mut file = tempfile::NamedTempFile::new().map_err(|error| failed(system_words(&error)))?;
        file.write_all(&cubin.code).map_err(|error| failed(system_words(&error)))?;
        let output = Command::new(&self.0).arg("-c").arg(file.path()).output().map_err(|error| failed(system_words(&error)))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(failed(said.lines().next().unwrap_or("it failed without a word").to_owned()));
        }
        Ok(parse(&String::from_utf8_lossy(&output.stdout)))
    }
}

fn folders() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).unwrap_or_default();
    let listed = |name: &str| std::env::split_paths(&variable(name)).collect::<Vec<_>>();
    let packages = ["VIRTUAL_ENV", "CONDA_PREFIX"].map(variable).into_iter().flat_map(|root| in_packages(&root));
    // NVRTC is in `cu13/lib` of its package, and the disassembler, if installed beside it, in `cu13/bin`.
    let beside = listed(super::NVRTC_VARIABLE).into_iter().map(|folder| folder.join("../bin"));
    let toolkits = ["CUDA_HOME", "CUDA_PATH"].map(variable).into_iter().map(|root| PathBuf::from(root).join("bin"));
    let usual = children(Path::new("/usr/local"), "cuda").into_iter().map(|toolkit| toolkit.join("bin"));
    let named = [FOLDER_VARIABLE, "PATH"].into_iter().flat_map(listed);
    // An empty name would be the working folder.
    named
        .chain(packages)
        .chain(beside)
        .chain(toolkits)
        .chain(usual)
        .filter(|folder| folder.is_absolute() || folder.is_dir())
        .collect()
}

/// Folders of programs of NVIDIA's Python packages in an environment.
fn in_packages(root: &OsStr) -> Vec<PathBuf> {
    let pythons = children(&Path::new(root).join("lib"), "python3");
    let nvidia = pythons.into_iter().map(|python| python.join("site-packages/nvidia"));
    nvidia.flat_map(|nvidia| ["cu13", "cuda_nvdisasm", "cuda_nvcc"].map(|package| nvidia.join(package).join("bin"))).collect()
}
