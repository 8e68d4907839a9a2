//! Lines of kernels, from the line tables of this program.

use std::collections::HashMap;
use std::ffi::c_void;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Lines of kernel files from the innermost function to the kernel, such as `["gemm.cuh:29", "linear.cu:40"]`: where an
/// instruction comes from, as far as functions are inlined. Helpers in `dev.cuh` are left out. Empty if it belongs to no kernel.
pub(super) type Place = Arc<[String]>;

/// The place of the instruction at `pc`.
pub(super) fn place(pc: u64) -> Place {
    static KNOWN: Mutex<Option<HashMap<u64, Place>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let found = known.get_or_insert_default().entry(pc).or_insert_with(|| resolve(pc).into());
    Arc::clone(found)
}

fn resolve(pc: u64) -> Vec<String> {
    let mut lines = Vec::new();
    if pc == 0 {
        return lines;
    }
    backtrace::resolve(pc as *mut c_void, |symbol| {
        let file = symbol.filename().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let of_kernel = |file: &String| file.ends_with(".cu") || file.ends_with(".cuh") && file != "dev.cuh";
        if let (Some(file), Some(line)) = (file.filter(of_kernel), symbol.lineno()) {
            lines.push(format!("{file}:{line}"));
        }
    });
    lines
}
