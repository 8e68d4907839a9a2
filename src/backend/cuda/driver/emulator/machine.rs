//! The functions of `kernels/emulator/`: one set for the plain kernels, one for the observed ones.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use super::observation::Report;

/// Number of instruction addresses that may belong to a fault; as in `kernels/emulator/machine.h`.
pub(super) const TRAIL: usize = 64;
/// Prefix of the names of kernels that are wrong on purpose.
const FAULT: &str = "fault_";

/// Options of a launch; as in `kernels/emulator/machine.h`.
#[repr(C)]
pub(super) struct Options {
    pub seed: u64,
    pub sample: u64,
    pub matrix_unit: MatrixUnit,
    pub padding: u32,
}

const _: () = assert!(size_of::<Options>() == 24);

/// How `mma` adds the products of bf16 values and the sum so far, see `kernels/emulator/matrix_unit.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub enum MatrixUnit {
    /// One after another in f32, each rounded to nearest.
    #[default]
    InSequence = 0,
    /// As tensor cores of the Ampere generation: 8 products at a time, cut off below 24 fraction bits of the largest.
    Ampere = 1,
    /// As those of the Hopper generation: 16 products at a time, cut off below 25 fraction bits of the largest.
    Hopper = 2,
}

type Launch = unsafe extern "C" fn(
    name: *const c_char,
    grid: *const u32,
    block: *const u32,
    shared: usize,
    options: *const Options,
    arguments: *const *const c_void,
    sizes: *const usize,
    count: usize,
    error: *mut c_char,
    capacity: usize,
    trail: *mut u64,
) -> c_int;

/// Declares the functions of one set of kernels and collects them in a [`Machine`].
macro_rules! machine {
    ($name:ident, $alloc:ident, $free:ident, $poison:ident, $zero:ident, $launch:ident, $omit:ident) => {
        unsafe extern "C" {
            fn $alloc(bytes: usize, sparse: bool) -> *mut c_void;
            fn $free(data: *mut c_void);
            fn $poison(data: *mut c_void, bytes: usize, sparse: bool);
            fn $zero(data: *mut c_void, bytes: usize, sparse: bool);
            fn $launch(
                name: *const c_char,
                grid: *const u32,
                block: *const u32,
                shared: usize,
                options: *const Options,
                arguments: *const *const c_void,
                sizes: *const usize,
                count: usize,
                error: *mut c_char,
                capacity: usize,
                trail: *mut u64,
            ) -> c_int;
            fn $omit(file: *const c_char, line: c_int) -> u64;
        }
        pub(super) static $name: Machine =
            Machine { alloc: $alloc, free: $free, poison: $poison, zero: $zero, launch: $launch, omit: $omit };
    };
}

/// The functions of one set of kernels.
pub(super) struct Machine {
    /// Poisoned memory that ends at a guard page, or zeros that take no memory until they are touched; null if there is none.
    pub alloc: unsafe extern "C" fn(usize, bool) -> *mut c_void,
    pub free: unsafe extern "C" fn(*mut c_void),
    pub poison: unsafe extern "C" fn(*mut c_void, usize, bool),
    pub zero: unsafe extern "C" fn(*mut c_void, usize, bool),
    pub launch: Launch,
    omit: unsafe extern "C" fn(*const c_char, c_int) -> u64,
}

machine!(PLAIN, emu_alloc, emu_free, emu_poison, emu_zero, emu_launch, emu_omit);
machine!(OBSERVED, observed_alloc, observed_free, observed_poison, observed_zero, observed_launch, observed_omit);

unsafe extern "C" {
    fn observed_report() -> Report;
    fn emu_read_spec(name: *const c_char, bytes: *const c_void, size: usize, text: *mut c_char, capacity: usize) -> usize;
    fn emu_kernel(index: usize) -> *const c_char;
    fn emu_matrix_unit(sum: f32, a: *const f32, b: *const f32, unit: MatrixUnit) -> f32;
}

/// What the last observed launch of this OS thread recorded. Its pointers are valid until the next one.
pub(super) fn report() -> Report {
    // SAFETY: takes nothing and returns a struct by value.
    unsafe { observed_report() }
}

pub(super) fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// Makes this thread skip the barrier or wait at `line` of `file`; line 0 skips nothing. Returns how often the previous one was
/// skipped. For mutation tests.
pub fn omit(file: &str, line: u32) -> u64 {
    let file = c_string(file);
    // SAFETY: the string is copied before the call returns.
    [&PLAIN, &OBSERVED].map(|machine| unsafe { (machine.omit)(file.as_ptr(), line as c_int) }).iter().sum()
}

/// The fields of the spec `name` as kernels read them from its bytes: a JSON object in the order of the fields, or an empty
/// string if no spec has this name and size.
pub fn read_spec(name: &str, bytes: &[u8]) -> String {
    let (name, mut text) = (c_string(name), vec![0u8; 4096]);
    // SAFETY: the call reads all of `bytes` and writes at most `text.len()` bytes to `text`.
    let len = unsafe { emu_read_spec(name.as_ptr(), bytes.as_ptr().cast(), bytes.len(), text.as_mut_ptr().cast(), text.len()) };
    text.truncate(len);
    String::from_utf8_lossy(&text).into_owned()
}

/// Names of all compiled kernels except those of `kernels/emulator/faults.cu`, which are wrong on purpose and launched by tests.
pub fn kernels() -> Vec<String> {
    let name = |index| {
        // SAFETY: every index is allowed; the result is null or a string that lives as long as the program.
        let name = unsafe { emu_kernel(index) };
        // SAFETY: as above.
        (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
    };
    (0..).map_while(name).filter(|name| !name.starts_with(FAULT)).collect()
}

/// `sum + Σ a[k] b[k]` as one `mma` computes it. The factors must be bf16 values. For tests of the arithmetic.
pub fn dot_of_matrix_unit(unit: MatrixUnit, sum: f32, a: &[f32; 16], b: &[f32; 16]) -> f32 {
    // SAFETY: the call reads 16 values of each array.
    unsafe { emu_matrix_unit(sum, a.as_ptr(), b.as_ptr(), unit) }
}
