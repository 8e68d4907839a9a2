//! Named ranges for NVIDIA's profilers (nsys, ncu), through the NVTX library if it is installed.

use std::ffi::{CString, OsString, c_char, c_int};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

use super::compiler::{Place, places};

/// File names of the library: NVTX 3 for programs that do not include its header, then earlier versions.
const NAMES: [&str; 3] = ["libnvtx3interop.so.1", "libnvtx3interop.so", "libnvToolsExt.so.1"];

/// The loaded library.
pub struct Nvtx {
    push: unsafe extern "C" fn(*const c_char) -> c_int,
    pop: unsafe extern "C" fn() -> c_int,
    path: PathBuf,
}

impl Nvtx {
    /// The library of this process, searched for once: in the active Python environment, on the loader's path and in
    /// `/usr/local/cuda*`.
    ///
    /// # Errors
    /// It was not found; the error says where it was searched for.
    pub fn global() -> Result<&'static Self, &'static str> {
        static NVTX: OnceLock<Result<Nvtx, String>> = OnceLock::new();
        NVTX.get_or_init(|| Self::load(&places(OsString::new(), "nvtx"))).as_ref().map_err(String::as_str)
    }

    /// The first usable library in `places`.
    ///
    /// # Errors
    /// No library was found; the error also names libraries that cannot be used.
    pub fn load(places: &[Place]) -> Result<Self, String> {
        let mut unusable = String::new();
        for path in places.iter().flat_map(candidates) {
            match Self::open(&path) {
                Ok(nvtx) => return Ok(nvtx),
                Err(reason) if path.is_file() => unusable += &format!("; {}: {reason}", path.display()),
                Err(_) => {}
            }
        }
        Err(format!(
            "no {} in the Python environment, on the loader's path or in /usr/local/cuda*{unusable}; `pip install nvidia-nvtx` provides it",
            NAMES.join(", ")
        ))
    }

    fn open(path: &Path) -> Result<Self, String> {
        // SAFETY: the initialisers that run are those of NVIDIA's library, or of a library that the user put in its place.
        let library = unsafe { Library::new(path) }.map_err(|error| error.to_string())?;
        // Never unloaded, because the function pointers below must stay valid.
        let library = Box::leak(Box::new(library));
        let missing = |_| "it has no functions nvtxRangePushA and nvtxRangePop".to_owned();
        // SAFETY: nvToolsExt.h declares the function with this type; the library stays loaded.
        let push = *unsafe { library.get("nvtxRangePushA") }.map_err(missing)?;
        // SAFETY: as above.
        let pop = *unsafe { library.get("nvtxRangePop") }.map_err(missing)?;
        Ok(Self { push, pop, path: path.to_owned() })
    }

    /// Path of the library; only a file name if the loader found it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a range. It ends when the result is dropped, which must happen on the same thread. None if `name` has a zero byte.
    fn range(&self, name: fmt::Arguments<'_>) -> Option<Range<'_>> {
        let name = CString::new(name.to_string()).ok()?;
        // SAFETY: the pointer is to a zero-terminated string, which is read before the call returns.
        unsafe { (self.push)(name.as_ptr()) };
        Some(Range(self))
    }
}

fn candidates(place: &Place) -> [PathBuf; 3] {
    NAMES.map(|name| match place {
        Place::Folder(folder) => folder.join(name),
        Place::Loader => PathBuf::from(name),
    })
}

/// A named range that ends when it is dropped.
pub(crate) struct Range<'a>(&'a Nvtx);

impl Range<'static> {
    /// Opens a range if there is a library.
    pub(crate) fn open(name: fmt::Arguments<'_>) -> Option<Self> {
        Nvtx::global().ok()?.range(name)
    }
}

impl Drop for Range<'_> {
    fn drop(&mut self) {
        // SAFETY: ends the range that this thread opened last. Ranges are closed in the reverse order of opening.
        unsafe { (self.0.pop)() };
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Compiles a library of this name in `folder` that writes its calls to `folder/calls`. False if there is no C compiler.
    fn compile_library(folder: &Path, name: &str, functions: &str) -> bool {
        let log = folder.join("calls");
        let source = format!(
            "#include <stdio.h>\n\
             static int record(const char* what, const char* name) {{\n\
             FILE* f = fopen(\"{}\", \"a\"); fprintf(f, \"%s %s\\n\", what, name); return fclose(f); }}\n{functions}",
            log.display()
        );
        std::fs::write(folder.join("fake.c"), source).unwrap();
        let target = folder.join(name);
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(target).arg(folder.join("fake.c")).status();
        built.is_ok_and(|status| status.success())
    }

    const RANGES: &str = "int nvtxRangePushA(const char* name) { return record(\"push\", name); }\n\
                          int nvtxRangePop(void) { return record(\"pop\", \"\"); }\n";

    #[test]
    fn ranges_are_pushed_and_popped_in_order() {
        let folder = tempfile::tempdir().unwrap();
        if !compile_library(folder.path(), NAMES[2], RANGES) {
            return eprintln!("skipped: there is no C compiler");
        }
        let nvtx = Nvtx::load(&[Place::Folder(folder.path().join("none")), Place::Folder(folder.path().to_owned())]).unwrap();
        assert_eq!(nvtx.path(), folder.path().join(NAMES[2]));
        let outer = nvtx.range(format_args!("e1.0/{}", "forward"));
        drop(nvtx.range(format_args!("inner")));
        drop(outer);
        assert!(nvtx.range(format_args!("a zero\0byte")).is_none());
        let calls = std::fs::read_to_string(folder.path().join("calls")).unwrap();
        assert_eq!(calls, "push e1.0/forward\npush inner\npop \npop \n");
    }

    #[test]
    fn the_error_names_an_absent_or_unusable_library() {
        let folder = tempfile::tempdir().unwrap();
        let load = || Nvtx::load(&[Place::Folder(folder.path().to_owned())]).err().unwrap();
        let absent = load();
        assert!(
            absent.starts_with("no libnvtx3interop.so.1, ")
                && absent.ends_with("/usr/local/cuda*; `pip install nvidia-nvtx` provides it"),
            "{absent}"
        );
        std::fs::write(folder.path().join(NAMES[0]), "no library").unwrap();
        assert!(load().contains(NAMES[0]) && load().len() > absent.len(), "{}", load());
        if compile_library(folder.path(), NAMES[2], "") {
            assert!(load().contains("it has no functions nvtxRangePushA and nvtxRangePop"), "{}", load());
        }
    }
}
