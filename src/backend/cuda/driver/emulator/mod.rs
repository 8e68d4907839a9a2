//! Runs kernels on the CPU: the same source compiled as C++, with one fiber per CUDA thread (`kernels/emulator/`).
//!
//! Memory is filled with a signalling NaN ("poison") and ends at a guard page. Arithmetic on memory that was never written, and
//! accesses outside a buffer, are returned as errors that name kernel, block and line. Every launch uses a different schedule.

mod machine;
mod observation;
mod place;
mod replay;

use std::collections::HashMap;
use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use machine::{Machine, OBSERVED, Options, PLAIN, TRAIL, c_string};
pub use machine::{MatrixUnit, dot_of_matrix_unit, kernels, omit, read_spec};
pub use observation::{Access, Observation, Observer, Party, Race, SiteCount};
use place::place;
pub use replay::replay;

use super::{Address, Driver, Graph, Launch, Policy, TensorMap, Tiles, out_of_memory};
use crate::backend::cuda::Kernel;
use crate::error::{Error, Result};

/// Size of the buffer for an error message of the emulator.
const MESSAGE_BYTES: usize = 512;
/// Default memory of the device in bytes: less than a laptop has, so that requests that are too large fail before they exhaust
/// the host's memory.
const MEMORY: usize = 4 << 30;
/// Difference between the seeds of successive launches: 2^64 divided by the golden ratio.
const SEED_STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What an emulated device is like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Launches use random schedules drawn from it. With 0, threads and blocks run in index order.
    pub seed: u64,
    /// Bytes of memory.
    pub memory: usize,
    /// How `mma` adds.
    pub matrix_unit: MatrixUnit,
    /// Runs the kernels in which every load and store is observed: several times slower. Races, reads of memory that was never
    /// written and accesses outside of the buffers of a launch are then errors.
    pub observer: Option<Observer>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { seed: 0, memory: MEMORY, matrix_unit: MatrixUnit::default(), observer: None }
    }
}

/// The emulated device.
pub struct Emulator {
    processor: Arc<Processor>,
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

/// What runs the kernels. Generates a seed for each launch.
struct Processor {
    settings: Settings,
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
    processor: Arc<Processor>,
    steps: Vec<Recorded>,
}

impl Emulator {
    /// A device whose launches use random schedules drawn from `seed`. With seed 0, threads and blocks run in index order.
    pub fn new(seed: u64) -> Self {
        Self::with(Settings { seed, ..Settings::default() })
    }

    /// A device with these settings.
    pub fn with(settings: Settings) -> Self {
        let memory = Mutex::new(DeviceMemory { total: settings.memory, allocated: HashMap::new() });
        let processor = Arc::new(Processor { settings, launches: AtomicU64::new(0) });
        Self { processor, capture: Mutex::new(None), memory }
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
        step.run(&self.processor)
    }
}

/// Memory that nobody gave back.
impl Drop for Emulator {
    fn drop(&mut self) {
        let left: Vec<Address> = self.memory().allocated.keys().copied().collect();
        left.into_iter().for_each(|address| self.release(address));
    }
}

impl Recorded {
    fn run(&self, processor: &Processor) -> Result<()> {
        match *self {
            Self::Launch { kernel, grid, block, ref arguments } => {
                let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
                processor.launch(&Launch { kernel, grid, block, arguments: &arguments })
            }
            // The values of a sample mean nothing, and a copy would touch all of the memory.
            Self::Copy { .. } if processor.is_sparse() => Ok(()),
            Self::Copy { source, target, bytes } => {
                // SAFETY: both blocks have at least this size; `copy` allows them to overlap.
                unsafe { std::ptr::copy(source as *const u8, target as *mut u8, bytes) };
                Ok(())
            }
            Self::Zero { target, bytes } => {
                // SAFETY: the block has at least this size.
                unsafe { (processor.machine().zero)(target as *mut c_void, bytes, processor.is_sparse()) };
                Ok(())
            }
            Self::Poison { target, bytes } => {
                // SAFETY: as above.
                unsafe { (processor.machine().poison)(target as *mut c_void, bytes, processor.is_sparse()) };
                Ok(())
            }
        }
    }
}

impl Graph for RecordedGraph {
    fn launch(&self) -> Result<()> {
        self.steps.iter().try_for_each(|step| step.run(&self.processor))
    }
}

impl Processor {
    fn machine(&self) -> &'static Machine {
        if self.settings.observer.is_some() { &OBSERVED } else { &PLAIN }
    }

    /// Number of blocks of a grid that run; 0 for all.
    fn sample(&self) -> usize {
        self.settings.observer.as_ref().map_or(0, Observer::sample)
    }

    /// Whether memory is untouched until a kernel uses it, rather than poisoned.
    fn is_sparse(&self) -> bool {
        self.sample() > 0
    }

    /// The options of the next launch.
    fn options(&self) -> Options {
        let launch = self.launches.fetch_add(1, Ordering::Relaxed);
        let &Settings { seed, matrix_unit, .. } = &self.settings;
        let seed = if seed == 0 { 0 } else { seed.wrapping_add(launch.wrapping_mul(SEED_STEP)).max(1) };
        Options { seed, sample: self.sample() as u64, matrix_unit, padding: 0 }
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        let fault = self.fault_of(launch);
        let observation = self.settings.observer.as_ref().map(|_| Observation::of(launch, &machine::report()));
        // A race is the cause of other faults.
        let race = observation.as_ref().and_then(Observation::describe_race);
        if let (Some(observer), Some(observation)) = (&self.settings.observer, observation) {
            observer.push(observation);
        }
        let error = |what| Error::Device { device: "emulator", reason: format!("kernel `{}`: {what}", launch.kernel.name) };
        race.or(fault).map_or(Ok(()), |what| Err(error(what)))
    }

    /// Runs a kernel. Returns what it did wrong, with its line.
    fn fault_of(&self, launch: &Launch<'_>) -> Option<String> {
        let (name, options) = (c_string(launch.kernel.name), self.options());
        let pointers: Vec<*const c_void> = launch.arguments.iter().map(|bytes| bytes.as_ptr().cast()).collect();
        let sizes: Vec<usize> = launch.arguments.iter().map(|bytes| bytes.len()).collect();
        let mut message = [0 as c_char; MESSAGE_BYTES];
        let mut trail = [0; TRAIL];
        // SAFETY: every pointer is valid during the call, and `trail` has as many elements as the emulator writes. The emulator
        // checks the number and sizes of the arguments before it reads them. An access outside the buffers hits a guard page and
        // is returned as a message.
        let failed = unsafe {
            (self.machine().launch)(
                name.as_ptr(),
                launch.grid.as_ptr(),
                launch.block.as_ptr(),
                launch.kernel.dynamic_shared as usize,
                &raw const options,
                pointers.as_ptr(),
                sizes.as_ptr(),
                pointers.len(),
                message.as_mut_ptr(),
                message.len(),
                trail.as_mut_ptr(),
            )
        };
        if failed == 0 {
            return None;
        }
        // SAFETY: the emulator writes a zero-terminated message that fits into the array.
        let message = unsafe { CStr::from_ptr(message.as_ptr()) }.to_string_lossy();
        // All but the first may be return addresses, so the call is the instruction before.
        let mut places = trail.into_iter().enumerate().map(|(index, pc)| place(pc.saturating_sub(u64::from(index > 0))));
        let line = places.find_map(|place| place.first().map(|line| format!("{line}: ")));
        Some(line.unwrap_or_default() + &message)
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
        let data = unsafe { (self.processor.machine().alloc)(bytes, self.processor.is_sparse()) };
        if data.is_null() {
            return full;
        }
        memory.allocated.insert(data as Address, bytes);
        Ok(data as Address)
    }

    fn release(&self, address: Address) {
        self.memory().allocated.remove(&address);
        // SAFETY: the address came from `alloc` of the same machine; `free` ignores unknown addresses.
        unsafe { (self.processor.machine().free)(address as *mut c_void) }
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
        self.processor.launch(launch)
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
            Some(steps) => Ok(Box::new(RecordedGraph { processor: Arc::clone(&self.processor), steps })),
            None => Err(Error::Device { device: "emulator", reason: "a capture ended that never began".into() }),
        }
    }
}
