//! Builds the false driver from the objects of the emulator, once, and runs programs with it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use orthoscope::backend::cuda::KERNELS;
use orthoscope::backend::cuda::compiler::{Arch, Cubin, Origin, Precompiled, Version, files};

/// Where the build of the crate left the objects of the emulator and the command line of its compiler.
const OBJECTS: &str = env!("OUT_DIR");
/// The variable that allows the false driver and says what it is like, see `driver/settings.h`.
pub const VARIABLE: &str = "ORTHOSCOPE_FALSE_DRIVER";
/// Prefix of the build folders; the rest is a hash of everything that they are built from.
const PREFIX: &str = "false-driver-";
/// Symbols that the library shows. All others are hidden, because the program has its own emulator.
const SYMBOLS: &str = "{ global: cu[A-Z]*; falseDriver*; local: *; };\n";

/// A call that the incomplete library does not have.
const MISSING: &str = "cuGraphInstantiateWithFlags";

/// A folder with what was built.
pub struct FalseDriver(PathBuf);

impl FalseDriver {
    /// The false driver, built if it is not there yet.
    pub fn get() -> &'static Self {
        static DRIVER: OnceLock<FalseDriver> = OnceLock::new();
        DRIVER.get_or_init(|| {
            let driver = Self::find_or_build();
            // Not by `eprintln!`, which the test harness keeps to itself where a test passes.
            let line = format!("gpu_path: using the false driver in {}, not a GPU", driver.libraries().display());
            let _ = writeln!(std::io::stderr(), "{line}");
            driver
        })
    }

    /// The folder with `libcuda.so.1`.
    pub fn libraries(&self) -> PathBuf {
        self.0.join("lib")
    }

    /// The folder with a library that lacks [`MISSING`].
    pub fn incomplete(&self) -> PathBuf {
        self.0.join("incomplete")
    }

    /// A folder of precompiled kernels that the false driver accepts.
    pub fn kernels(&self) -> PathBuf {
        self.0.join("kernels")
    }

    /// Variables with which a program finds the false driver, and no other, with these settings.
    pub fn environment(&self, settings: &str) -> Vec<(&'static str, String)> {
        let rest = std::env::var("LD_LIBRARY_PATH").unwrap_or_default();
        vec![
            ("LD_LIBRARY_PATH", format!("{}:{rest}", self.libraries().display())),
            ("ORTHOSCOPE_KERNELS_DIR", self.kernels().display().to_string()),
            ("ORTHOSCOPE_REQUIRE_CUDA", "1".into()),
            (VARIABLE, settings.into()),
        ]
    }

    /// The program that breaks the rules.
    pub fn broken_rules(&self) -> Command {
        Command::new(self.0.join("broken_rules"))
    }

    fn find_or_build() -> Self {
        let (parent, name) = (Path::new(env!("CARGO_TARGET_TMPDIR")), format!("{PREFIX}{:016x}", hash_of_inputs()));
        let folder = parent.join(&name);
        if folder.exists() {
            return Self(folder);
        }
        for entry in fs::read_dir(parent).unwrap().map(|entry| entry.unwrap()) {
            if entry.file_name().to_string_lossy().starts_with(PREFIX) {
                fs::remove_dir_all(entry.path()).unwrap();
            }
        }
        let building = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent).unwrap();
        build(building.path());
        fs::rename(building.path(), &folder).unwrap();
        Self(folder)
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu_path")
}

/// Every file of the driver and of the test of its rules.
fn sources() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = [source().join("driver"), source()]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "cpp" || extension == "h"))
        .collect();
    found.sort();
    found
}

fn archive() -> PathBuf {
    Path::new(OBJECTS).join("liborthoscope_kernels.a")
}

fn hash_of_inputs() -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in sources().into_iter().chain([archive(), Path::new(OBJECTS).join("compiler.txt")]) {
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).hash(&mut hasher);
    }
    // Their text is part of the kernels folder.
    KERNELS.iter().for_each(|kernel| kernel.file.text.hash(&mut hasher));
    SYMBOLS.hash(&mut hasher);
    hasher.finish()
}

fn build(folder: &Path) {
    // One file, so that the headers are read once.
    let parts = sources()
        .into_iter()
        .filter(|path| path.parent() != Some(&source()) && path.extension().is_some_and(|extension| extension == "cpp"));
    let all: String = parts.map(|path| format!("#include \"{}\"\n", path.display())).collect();
    fs::write(folder.join("driver.cpp"), all).unwrap();
    compile(&["-Wall".as_ref(), "-c".as_ref(), &folder.join("driver.cpp"), "-o".as_ref(), &folder.join("driver.o")]);
    link(folder, "lib", SYMBOLS);
    link(folder, "incomplete", &SYMBOLS.replace("local: ", &format!("local: {MISSING}; ")));
    let library = folder.join("lib/libcuda.so.1");
    compile(&[&source().join("broken_rules.cpp"), &library, "-o".as_ref(), &folder.join("broken_rules")]);
    write_kernels(&folder.join("kernels"));
}

/// Makes a driver library that shows only these symbols.
fn link(folder: &Path, name: &str, symbols: &str) {
    let (libraries, script) = (folder.join(name), folder.join(format!("{name}.symbols")));
    fs::create_dir(&libraries).unwrap();
    fs::write(&script, symbols).unwrap();
    compile(&[
        "-shared".as_ref(),
        "-Wl,-soname,libcuda.so.1".as_ref(),
        format!("-Wl,--version-script={}", script.display()).as_ref(),
        &folder.join("driver.o"),
        "-Wl,--whole-archive".as_ref(),
        &archive(),
        "-Wl,--no-whole-archive".as_ref(),
        "-o".as_ref(),
        &libraries.join("libcuda.so.1"),
    ]);
    // The name that the bindings try first.
    std::os::unix::fs::symlink("libcuda.so.1", libraries.join("libcuda.so")).unwrap();
}

/// Runs the compiler of the emulator.
fn compile(arguments: &[&Path]) {
    let command_line = fs::read_to_string(Path::new(OBJECTS).join("compiler.txt")).unwrap();
    let mut words = command_line.lines();
    let status = Command::new(words.next().unwrap()).args(words).args(arguments).status().unwrap();
    assert!(status.success(), "{arguments:?} does not compile");
}

/// Precompiled kernels for the false GPU: an image has the names of its kernels, which the emulator runs.
fn write_kernels(folder: &Path) {
    let arch = Arch::named("sm_90a").unwrap();
    let cubins = files().into_iter().map(|file| {
        let own = KERNELS.iter().filter(|kernel| kernel.file.name == file.name);
        let names: String = own.map(|kernel| format!(" {}", kernel.name)).collect();
        let code = format!("\x7fELFfalse CUBIN {arch}{names}\0").into_bytes();
        Cubin { file, arch, version: Version { major: 13, minor: 0 }, code, kernels: Vec::new(), origin: Origin::Compiled }
    });
    Precompiled::new(folder.to_owned()).write(&cubins.collect::<Vec<_>>(), false).unwrap();
}
