//! An NVIDIA GPU through the CUDA driver. The driver library is loaded at run time, so one program works with drivers of CUDA 12
//! and 13 and on machines without a driver.
//!
//! There is one context and one stream, so nothing runs out of order. Each kernel file is a CUBIN, loaded when its first kernel
//! is launched.

use std::collections::HashMap;
use std::ffi::{CStr, CString, c_int, c_void};
use std::fmt::Display;
use std::ptr::null_mut;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute as Attribute, CUfunction_attribute, CUresult};

use super::staging::{self, Staging};
use super::{Address, Driver, Graph, Launch, Mark, Policy, TensorMap, Tiles, library, out_of_memory};
use crate::backend::cuda::compiler::{self, Arch};
use crate::backend::cuda::{File, Kernel};
use crate::error::{Error, Result};

/// Maximum number of arguments of a launch.
const MAX_ARGUMENTS: usize = 64;
/// Bytes of dynamic shared memory that a block may use unless the kernel requests more.
const DEFAULT_SHARED: u32 = 48 * 1024;

/// Properties of a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// E.g. `NVIDIA H100 80GB HBM3`.
    pub name: String,
    /// Compute capability, major and minor.
    pub capability: (u32, u32),
    /// Bytes of its memory.
    pub memory: usize,
    /// Streaming multiprocessors.
    pub multiprocessors: u32,
}

/// The driver and the GPUs of this machine.
#[derive(Debug)]
pub struct Probe {
    /// The CUDA version of the driver, major and minor; None without a driver.
    pub driver: Option<(u32, u32)>,
    /// The GPUs, at least one, or an error that says why there are none.
    pub devices: Result<Vec<Device>>,
}

/// Finds the driver and its devices.
pub fn probe() -> Probe {
    let version = library::version();
    let driver = version.as_ref().ok().map(|&version| library::major_minor(version));
    let all = |count| (0..count).map(|ordinal| properties(handle(ordinal)?)).collect();
    Probe { driver, devices: version.and_then(library::initialise).and_then(|()| count()).and_then(all) }
}

pub(super) fn failed(reason: impl Display) -> Error {
    Error::Device { device: "cuda", reason: reason.to_string() }
}

/// Number of devices, at least 1.
fn count() -> Result<c_int> {
    match result::device::get_count().map_err(|error| broken("devices cannot be counted", error))? {
        0 => Err(failed("the driver finds no device")),
        count => Ok(count),
    }
}

fn handle(ordinal: c_int) -> Result<sys::CUdevice> {
    result::device::get(ordinal).map_err(|error| broken(format!("device {ordinal} cannot be queried"), error))
}

fn attribute(device: sys::CUdevice, attribute: Attribute) -> Result<i32> {
    // SAFETY: the device came from the driver.
    unsafe { result::device::get_attribute(device, attribute) }.map_err(|error| broken("a device cannot be queried", error))
}

fn properties(device: sys::CUdevice) -> Result<Device> {
    let failed = |error| broken("a device cannot be queried", error);
    let number = |which| attribute(device, which).map(|value| value as u32);
    Ok(Device {
        name: result::device::get_name(device).map_err(failed)?,
        capability: (
            number(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            number(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        // SAFETY: the device came from the driver.
        memory: unsafe { result::device::total_mem(device) }.map_err(failed)?,
        multiprocessors: number(Attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
    })
}

/// An error with what failed, the driver's error name and its message. It also says if the device is lost.
pub(super) fn broken(what: impl Display, error: DriverError) -> Error {
    let words = |text: Result<&CStr, DriverError>| text.map_or("unknown".into(), |text| text.to_string_lossy().into_owned());
    let (name, text) = (words(error.error_name()), words(error.error_string()));
    let lost = if is_lost(error.0) { "; the device is lost for this run, and the last checkpoint is intact" } else { "" };
    failed(format!("{what}: {name} ({text}){lost}"))
}

/// Whether the context is unusable after this error.
fn is_lost(error: CUresult) -> bool {
    matches!(
        error,
        CUresult::CUDA_ERROR_ILLEGAL_ADDRESS
            | CUresult::CUDA_ERROR_LAUNCH_FAILED
            | CUresult::CUDA_ERROR_LAUNCH_TIMEOUT
            | CUresult::CUDA_ERROR_ILLEGAL_INSTRUCTION
            | CUresult::CUDA_ERROR_MISALIGNED_ADDRESS
            | CUresult::CUDA_ERROR_INVALID_ADDRESS_SPACE
            | CUresult::CUDA_ERROR_INVALID_PC
            | CUresult::CUDA_ERROR_HARDWARE_STACK_ERROR
            | CUresult::CUDA_ERROR_ASSERT
            | CUresult::CUDA_ERROR_ECC_UNCORRECTABLE
            | CUresult::CUDA_ERROR_NVLINK_UNCORRECTABLE
            | CUresult::CUDA_ERROR_CONTEXT_IS_DESTROYED
            | CUresult::CUDA_ERROR_DEVICE_UNAVAILABLE
            | CUresult::CUDA_ERROR_EXTERNAL_DEVICE
            | CUresult::CUDA_ERROR_SYSTEM_NOT_READY
            | CUresult::CUDA_ERROR_UNKNOWN
    )
}

/// One GPU.
pub struct Gpu(Arc<Inner>);

/// The open device, shared by the driver, events and graphs. The last owner closes it.
struct Inner {
    properties: Device,
    arch: &'static Arch,
    /// Whether the GPU reads pageable host memory directly. Then an upload may still be running when the call returns.
    reads_pageable: bool,
    functions: RwLock<HashMap<*const Kernel, Function>>,
    // The following fields must be dropped in this order.
    modules: Mutex<HashMap<&'static str, Module>>,
    stream: Stream,
    staging: Mutex<Staging>,
    context: Context,
}

/// The handle of a kernel, valid while its module is loaded.
#[derive(Clone, Copy)]
struct Function(sys::CUfunction);

// SAFETY: any thread may use the driver's handles if their context is current on that thread, which `bind` ensures.
unsafe impl Send for Inner {}
// SAFETY: as above. The driver is thread-safe, and the tables here have their own locks.
unsafe impl Sync for Inner {}

/// The device's primary context, retained while this value lives.
struct Context {
    device: sys::CUdevice,
    context: sys::CUcontext,
}

impl Context {
    fn retain(device: sys::CUdevice) -> Result<Self> {
        // SAFETY: the device came from the driver.
        let context = unsafe { result::primary_ctx::retain(device) };
        Ok(Self { device, context: context.map_err(|error| broken("the device cannot be opened", error))? })
    }

    /// Makes this the current context of the calling thread, unless it already is.
    fn bind(&self) -> Result<()> {
        if matches!(result::ctx::get_current(), Ok(Some(current)) if current == self.context) {
            return Ok(());
        }
        // SAFETY: the context is retained as long as `self` lives.
        unsafe { result::ctx::set_current(self.context) }
            .map_err(|error| broken("the device cannot be used in this thread", error))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: released once, after everything that was created in it. If the device is lost this fails, which can be ignored.
        let _ = unsafe { result::primary_ctx::release(self.device) };
    }
}

/// The stream. It is not the null stream, because that cannot be captured.
struct Stream(sys::CUstream);

impl Stream {
    fn create() -> Result<Self> {
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking);
        stream.map(Self).map_err(|error| broken("a stream cannot be created", error))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: destroyed once, when no work is pending on it, see `Inner::drop`.
        let _ = unsafe { result::stream::destroy(self.0) };
    }
}

/// The loaded kernels of one file.
struct Module(sys::CUmodule);

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: unloaded once, when none of its kernels is running, see `Inner::drop`.
        let _ = unsafe { result::module::unload(self.0) };
    }
}

impl Drop for Inner {
    /// Waits for all work. Then the fields are dropped, modules and stream before the context.
    fn drop(&mut self) {
        if self.bind().is_ok() {
            let _ = self.wait("the device does not finish");
        }
    }
}

impl Gpu {
    /// Opens device number `ordinal`.
    ///
    /// # Errors
    /// There is no driver or it is too old, the device does not exist, or no architecture is known that runs on it.
    pub fn open(ordinal: usize) -> Result<Self> {
        library::initialise(library::version()?)?;
        let devices = count()?;
        let number = c_int::try_from(ordinal).ok().filter(|number| *number < devices);
        let number = number.ok_or_else(|| missing(ordinal, devices))?;
        let device = handle(number)?;
        let reads_pageable = attribute(device, Attribute::CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS)? != 0;
        let properties = properties(device)?;
        let arch = Arch::of_capability(properties.capability.0, properties.capability.1)?;
        let context = Context::retain(device)?;
        context.bind()?;
        let stream = Stream::create()?;
        let staging = Staging::new().map_err(|error| {
            broken(format!("{} bytes of host memory cannot be made ready for uploads", staging::CAPACITY), error)
        })?;
        let (functions, modules, staging) = (RwLock::default(), Mutex::default(), Mutex::new(staging));
        Ok(Self(Arc::new(Inner { properties, arch, reads_pageable, functions, modules, stream, staging, context })))
    }

    /// Loads a kernel in advance, so that a compiler that does not work is reported before any work starts.
    ///
    /// # Errors
    /// The kernel cannot be compiled or loaded.
    pub fn prepare(&self, kernel: &'static Kernel) -> Result<()> {
        self.0.bind()?;
        self.0.function(kernel).map(|_| ())
    }

    /// The properties of the GPU.
    pub fn device(&self) -> &Device {
        &self.0.properties
    }
}

fn missing(ordinal: usize, devices: c_int) -> Error {
    let there = if devices == 1 { "only device 0 does".to_owned() } else { format!("0 to {} do", devices - 1) };
    failed(format!("device {ordinal} does not exist, {there}"))
}

fn not_uploaded(host: &[u8], error: DriverError) -> Error {
    broken(format!("{} bytes cannot be uploaded", host.len()), error)
}

impl Inner {
    fn bind(&self) -> Result<()> {
        self.context.bind()
    }

    /// Waits for all submitted work. Afterwards the staging memory is free, unless another thread has used it meanwhile.
    fn wait(&self, what: &str) -> Result<()> {
        let before = self.staging().pieces();
        self.synchronise(what)?;
        let mut staging = self.staging();
        if staging.pieces() == before {
            staging.clear();
        }
        Ok(())
    }

    fn synchronise(&self, what: &str) -> Result<()> {
        // SAFETY: the stream lives as long as `self`.
        unsafe { result::stream::synchronize(self.stream.0) }.map_err(|error| broken(what, error))
    }

    fn staging(&self) -> MutexGuard<'_, Staging> {
        self.staging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uploads bytes by way of the staging memory, so that they may change when this returns. Waits only if that is full.
    fn write_staged(&self, target: Address, host: &[u8]) -> Result<()> {
        let mut staging = self.staging();
        if !staging.fits(host.len()) {
            self.synchronise("an upload or earlier work failed")?;
            staging.clear();
        }
        // SAFETY: `Memory` allocates blocks of at least this size; the staged bytes do not change until the stream has finished.
        let sent = unsafe { result::memcpy_htod_async(target, staging.put(host), self.stream.0) };
        sent.map_err(|error| not_uploaded(host, error))
    }

    /// Uploads bytes of any number. They are pageable, so the driver normally copies them before the call returns. A GPU that
    /// reads pageable memory directly may do so later; then this waits.
    fn write_direct(&self, target: Address, host: &[u8]) -> Result<()> {
        // SAFETY: as above; the host bytes are read before this function returns.
        let sent = unsafe { result::memcpy_htod_async(target, host, self.stream.0) };
        let waited = if self.reads_pageable { self.wait("an upload or earlier work failed") } else { Ok(()) };
        sent.map_err(|error| not_uploaded(host, error))?;
        waited
    }

    /// The handle of a kernel, which is loaded on first use. The context must be current.
    fn function(&self, kernel: &'static Kernel) -> Result<Function> {
        let known = self.functions.read().unwrap_or_else(PoisonError::into_inner).get(&std::ptr::from_ref(kernel)).copied();
        if let Some(function) = known {
            return Ok(function);
        }
        let function = self.find(kernel)?;
        self.functions.write().unwrap_or_else(PoisonError::into_inner).insert(kernel, function);
        Ok(function)
    }

    /// Finds a kernel in its module, loading the module if necessary, and requests the shared memory that the kernel needs.
    fn find(&self, kernel: &'static Kernel) -> Result<Function> {
        let unusable = |error| broken(format!("kernel `{}` of {} cannot be used", kernel.name, kernel.file.name), error);
        let name = CString::new(kernel.name).map_err(failed)?;
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if !modules.contains_key(kernel.file.name) {
            modules.insert(kernel.file.name, self.load(kernel.file)?);
        }
        let module = &modules[kernel.file.name];
        // SAFETY: the module is loaded as long as `self` lives.
        let function = unsafe { result::module::get_function(module.0, name) }.map_err(unusable)?;
        if kernel.dynamic_shared > DEFAULT_SHARED {
            let which = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the function was just found.
            let set = unsafe { result::function::set_function_attribute(function, which, kernel.dynamic_shared as i32) };
            set.map_err(|error| {
                let what = format!("kernel `{}` cannot get {} bytes of shared memory", kernel.name, kernel.dynamic_shared);
                broken(what, error)
            })?;
        }
        Ok(Function(function))
    }

    fn load(&self, file: &'static File) -> Result<Module> {
        let (arch, cubin) = (self.arch, compiler::cubin(file, self.arch)?.code);
        if !cubin.starts_with(b"\x7fELF") {
            return Err(failed(format!("{} compiled for {arch} is not a CUBIN", file.name)));
        }
        // SAFETY: a CUBIN is an ELF file, which contains its own length. The driver copies it before it returns.
        let module = unsafe { result::module::load_data(cubin.as_ptr().cast()) };
        module.map(Module).map_err(|error| broken(format!("{} for {arch} cannot be loaded", file.name), error))
    }

    fn out_of_memory(&self, bytes: usize) -> Error {
        out_of_memory("cuda", bytes, result::mem_get_info().ok())
    }
}

impl Driver for Gpu {
    fn name(&self) -> &'static str {
        "cuda"
    }

    fn description(&self) -> String {
        format!("cuda ({})", self.0.properties.name)
    }

    fn arch(&self) -> Option<&'static Arch> {
        Some(self.0.arch)
    }

    fn multiprocessors(&self) -> u32 {
        self.0.properties.multiprocessors
    }

    fn policy(&self) -> Policy {
        Policy::Reuse
    }

    fn allocate(&self, bytes: usize) -> Result<Address> {
        self.0.bind()?;
        // SAFETY: the context is current. The driver rejects requests of 0 bytes, so at least one is requested.
        unsafe { result::malloc_sync(bytes.max(1)) }.map_err(|error| match error.0 {
            CUresult::CUDA_ERROR_OUT_OF_MEMORY => self.0.out_of_memory(bytes),
            _ => broken(format!("{bytes} bytes cannot be allocated"), error),
        })
    }

    /// Waits first, since submitted work may still use the memory.
    fn release(&self, address: Address) {
        if self.0.bind().is_err() {
            return;
        }
        let _ = self.0.wait("the device does not finish");
        // SAFETY: the address came from `allocate`, is released once, and is no longer in use.
        let _ = unsafe { result::free_sync(address) };
    }

    fn write(&self, target: Address, host: &[u8]) -> Result<()> {
        if host.is_empty() {
            return Ok(());
        }
        self.0.bind()?;
        if host.len() <= staging::CAPACITY { self.0.write_staged(target, host) } else { self.0.write_direct(target, host) }
    }

    fn read(&self, source: Address, host: &mut [u8]) -> Result<()> {
        if host.is_empty() {
            return Ok(());
        }
        self.0.bind()?;
        // SAFETY: the block has at least this size; the host bytes are not used until the stream has finished, see the next line.
        let sent = unsafe { result::memcpy_dtoh_async(host, source, self.0.stream.0) };
        let waited = self.0.wait("a download or earlier work failed");
        sent.map_err(|error| broken(format!("{} bytes cannot be downloaded", host.len()), error))?;
        waited
    }

    fn copy(&self, source: Address, target: Address, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.0.bind()?;
        // SAFETY: both blocks have at least this size and are not freed until the stream no longer uses them.
        let sent = unsafe { result::memcpy_dtod_async(target, source, bytes, self.0.stream.0) };
        sent.map_err(|error| broken(format!("{bytes} bytes cannot be copied"), error))
    }

    fn zero(&self, target: Address, bytes: usize) -> Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        self.0.bind()?;
        // SAFETY: the block has at least this size.
        let sent = unsafe { result::memset_d8_async(target, 0, bytes, self.0.stream.0) };
        sent.map_err(|error| broken(format!("{bytes} bytes cannot be set to zero"), error))
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<()> {
        let &Launch { kernel, grid, block, arguments } = launch;
        // The driver rejects an empty grid.
        if grid.contains(&0) {
            return Ok(());
        }
        if arguments.len() > MAX_ARGUMENTS {
            return Err(failed(format!(
                "kernel `{}` has {} arguments, at most {MAX_ARGUMENTS} are allowed",
                kernel.name,
                arguments.len()
            )));
        }
        self.0.bind()?;
        let function = self.0.function(kernel)?;
        let mut pointers: [*mut c_void; MAX_ARGUMENTS] = [null_mut(); MAX_ARGUMENTS];
        for (pointer, bytes) in pointers.iter_mut().zip(arguments) {
            *pointer = bytes.as_ptr().cast_mut().cast();
        }
        let (grid_of, block_of) = ((grid[0], grid[1], grid[2]), (block[0], block[1], block[2]));
        // SAFETY: the driver copies the arguments before it returns. Their number and sizes are those that the kernel takes:
        // launches are typed, and the emulator, on which every launch is tested, checks both.
        let sent = unsafe {
            result::launch_kernel(function.0, grid_of, block_of, kernel.dynamic_shared, self.0.stream.0, &mut pointers)
        };
        sent.map_err(|error| broken(format!("kernel `{}` cannot be launched on {grid:?} x {block:?}", kernel.name), error))
    }

    fn tensor_map(&self, tiles: &Tiles) -> Result<TensorMap> {
        let (major, minor) = self.0.properties.capability;
        if major < 9 {
            return Err(failed(format!("a GPU of compute capability {major}.{minor} has no engine that copies tiles")));
        }
        self.0.bind()?;
        let Tiles { address, len, stride, tile } = *tiles;
        let (mut map, dimensions) = (<TensorMap as bytemuck::Zeroable>::zeroed(), len.map(u64::from));
        // SAFETY: the call reads four lengths, three strides, four sizes of the box and four steps, and writes 128 bytes to
        // `map`, which is aligned to 64 bytes. It does not read the array.
        let status = unsafe {
            sys::cuTensorMapEncodeTiled(
                (&raw mut map).cast(),
                sys::CUtensorMapDataType::CU_TENSOR_MAP_DATA_TYPE_BFLOAT16,
                4,
                address as *mut c_void,
                dimensions.as_ptr(),
                stride.as_ptr(),
                tile.as_ptr(),
                [1u32; 4].as_ptr(),
                sys::CUtensorMapInterleave::CU_TENSOR_MAP_INTERLEAVE_NONE,
                sys::CUtensorMapSwizzle::CU_TENSOR_MAP_SWIZZLE_128B,
                sys::CUtensorMapL2promotion::CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                sys::CUtensorMapFloatOOBfill::CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE,
            )
        };
        status.result().map_err(|error| broken(format!("an array cannot be described to the copy engine: {tiles:?}"), error))?;
        Ok(map)
    }

    /// Uses the relaxed capture mode, which allows loading a kernel during the capture.
    fn begin_capture(&self) -> Result<()> {
        self.0.bind()?;
        let mode = sys::CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_RELAXED;
        // SAFETY: the stream lives as long as `self`.
        unsafe { result::stream::begin_capture(self.0.stream.0, mode) }.map_err(|error| broken("a capture cannot begin", error))
    }

    fn end_capture(&self) -> Result<Box<dyn Graph>> {
        self.0.bind()?;
        // SAFETY: as above.
        let graph = unsafe { result::stream::end_capture(self.0.stream.0) };
        let graph = graph.map_err(|error| broken("the work cannot be captured", error))?;
        if graph.is_null() {
            return Err(failed("a capture produced no graph"));
        }
        // SAFETY: the graph was just created.
        let executable = unsafe { result::graph::instantiate(graph, sys::CUgraphInstantiate_flags(0)) };
        // SAFETY: destroyed once; the instantiated graph does not need it.
        let _ = unsafe { result::graph::destroy(graph) };
        let executable = executable.map_err(|error| broken("the captured graph cannot be instantiated", error))?;
        Ok(Box::new(Captured { executable, gpu: Arc::clone(&self.0) }))
    }

    fn mark(&self) -> Result<Mark> {
        self.0.bind()?;
        let event = result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT);
        let event = event.map_err(|error| broken("an event cannot be created", error))?;
        let event = Event { event, gpu: Arc::clone(&self.0) };
        // SAFETY: the event was just created; the stream lives as long as `self`.
        let recorded = unsafe { result::event::record(event.event, self.0.stream.0) };
        recorded.map_err(|error| broken("an event cannot be recorded", error))?;
        Ok(Mark::Gpu(event))
    }

    fn seconds_between(&self, from: &Mark, to: &Mark) -> Result<f64> {
        let (Mark::Gpu(from), Mark::Gpu(to)) = (from, to) else { return Err(Error::argument("a mark is from another driver")) };
        self.0.bind()?;
        // SAFETY: the events live as long as their marks, and both were recorded on this stream.
        let milliseconds =
            unsafe { result::event::synchronize(to.event).and_then(|()| result::event::elapsed(from.event, to.event)) };
        milliseconds
            .map(|value| f64::from(value) / 1e3)
            .map_err(|error| broken("the time between two events cannot be measured", error))
    }
}

/// A recorded event.
pub struct Event {
    event: sys::CUevent,
    gpu: Arc<Inner>,
}

// SAFETY: as for `Inner`.
unsafe impl Send for Event {}

impl Drop for Event {
    fn drop(&mut self) {
        if self.gpu.bind().is_ok() {
            // SAFETY: destroyed once.
            let _ = unsafe { result::event::destroy(self.event) };
        }
    }
}

/// Captured work, ready to be launched.
struct Captured {
    executable: sys::CUgraphExec,
    gpu: Arc<Inner>,
}

// SAFETY: as for `Inner`.
unsafe impl Send for Captured {}
// SAFETY: as for `Inner`; a launch does not change the graph.
unsafe impl Sync for Captured {}

impl Graph for Captured {
    fn launch(&self) -> Result<()> {
        self.gpu.bind()?;
        // SAFETY: graph and stream live as long as `self`.
        let sent = unsafe { result::graph::launch(self.executable, self.gpu.stream.0) };
        sent.map_err(|error| broken("repeated work cannot be launched", error))
    }
}

impl Drop for Captured {
    /// If the graph is still running, the driver frees it when it has finished.
    fn drop(&mut self) {
        if self.gpu.bind().is_ok() {
            // SAFETY: destroyed once.
            let _ = unsafe { result::graph::exec_destroy(self.executable) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_ordinals() {
        assert_eq!(missing(1, 1).to_string(), "cuda: device 1 does not exist, only device 0 does");
        assert_eq!(missing(8, 4).to_string(), "cuda: device 8 does not exist, 0 to 3 do");
    }

    #[test]
    fn probing_never_panics() {
        let Probe { driver, devices } = probe();
        match devices {
            Ok(devices) => assert!(driver.is_some() && !devices.is_empty()),
            Err(error) => assert!(error.to_string().starts_with("cuda: "), "{error}"),
        }
    }
}
