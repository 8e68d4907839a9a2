//! The driver library `libcuda`, found at run time. The bindings panic where a call is missing, so all are looked up first.

use std::ffi::{c_int, c_void};

use cudarc::driver::{result, sys};

use super::gpu::{broken, failed};
use crate::error::Result;

/// Oldest supported driver version, in CUDA's numbering: 12.0.
const MIN_DRIVER: c_int = 12_000;

/// Every driver call of the engine. A driver of CUDA 12.0 has them all.
const CALLS: [&str; 42] = [
    "cuInit",
    "cuDriverGetVersion",
    "cuGetErrorName",
    "cuGetErrorString",
    "cuDeviceGetCount",
    "cuDeviceGet",
    "cuDeviceGetName",
    "cuDeviceTotalMem_v2",
    "cuDeviceGetAttribute",
    "cuDevicePrimaryCtxRetain",
    "cuDevicePrimaryCtxRelease_v2",
    "cuCtxGetCurrent",
    "cuCtxSetCurrent",
    "cuMemGetInfo_v2",
    "cuMemAlloc_v2",
    "cuMemFree_v2",
    "cuMemHostAlloc",
    "cuMemFreeHost",
    "cuMemcpyHtoDAsync_v2",
    "cuMemcpyDtoHAsync_v2",
    "cuMemcpyDtoDAsync_v2",
    "cuMemsetD8Async",
    "cuStreamCreate",
    "cuStreamDestroy_v2",
    "cuStreamSynchronize",
    "cuEventCreate",
    "cuEventDestroy_v2",
    "cuEventRecord",
    "cuEventSynchronize",
    "cuEventElapsedTime",
    "cuStreamBeginCapture_v2",
    "cuStreamEndCapture",
    "cuGraphInstantiateWithFlags",
    "cuGraphDestroy",
    "cuGraphExecDestroy",
    "cuGraphLaunch",
    "cuModuleLoadData",
    "cuModuleUnload",
    "cuModuleGetFunction",
    "cuFuncSetAttribute",
    "cuTensorMapEncodeTiled",
    "cuLaunchKernel",
];

/// Loads the library and returns the driver's version, e.g. 12090. Must be called before any other driver call.
///
/// # Errors
/// There is no driver library, or it cannot say its version.
pub fn version() -> Result<c_int> {
    // SAFETY: loads a system library by name, as every CUDA program does.
    if !unsafe { sys::is_culib_present() } {
        return Err(failed("there is no driver library (libcuda) on this machine"));
    }
    if !has("cuDriverGetVersion") {
        return Err(failed(lacks("cuDriverGetVersion")));
    }
    let mut version = 0;
    // SAFETY: the call writes one number to `version`.
    let status = unsafe { sys::cuDriverGetVersion(&mut version) };
    status.result().map_err(|error| broken("the driver version cannot be read", error))?;
    Ok(version)
}

/// Initialises the driver of this version.
///
/// # Errors
/// The driver is too old or incomplete, or finds no device.
pub fn initialise(version: c_int) -> Result<()> {
    check_version(version)?;
    if let Some(name) = CALLS.into_iter().find(|name| !has(name)) {
        return Err(failed(lacks(name)));
    }
    result::init().map_err(|error| match error.0 {
        sys::CUresult::CUDA_ERROR_NO_DEVICE => failed("the driver finds no device"),
        _ => broken("the driver cannot be initialised", error),
    })
}

/// Major and minor version: 12090 is 12.9.
pub fn major_minor(version: c_int) -> (u32, u32) {
    (version as u32 / 1000, version as u32 % 1000 / 10)
}

/// Whether the library, which is there, has this call.
fn has(name: &str) -> bool {
    // SAFETY: the address is only looked up.
    unsafe { sys::culib().get::<*const c_void>(name.as_bytes()).is_ok() }
}

fn lacks(name: &str) -> String {
    format!("the driver library lacks {name}, which drivers for CUDA 12.0 or newer have; update the NVIDIA driver")
}

fn check_version(version: c_int) -> Result<()> {
    if version < MIN_DRIVER {
        let (major, minor) = major_minor(version);
        let reason = format!("the driver is for CUDA {major}.{minor}, but 12.0 or newer is needed; update the NVIDIA driver");
        return Err(failed(reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_versions() {
        assert_eq!(major_minor(12_090), (12, 9));
        assert!(check_version(13_000).is_ok());
        let old = check_version(11_080).unwrap_err().to_string();
        assert_eq!(old, "cuda: the driver is for CUDA 11.8, but 12.0 or newer is needed; update the NVIDIA driver");
    }
}
