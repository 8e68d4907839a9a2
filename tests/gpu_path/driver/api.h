// The part of CUDA's driver API that the engine calls, with the names, types and numbers of NVIDIA's cuda.h.
#pragma once
#include <cstddef>

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct Context*;
using CUstream = struct Stream*;
using CUevent = struct Event*;
using CUgraph = struct Graph*;
using CUgraphExec = struct GraphExec*;
using CUmodule = struct Module*;
using CUfunction = struct Function*;

enum Result : CUresult {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    INVALID_HANDLE = 400,
    ILLEGAL_STATE = 401,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_TIMEOUT = 702,
    CONTEXT_IS_DESTROYED = 709,
    LAUNCH_FAILED = 719,
    NOT_SUPPORTED = 801,
    STREAM_CAPTURE_UNSUPPORTED = 900,
    STREAM_CAPTURE_INVALIDATED = 901,
    CAPTURED_EVENT = 907,
    STREAM_CAPTURE_WRONG_THREAD = 908,
    UNKNOWN = 999,
};
enum CaptureMode { CAPTURE_GLOBAL = 0, CAPTURE_THREAD_LOCAL = 1, CAPTURE_RELAXED = 2 };
enum Attribute { MULTIPROCESSORS = 16, CAPABILITY_MAJOR = 75, CAPABILITY_MINOR = 76, PAGEABLE_MEMORY_ACCESS = 88 };
enum { EVENT_DISABLE_TIMING = 2, MAX_DYNAMIC_SHARED = 8 };

#define API extern "C" __attribute__((visibility("default"))) CUresult

API cuInit(unsigned flags);
API cuDriverGetVersion(int* version);
API cuGetErrorName(CUresult error, const char** name);
API cuGetErrorString(CUresult error, const char** text);
API cuDeviceGetCount(int* count);
API cuDeviceGet(CUdevice* device, int ordinal);
API cuDeviceGetName(char* name, int capacity, CUdevice device);
API cuDeviceTotalMem_v2(size_t* bytes, CUdevice device);
API cuDeviceGetAttribute(int* value, int attribute, CUdevice device);
API cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device);
API cuDevicePrimaryCtxRelease_v2(CUdevice device);
API cuCtxGetCurrent(CUcontext* context);
API cuCtxSetCurrent(CUcontext context);

API cuMemGetInfo_v2(size_t* free, size_t* total);
API cuMemAlloc_v2(CUdeviceptr* address, size_t bytes);
API cuMemFree_v2(CUdeviceptr address);
API cuMemHostAlloc(void** address, size_t bytes, unsigned flags);
API cuMemFreeHost(void* address);
API cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void* source, size_t bytes, CUstream stream);
API cuMemcpyDtoHAsync_v2(void* target, CUdeviceptr source, size_t bytes, CUstream stream);
API cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream);
API cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t bytes, CUstream stream);

API cuStreamCreate(CUstream* stream, unsigned flags);
API cuStreamDestroy_v2(CUstream stream);
API cuStreamSynchronize(CUstream stream);
API cuEventCreate(CUevent* event, unsigned flags);
API cuEventDestroy_v2(CUevent event);
API cuEventRecord(CUevent event, CUstream stream);
API cuEventSynchronize(CUevent event);
API cuEventElapsedTime(float* milliseconds, CUevent from, CUevent to);

API cuStreamBeginCapture_v2(CUstream stream, int mode);
API cuStreamEndCapture(CUstream stream, CUgraph* graph);
API cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long flags);
API cuGraphDestroy(CUgraph graph);
API cuGraphExecDestroy(CUgraphExec executable);
API cuGraphLaunch(CUgraphExec executable, CUstream stream);

API cuModuleLoadData(CUmodule* module, const void* image);
API cuModuleUnload(CUmodule module);
API cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name);
API cuFuncSetAttribute(CUfunction function, int attribute, int value);
API cuTensorMapEncodeTiled(void* map, int type, unsigned rank, void* array, const uint64_t* len, const uint64_t* stride,
                           const uint32_t* box, const uint32_t* step, int interleave, int swizzle, int promotion, int fill);
API cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned shared, CUstream stream, void** arguments, void** extra);

// Of the false driver alone: how often it refused a call for the reason number `index`, and the reason; null past the last one.
extern "C" __attribute__((visibility("default"))) const char* falseDriverReason(size_t index, unsigned long* refusals);
