//! NVRTC, the compiler for GPUs that is a library, found at run time. It needs neither a GPU nor a driver.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::path::{Path, PathBuf};
use std::ptr;

use libloading::Library;

use super::Arch;
use super::places::{MAJORS, Missing, Place, children, library};
use crate::error::{Error, Result};

/// A program under compilation; owned by NVRTC.
type Handle = *mut c_void;
/// Result of NVRTC's functions; 0 is success.
type Status = c_int;

/// The functions that are used, with the names and types of `nvrtc.h`.
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

/// Version of NVRTC.
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

/// What to compile.
pub struct Source<'a> {
    /// File name for messages.
    pub name: &'a str,
    /// The text.
    pub text: &'a str,
    /// What it may include, `(name, text)`.
    pub headers: &'a [(&'a str, &'a str)],
}

/// The loaded compiler. It may be used by many threads at a time.
pub struct Nvrtc {
    functions: Functions,
    version: Version,
    path: PathBuf,
}

impl Nvrtc {
    /// Loads the first usable NVRTC.
    ///
    /// # Errors
    /// There is none in any of `places`.
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

    /// `None` if there is no such library, a clause if it cannot be used.
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
        // Never unloaded: it keeps state of every thread that called it, and its functions are copied out below.
        let library = Box::leak(Box::new(library));
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the name belongs to a function of the type that the field has, see nvrtc.h; the library stays loaded.
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
            _ => Err("it does not know its version".to_owned()),
        }
    }

    /// Its version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The library; a bare name where the loader found it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Compiles to a CUBIN for `arch` and gives it with the log.
    ///
    /// # Errors
    /// The source is wrong, or this NVRTC does not know the architecture.
    pub fn compile(&self, source: &Source<'_>, arch: &Arch, options: &[&str]) -> Result<(Vec<u8>, String)> {
        let refuse = |reason: String| {
            let reason = format!("NVRTC {} cannot compile {} for {arch}: {reason}", self.version, source.name);
            Error::Device { device: "cuda", reason }
        };
        let program = Program::new(self.functions, source).map_err(refuse)?;
        let target = format!("--gpu-architecture={arch}");
        let options = Strings::new(std::iter::once(target.as_str()).chain(options.iter().copied())).map_err(refuse)?;
        // SAFETY: the program is alive; `options` holds as many strings as it says, which live until the end of this function.
        let status = unsafe { (self.functions.compile)(program.handle, options.len(), options.as_ptr()) };
        let log = program.log().map_err(refuse)?;
        if status != 0 {
            log::debug!("{log}");
            return Err(refuse(first_error(&log).unwrap_or_else(|| error_string(self.functions, status))));
        }
        let cubin = program.cubin().map_err(refuse)?;
        Ok((cubin, log))
    }
}

/// The line of a log that says what is wrong.
fn first_error(log: &str) -> Option<String> {
    let line = log.lines().find(|line| line.contains("error"))?.trim();
    Some(line.strip_prefix("nvrtc: error: ").unwrap_or(line).to_owned())
}

/// NVRTC looks for its builtins by their bare name, which only the loader's path would answer: loaded before, they are found.
/// If there are none, compiling says so.
fn load_builtins(folder: &Path, major: u32) {
    for path in children(folder, &format!("libnvrtc-builtins.so.{major}.")) {
        match open(&path, true) {
            Ok(library) => std::mem::forget(library),
            Err(error) => log::debug!("{}", reason(&path, &error)),
        }
    }
}

/// What the loader says, with the path once.
fn reason(path: &Path, error: &libloading::Error) -> String {
    let (path, error) = (path.display().to_string(), error.to_string());
    if error.contains(&path) { error } else { format!("{path}: {error}") }
}

#[cfg(unix)]
fn open(path: &Path, for_all: bool) -> Result<Library, libloading::Error> {
    use libloading::os::unix;
    let scope = if for_all { unix::RTLD_GLOBAL } else { unix::RTLD_LOCAL };
    // SAFETY: what runs on loading is NVIDIA's, or what the user put in its place.
    unsafe { unix::Library::open(Some(path), unix::RTLD_NOW | scope) }.map(Into::into)
}

#[cfg(not(unix))]
fn open(path: &Path, _for_all: bool) -> Result<Library, libloading::Error> {
    // SAFETY: as above.
    unsafe { Library::new(path) }
}

/// C strings and the array of pointers to them.
struct Strings {
    pointers: Vec<*const c_char>,
    /// What the pointers point to.
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
    // SAFETY: takes any number; the result is null or a string of the library, which stays loaded.
    let text = unsafe { (functions.error_string)(status) };
    if text.is_null() {
        return format!("error {status}");
    }
    // SAFETY: not null, see above.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// A program of NVRTC, destroyed when dropped.
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
        // SAFETY: every pointer is valid for the call, and both arrays have `texts.len()` strings; NVRTC copies what it keeps.
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

    /// What a pair of NVRTC's functions gives, one of which says how long it is.
    fn bytes(
        &self,
        size: unsafe extern "C" fn(Handle, *mut usize) -> Status,
        content: unsafe extern "C" fn(Handle, *mut c_char) -> Status,
    ) -> Result<Vec<u8>, String> {
        let mut len = 0;
        // SAFETY: the program is alive and `len` takes one number.
        let status = unsafe { size(self.handle, &mut len) };
        let mut bytes = vec![0; len];
        let status = match status {
            // SAFETY: the buffer has the size that NVRTC asked for.
            0 => unsafe { content(self.handle, bytes.as_mut_ptr().cast()) },
            failed => failed,
        };
        if status == 0 { Ok(bytes) } else { Err(error_string(self.functions, status)) }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: the handle came from `create` and is destroyed once. A failure would only leak it.
        unsafe { (self.functions.destroy)(&mut self.handle) };
    }
}
