//! Runs kernels on the CPU: the same source compiled as C++, with one fiber per CUDA thread (`kernels/emulator/`).
//!
//! Memory is filled with a signalling NaN ("poison") and ends at a guard page. Arithmetic on memory that was never written, and
//! accesses outside a buffer, are returned as errors that name kernel, block and line. Every launch uses a different schedule.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Address, Driver, Graph, Launch, Policy, TensorMap, Tiles, out_of_memory};
use crate::backend::cuda::Kernel;
use crate::error::{Error, Result};

/// Size of the buffer for an error message of the emulator.
const MESSAGE_BYTES: usize = 512;
/// Number of instruction addresses that may belong to a fault; as in `kernels/emulator/machine.h`.
const TRAIL: usize = 64;
/// Prefix of the names of kernels that are wrong on purpose.
const FAULT: &str = "fault_";
/// Default memory of the device in bytes: less than a laptop has, so that requests that are too large fail before they exhaust
/// the host's memory.
const MEMORY: usize = 4 << 30;
/// Difference between the seeds of successive launches: 2^64 divided by the golden ratio.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

unsafe extern "C" {
    fn emu_alloc(bytes: usize) -> *mut c_void;
    fn emu_free(data: *mut c_void);
    fn emu_poison(data: *mut c_void, bytes: usize);
    fn emu_launch(
        name: *const c_char,
        grid: *const u32,
        block: *const u32,
        shared: usize,
        seed: u64,
        arguments: *const *const c_void,
        sizes: *const usize,
        count: usize,
        error: *mut c_char,
        capacity: usize,
        trail: *mut u64,
    ) -> c_int;
    fn emu_omit(file: *const c_char, line: c_int) -> u64;
    fn emu_read_spec(name: *const c_char, bytes: *const c_void, size: usize, text: *mut c_char, capacity: usize) -> usize;
    fn emu_kernel(index: usize) -> *const c_char;
}

/// The emulated device.
pub struct Emulator {
    schedules: Arc<Schedules>,
    /// Operations recorded since the capture began; None when not capturing.
    capture: Mutex<Option<Vec<Recorded>>>,
    memory: Mutex<DeviceMemory>,
}

/// The device's memory: its size in bytes, and the size of each allocated block.
struct DeviceMemory {
    total: usize,
    allocated: HashMap<Address, usize>,
}

impl DeviceMemory {
    fn free(&self) -> usize {
        self.total.saturating_sub(self.allocated.values().sum())
    }
}

/// Generates a seed for each launch.
struct Schedules {
    seed: u64,
    launches: AtomicU64,
}

/// A recorded operation with its operands.
enum Recorded {
    Launch { kernel: &'static Kernel, grid: [u32; 3], block: [u32; 3], arguments: Vec<Vec<u8>> },
    Copy { source: Address, target: Address, bytes: usize },
    Zero { target: Address, bytes: usize },
    Poison { target: Address, bytes: usize },
}

/// Recorded work. Every run uses different schedules.
struct RecordedGraph {
    schedules: Arc<Schedules>,
    steps: Vec<Recorded>,
}

impl Emulator {
    /// A device whose launches use random schedules drawn from `seed`. With seed 0, threads and blocks run in index order.
    pub fn new(seed: u64) -> Self {
        Self::with_memory(seed, MEMORY)
    }

    /// As [`Emulator::new`], with `total` bytes of memory.
    pub fn with_memory(seed: u64, total: usize) -> Self {
        let schedules = Arc::new(Schedules { seed, launches: AtomicU64::new(0) });
        let memory = Mutex::new(DeviceMemory { total, allocated: HashMap::new() });
        Self { schedules, capture: Mutex::new(None), memory }
    }

    fn memory(&self) -> MutexGuard<'_, DeviceMemory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn capture(&self) -> MutexGuard<'_, Option<Vec<Recorded>>> {
        self.capture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executes an operation, or records it during a capture.
    fn submit(&self, step: Recorded) -> Result<()> {
        if let Some(steps) = self.capture().as_mut() {
            steps.push(step);
            return Ok(());
        }
        step.run(&self.schedules)
    }
}

impl Recorded {
    fn run(&self, schedules: &Schedules) -> Result<()> {
        match *self {
            Self::Launch { kernel, grid, block, ref arguments } => {
                let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
                schedules.launch(&Launch { kernel, grid, block, arguments: &arguments })
            }
            Self::Copy { source, target, bytes } => {
                // SAFETY: both blocks have at least this size; `copy` allows them to overlap.
                unsafe { std::ptr::copy(source as *const u8, target as *mut u8, bytes) };
                Ok(())
            }
            Self::Zero { target, bytes } => {
                // SAFETY: the block has at least this size.
                unsafe { std::ptr::write_bytes(target as *mut u8, 0, bytes) };
                Ok(())
            }
            Self::Poison { target, bytes } => {
                // SAFETY: as above.
                unsafe { emu_poison(target as *mut c_void, bytes) };
                Ok(())
            }
        }
    }
}

impl Graph for RecordedGraph {
    fn launch(&self) -> Result<()> {
        self.steps.iter().try_for_each(|step| step.run(&self.schedules))
    }
}

impl Schedules {
    fn next(&self) -> u64 {
        let launch = self.launches.fetch_add(1, Ordering::Relaxed);
        if self.seed == 0 { 0 } else { self.seed.wrapping_add(launch.wrapping_mul(SEED_STEP)).max(1) }
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        let name = c_string(launch.kernel.name);
        let pointers: Vec<*const c_void> = launch.arguments.iter().map(|bytes| bytes.as_ptr().cast()).collect();
        let sizes: Vec<usize> = launch.arguments.iter().map(|bytes| bytes.len()).collect();
        let mut message = [0 as c_char; MESSAGE_BYTES];
        let mut trail = [0; TRAIL];
        // SAFETY: every pointer is valid during the call, and `trail` has as many elements as the emulator writes. The emulator
        // checks the number and sizes of the arguments before it reads them. An access outside the buffers hits a guard page and
        // is returned as a message.
        let failed = unsafe {
            emu_launch(
                name.as_ptr(),
                launch.grid.as_ptr(),
                launch.block.as_ptr(),
                launch.kernel.dynamic_shared as usize,
                self.next(),
                pointers.as_ptr(),
                sizes.as_ptr(),
                pointers.len(),
                message.as_mut_ptr(),
                message.len(),
                trail.as_mut_ptr(),
            )
        };
        if failed == 0 {
            return Ok(());
        }
        // SAFETY: the emulator writes a zero-terminated message that fits into the array.
        let message = unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy();
        // All but the first may be return addresses, so the call is the instruction before.
        let place = trail.into_iter().enumerate().find_map(|(index, pc)| place(pc.saturating_sub(u64::from(index > 0))));
        let place = place.unwrap_or_default();
        Err(Error::Device { device: "emulator", reason: format!("kernel `{}`: {place}{message}", launch.kernel.name) })
    }
}

impl Driver for Emulator {
    fn name(&self) -> &'static str {
        "emulator"
    }

    fn policy(&self) -> Policy {
        Policy::Fresh
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        let mut memory = self.memory();
        let full = Err(out_of_memory("emulator", bytes, Some((memory.free(), memory.total))));
        if bytes > memory.free() {
            return full;
        }
        // SAFETY: takes no pointer; null means failure.
        let data = unsafe { emu_alloc(bytes) };
        if data.is_null() {
            return full;
        }
        memory.allocated.insert(data as Address, bytes);
        Ok(data as Address)
    }

    fn release(&self, address: Address) {
        self.memory().allocated.remove(&address);
        // SAFETY: the address came from `emu_alloc`; `emu_free` ignores unknown addresses.
        unsafe { emu_free(address as *mut c_void) }
    }

    fn write(&self, target: Address, host: &[u8]) -> Result<()> {
        // SAFETY: `Memory` allocates blocks of at least this size; host and device memory do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(host.as_ptr(), target as *mut u8, host.len()) };
        Ok(())
    }

    fn read(&self, source: Address, host: &mut [u8]) -> Result<()> {
        // SAFETY: as in `write`.
        unsafe { std::ptr::copy_nonoverlapping(source as *const u8, host.as_mut_ptr(), host.len()) };
        Ok(())
    }

    fn copy(&self, source: Address, target: Address, bytes: usize) -> Result<()> {
        self.submit(Recorded::Copy { source, target, bytes })
    }

    fn zero(&self, target: Address, bytes: usize) -> Result<()> {
        self.submit(Recorded::Zero { target, bytes })
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        if let Some(steps) = self.capture().as_mut() {
            let arguments = launch.arguments.iter().map(|bytes| bytes.to_vec()).collect();
            steps.push(Recorded::Launch { kernel: launch.kernel, grid: launch.grid, block: launch.block, arguments });
            return Ok(());
        }
        self.schedules.launch(launch)
    }

    /// As `Map` in `kernels/emulator/hopper.h`.
    fn tensor_map(&self, tiles: &Tiles) -> Result<TensorMap> {
        let mut map = [0; 16];
        let [a, b, c] = tiles.stride;
        map[..5].copy_from_slice(&[tiles.address, 2, a, b, c]);
        let pair = |values: &[u32]| u64::from(values[0]) | u64::from(values[1]) << 32;
        let sizes = [&tiles.len[..2], &tiles.len[2..], &tiles.tile[..2], &tiles.tile[2..]];
        map[5..9].iter_mut().zip(sizes).for_each(|(word, sizes)| *word = pair(sizes));
        Ok(TensorMap(map))
    }

    fn invalidate(&self, target: Address, bytes: usize) -> Result<()> {
        self.submit(Recorded::Poison { target, bytes })
    }

    fn begin_capture(&self) -> Result<()> {
        match self.capture().replace(Vec::new()) {
            None => Ok(()),
            Some(_) => Err(Error::Device { device: "emulator", reason: "a capture began inside another".into() }),
        }
    }

    fn end_capture(&self) -> Result<Box<dyn Graph>> {
        match self.capture().take() {
            Some(steps) => Ok(Box::new(RecordedGraph { schedules: Arc::clone(&self.schedules), steps })),
            None => Err(Error::Device { device: "emulator", reason: "a capture ended that never began".into() }),
        }
    }
}

/// `file.cu:line: ` of the instruction at `pc`, from the line tables of this program; None if it does not belong to a kernel.
fn place(pc: u64) -> Option<String> {
    let mut found = None;
    if pc == 0 {
        return found;
    }
    backtrace::resolve(pc as *mut c_void, |symbol| {
        let file = symbol.filename().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        let of_kernel = |file: &String| file.ends_with(".cu") || file.ends_with(".cuh") && file != "dev.cuh";
        if let (Some(file), Some(line), None) = (file.filter(of_kernel), symbol.lineno(), &found) {
            found = Some(format!("{file}:{line}: "));
        }
    });
    found
}

fn c_string(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

/// Makes this thread skip the barrier or wait at `line` of `file`; line 0 skips nothing. Returns how often the previous one was
/// skipped. For mutation tests.
pub fn omit(file: &str, line: u32) -> u64 {
    let file = c_string(file);
    // SAFETY: the string is copied before the call returns.
    unsafe { emu_omit(file.as_ptr(), line as c_int) }
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
