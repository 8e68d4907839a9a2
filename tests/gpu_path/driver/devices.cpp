// The driver, its devices, and their primary contexts.
#include <cstdio>
#include <cstring>

#include "state.h"
#include "work.h"

namespace {
constexpr int DEVICE_MULTIPROCESSORS = 2;

void check(CUdevice device) {
    if (device < 0 || device >= settings().gpus) refuse(NO_SUCH_DEVICE, std::to_string(device));
}

template <class T> void note(std::string& list, const char* what, const T& things, Context* context) {
    size_t left = 0;
    for (auto& [address, thing] : things) left += thing.context == context;
    if (left) list += (list.empty() ? "" : ", ") + std::to_string(left) + " " + what;
}

// What was made in the context and never freed.
std::string left_behind(Context* context) {
    std::map<std::string, int> kinds;
    for (const void* handle : state().alive) {
        auto* object = (Object*)handle;
        if (object->context == context && object != context && !dynamic_cast<Function*>(object)) kinds[object->kind]++;
    }
    std::string list;
    for (auto& [kind, count] : kinds) list += (list.empty() ? "" : ", ") + kind + " (" + std::to_string(count) + ")";
    note(list, "blocks of memory", state().blocks, context);
    note(list, "blocks of pinned memory", state().pinned, context);
    return list;
}

void close(Context* context) {
    for (Stream* stream : state().streams) if (stream->context == context) finish(stream);
    // Of a lost device nothing can be freed.
    std::string left = context->lost ? "" : left_behind(context);
    if (!left.empty()) complain(LEFT_BEHIND, left);
    state().primary.erase(context->device);
    end(context);
}
}  // namespace

CUresult cuInit(unsigned) {
    return call("cuInit", NOTHING, [] {
        if (!settings().allowed) throw Refused{NO_DEVICE};
        state().initialised = true;
    });
}
CUresult cuDriverGetVersion(int* version) {
    return call("cuDriverGetVersion", NOTHING, [=] { *version = settings().version; });
}
CUresult cuDeviceGetCount(int* count) {
    return call("cuDeviceGetCount", INITIALISED, [=] { *count = settings().gpus; });
}
CUresult cuDeviceGet(CUdevice* device, int ordinal) {
    return call("cuDeviceGet", INITIALISED, [=] { check(ordinal); *device = ordinal; });
}
CUresult cuDeviceGetName(char* name, int capacity, CUdevice device) {
    return call("cuDeviceGetName", INITIALISED, [=] {
        check(device);
        snprintf(name, size_t(capacity), "False GPU %d (emulated)", device);
    });
}
CUresult cuDeviceTotalMem_v2(size_t* bytes, CUdevice device) {
    return call("cuDeviceTotalMem_v2", INITIALISED, [=] { check(device); *bytes = settings().memory; });
}
CUresult cuDeviceGetAttribute(int* value, int attribute, CUdevice device) {
    return call("cuDeviceGetAttribute", INITIALISED, [=] {
        check(device);
        switch (attribute) {
        case CAPABILITY_MAJOR: *value = settings().major; break;
        case CAPABILITY_MINOR: *value = settings().minor; break;
        case MULTIPROCESSORS: *value = DEVICE_MULTIPROCESSORS; break;
        case PAGEABLE_MEMORY_ACCESS: *value = settings().pageable; break;
        default: refuse(NO_SUCH_ATTRIBUTE, std::to_string(attribute));
        }
    });
}
CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
    return call("cuDevicePrimaryCtxRetain", INITIALISED, [=] {
        check(device);
        Context*& primary = state().primary[device];
        if (!primary) primary = make<Context>(device);
        primary->retained++;
        *context = primary;
    });
}
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    return call("cuDevicePrimaryCtxRelease_v2", INITIALISED, [=] {
        check(device);
        auto found = state().primary.find(device);
        if (found == state().primary.end()) refuse(RELEASED_TWICE);
        if (!--found->second->retained) close(found->second);
    });
}
CUresult cuCtxGetCurrent(CUcontext* context) {
    return call("cuCtxGetCurrent", INITIALISED, [=] { *context = current(); });
}
CUresult cuCtxSetCurrent(CUcontext context) {
    return call("cuCtxSetCurrent", INITIALISED, [=] {
        if (context && !state().alive.count(context)) refuse(DEAD_CONTEXT);
        current() = context;
    });
}

CUresult cuGetErrorName(CUresult error, const char** name) {
    struct Name { CUresult code; const char* name; };
    static constexpr Name NAMES[] = {
        {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"}, {OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY"},
        {NO_DEVICE, "CUDA_ERROR_NO_DEVICE"}, {INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE"},
        {INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE"}, {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
        {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU"}, {INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE"},
        {NOT_FOUND, "CUDA_ERROR_NOT_FOUND"}, {NOT_READY, "CUDA_ERROR_NOT_READY"},
        {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"}, {LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT"},
        {LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED"}, {NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED"},
        {STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"},
        {STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"}, {UNKNOWN, "CUDA_ERROR_UNKNOWN"},
    };
    *name = nullptr;
    for (const Name& known : NAMES) if (known.code == error) *name = known.name;
    return *name ? SUCCESS : INVALID_VALUE;
}
CUresult cuGetErrorString(CUresult error, const char** text) {
    const char* name;
    *text = "as the false driver says";
    return cuGetErrorName(error, &name);
}
