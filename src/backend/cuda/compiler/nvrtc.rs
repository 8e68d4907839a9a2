//! NVRTC, NVIDIA's run-time compiler library, loaded dynamically. It needs neither a GPU nor a driver.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::path::{Path, PathBuf};
use std::ptr;

use libloading::Library;

use super::Arch;
use super::places::{MAJORS, Missing, Place, children, library};
use crate::error::{Error, Result};

/// A program being compiled, owned by NVRTC.
type Handle = *mut c_void;
/// Status that NVRTC's functions return; 0 is success.
type Status = c_int;

/// The functions of NVRTC used here, with the types in `nvrtc.h`.
#[derive(Clone, Copy)]
struct Functions {
    version: unsafe extern "C" fn(*mut c_int, *mut c_int) -> Status,
    error_string: unsafe extern "C" fn(Status) -> *const c_char,
    create: unsafe extern "C" fn(
        *mut Handle,
        *const c_char,
        *const c_char,
        c_int,
        *const *const c_char,
        *const *const c_char,
    ) -> Status,
    compile: unsafe extern "C" fn(Handle, c_int, *const *const c_char) -> Status,
    destroy: unsafe extern "C" fn(*mut Handle) -> Status,
    log_size: unsafe extern "C" fn(Handle, *mut usize) -> Status,
    log: unsafe extern "C" fn(Handle, *mut c_char) -> Status,
    cubin_size: unsafe extern "C" fn(Handle, *mut usize) -> Status,
    cubin: unsafe extern "C" fn(Handle, *mut c_char) -> Status,
}

/// A version of NVRTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// E.g. 13.
    pub major: u32,
    /// E.g. 0.
    pub minor: u32,
}

/// E.g. `13.0`.
impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}

impl std::str::FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self { major: major.parse().map_err(|_| ())?, minor: minor.parse().map_err(|_| ())? })
    }
}

/// Source code to compile.
pub struct Source<'a> {
    /// File name for the compiler's messages.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
    /// Headers that it may include, `(name, text)`.
    pub headers: &'a [(&'a str, &'a str)],
}

/// The loaded library. Several threads may use it at a time.
pub struct Nvrtc {
    functions: Functions,
    version: Version,
    path: PathBuf,
}

impl Nvrtc {
    /// Loads the first usable NVRTC in `places`.
    ///
    /// # Errors
    /// None of `places` has a usable NVRTC.
    pub fn load(places: &[Place]) -> Result<Self, Missing> {
        let mut missing = Missing::default();
        for place in places {
            let mut found = false;
            for major in MAJORS {
                match Self::load_from(place, major) {
                    Some(Ok(nvrtc)) => return Ok(nvrtc),
                    Some(Err(reason)) => missing.unusable.push(reason),
                    None => continue,
                }
                found = true;
            }
            if !found {
                missing.without.push(place.clone());
            }
        }
        Err(missing)
    }

    /// None if there is no such library, or the reason why it cannot be used.
    fn load_from(place: &Place, major: u32) -> Option<Result<Self, String>> {
        let path = match place {
            Place::Folder(folder) => folder.join(library(major)),
            Place::Loader => PathBuf::from(library(major)),
        };
        if let Place::Folder(folder) = place {
            if !path.is_file() {
                return None;
            }
            load_builtins(folder, major);
        }
        match open(&path, false) {
            Ok(library) => Some(Self::new(library, path.clone()).map_err(|reason| format!("{}: {reason}", path.display()))),
            Err(_) if *place == Place::Loader => None,
            Err(error) => Some(Err(reason(&path, &error))),
        }
    }

    fn new(library: Library, path: PathBuf) -> Result<Self, String> {
        // Never unloaded: it keeps state for every thread that has called it, and the function pointers below must stay valid.
        let library = Box::leak(Box::new(library));
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: nvrtc.h declares the function of this name with the field's type; the library stays loaded.
                *unsafe { library.get($name) }.map_err(|_| format!("it has no function {}", $name))?
            };
        }
        let functions = Functions {
            version: function!("nvrtcVersion"),
            error_string: function!("nvrtcGetErrorString"),
            create: function!("nvrtcCreateProgram"),
            compile: function!("nvrtcCompileProgram"),
            destroy: function!("nvrtcDestroyProgram"),
            log_size: function!("nvrtcGetProgramLogSize"),
            log: function!("nvrtcGetProgramLog"),
            cubin_size: function!("nvrtcGetCUBINSize"),
            cubin: function!("nvrtcGetCUBIN"),
        };
        let (mut major, mut minor) = (0, 0);
        // SAFETY: both point to integers.
        let status = unsafe { (functions.version)(&mut major, &mut minor) };
        match (status, u32::try_from(major), u32::try_from(minor)) {
            (0, Ok(major), Ok(minor)) => Ok(Self { functions, version: Version { major, minor }, path }),
            _ => Err("it reports no valid version".to_owned()),
        }
    }

    /// The version of the library.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Path of the library; only a file name if the loader found it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Compiles `source` to a CUBIN for `arch`. Returns the CUBIN and the compiler's log.
    ///
    /// # Errors
    /// The source does not compile, or this version of NVRTC does not support the architecture.
    pub fn compile(&self, source: &Source<'_>, arch: &Arch, options: &[&str]) -> Result<(Vec<u8>, String)> {
        let failed = |reason: String| {
            let reason = format!("NVRTC {} cannot compile {} for {arch}: {reason}", self.version, source.name);
            Error::Device { device: "cuda", reason }
        };
        let program = Program::new(self.functions, source).map_err(failed)?;
        let target = format!("--gpu-architecture={arch}");
        let options = Strings::new(std::iter::once(target.as_str()).chain(options.iter().copied())).map_err(failed)?;
        // SAFETY: the program is alive; `options` points to `options.len()` strings, which live until the end of this function.
        let status = unsafe { (self.functions.compile)(program.handle, options.len(), options.as_ptr()) };
        let log = program.log().map_err(failed)?;
        if status != 0 {
            log::debug!("{log}");
            return Err(failed(first_error(&log).unwrap_or_else(|| error_string(self.functions, status))));
        }
        let cubin = program.cubin().map_err(failed)?;
        Ok((cubin, log))
    }
}

/// The first line of a log with an error.
fn first_error(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("error"))?.trim();
    Some(line.strip_prefix("nvrtc: error: ").unwrap_or(line).to_owned())
}

/// Loads NVRTC's builtins library from `folder`. NVRTC opens it by file name only, which fails if the folder is not on the
/// loader's path, unless the library is already loaded. If it is missing, NVRTC reports that when it compiles.
fn load_builtins(folder: &Path, major: u32) {
    for path in children(folder, &format!("libnvrtc-builtins.so.{major}.")) {
        match open(&path, true) {
            Ok(library) => std::mem::forget(library),
            Err(error) => log::debug!("{}", reason(&path, &error)),
        }
    }
}

/// The loader's error message, with the path added if the message does not contain it.
fn reason(path: &Path, error: &libloading::Error) -> String {
    let (path, error) = (path.display().to_string(), error.to_string());
    if error.contains(&path) { error } else { format!("{path}: {error}") }
}

#[cfg(unix)]
fn open(path: &Path, global: bool) -> Result<Library, libloading::Error> {
    use libloading::os::unix;
    let scope = if global { unix::RTLD_GLOBAL } else { unix::RTLD_LOCAL };
    // SAFETY: the initialisers that run are those of NVIDIA's library, or of a library that the user put in its place.
    unsafe { unix::Library::open(Some(path), unix::RTLD_NOW | scope) }.map(Into::into)
}

#[cfg(not(unix))]
fn open(path: &Path, _global: bool) -> Result<Library, libloading::Error> {
    // SAFETY: as above.
    unsafe { Library::new(path) }
}

/// C strings with an array of pointers to them.
struct Strings {
    pointers: Vec<*const c_char>,
    /// The strings that the pointers point to.
    _texts: Vec<CString>,
}

impl Strings {
    fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let texts = texts.map(c_string).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { pointers: texts.iter().map(|text| text.as_ptr()).collect(), _texts: texts })
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }

    fn len(&self) -> c_int {
        self.pointers.len() as c_int
    }
}

fn c_string(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| "a text has a zero byte".to_owned())
}

fn error_string(functions: Functions, status: Status) -> String {
    // SAFETY: every status is allowed; the result is null or a string of the library, which stays loaded.
    let text = unsafe { (functions.error_string)(status) };
    if text.is_null() {
        return format!("error {status}");
    }
    // SAFETY: a valid string that is not null, see above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// An NVRTC program, destroyed when dropped.
struct Program {
    functions: Functions,
    handle: Handle,
}

impl Program {
    fn new(functions: Functions, source: &Source<'_>) -> Result<Self, String> {
        let (text, name) = (c_string(source.text)?, c_string(source.name)?);
        let texts = Strings::new(source.headers.iter().map(|header| header.1))?;
        let names = Strings::new(source.headers.iter().map(|header| header.0))?;
        let mut handle = ptr::null_mut();
        // SAFETY: every pointer is valid during the call, and both arrays have `texts.len()` strings; NVRTC copies what it keeps.
        let status =
            unsafe { (functions.create)(&mut handle, text.as_ptr(), name.as_ptr(), texts.len(), texts.as_ptr(), names.as_ptr()) };
        if status == 0 { Ok(Self { functions, handle }) } else { Err(error_string(functions, status)) }
    }

    fn log(&self) -> Result<String, String> {
        let bytes = self.bytes(self.functions.log_size, self.functions.log)?;
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        Ok(String::from_utf8_lossy(&bytes[..end]).into_owned())
    }

    fn cubin(&self) -> Result<Vec<u8>, String> {
        self.bytes(self.functions.cubin_size, self.functions.cubin)
    }

    /// An output of the compiler: `size` returns its length, `content` its bytes.
    fn bytes(
        &self,
        size: unsafe extern "C" fn(Handle, *mut usize) -> Status,
        content: unsafe extern "C" fn(Handle, *mut c_char) -> Status,
    ) -> Result<Vec<u8>, String> {
        let mut len = 0;
        // SAFETY: the program is alive, and one number is written to `len`.
        let status = unsafe { size(self.handle, &mut len) };
        let mut bytes = vec![0; len];
        let status = match status {
            // SAFETY: the buffer has the size that NVRTC returned.
            0 => unsafe { content(self.handle, bytes.as_mut_ptr().cast()) },
            failed => failed,
        };
        if status == 0 { Ok(bytes) } else { Err(error_string(self.functions, status)) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the handle came from `create` and is destroyed once. If this fails, the program is leaked, which is harmless.
        unsafe { (self.functions.destroy)(&mut self.handle) };
    }
}
