// Breaks every rule of the false driver once and sees the refusal, and checks what it promises about the order of work. Prints the
// number of checks, or what went wrong; a rule that no check breaks is an error too.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "driver/api.h"

namespace {
int checks = 0, failures = 0;

void check(bool holds, int line, const std::string& what) {
    checks++;
    if (holds) return;
    failures++;
    printf("broken_rules.cpp:%d: %s\n", line, what.c_str());
}
#define EXPECT(code, call) expect(code, call, __LINE__, #call)
#define OK(call) expect(SUCCESS, call, __LINE__, #call)
#define HOLDS(condition) check(condition, __LINE__, #condition)
void expect(CUresult wanted, CUresult found, int line, const char* what) {
    check(found == wanted, line, std::string(what) + " is " + std::to_string(found) + ", not " + std::to_string(wanted));
}

const char CUBIN[] = "\x7f" "ELFfalse CUBIN sm_90a axpy";
constexpr unsigned LEN = 4, BYTES = LEN * sizeof(float), PAGE_BYTES = 4096;
const std::vector<float> ONES(LEN, 1.0f);

// A GPU opened for one check, with a stream and a kernel.
struct Gpu {
    explicit Gpu(int device = 0) : device(device) {
        OK(cuDevicePrimaryCtxRetain(&context, device));
        OK(cuCtxSetCurrent(context));
        OK(cuStreamCreate(&stream, 1));
        OK(cuModuleLoadData(&module, CUBIN));
        OK(cuModuleGetFunction(&axpy, module, "axpy"));
    }
    // Nothing can be freed on a lost device, and the check may have ended some of it.
    ~Gpu() {
        cuCtxSetCurrent(context);
        for (CUdeviceptr address : blocks) cuMemFree_v2(address);
        cuModuleUnload(module);
        cuStreamDestroy_v2(stream);
        cuDevicePrimaryCtxRelease_v2(device);
        cuCtxSetCurrent(nullptr);
    }
    CUdeviceptr memory(const std::vector<float>& values) {
        CUdeviceptr address = 0;
        OK(cuMemAlloc_v2(&address, BYTES));
        OK(cuMemcpyHtoDAsync_v2(address, values.data(), BYTES, stream));
        OK(cuStreamSynchronize(stream));
        blocks.push_back(address);
        return address;
    }
    // y += 2 x
    CUresult add(CUdeviceptr x, CUdeviceptr y, CUstream on) {
        uint32_t blank = 0;
        float alpha = 2;
        unsigned len = LEN;
        void* arguments[] = {&x, &y, &blank, &alpha, &len};
        return cuLaunchKernel(axpy, 1, 1, 1, 256, 1, 1, 0, on, arguments, nullptr);
    }
    CUresult add(CUdeviceptr x, CUdeviceptr y) { return add(x, y, stream); }
    std::vector<float> read(CUdeviceptr address) {
        std::vector<float> values(LEN);
        OK(cuMemcpyDtoHAsync_v2(values.data(), address, BYTES, stream));
        OK(cuStreamSynchronize(stream));
        return values;
    }
    CUgraphExec graph(CUdeviceptr x, CUdeviceptr y) {
        CUgraph graph;
        CUgraphExec executable;
        OK(cuStreamBeginCapture_v2(stream, CAPTURE_RELAXED));
        OK(add(x, y));
        OK(cuStreamEndCapture(stream, &graph));
        OK(cuGraphInstantiateWithFlags(&executable, graph, 0));
        OK(cuGraphDestroy(graph));
        return executable;
    }
    void forget(CUdeviceptr address) { blocks.erase(std::find(blocks.begin(), blocks.end(), address)); }
    int device;
    CUcontext context;
    CUstream stream;
    CUmodule module;
    CUfunction axpy;
    std::vector<CUdeviceptr> blocks;
};

// A call on a second stream until work of the first one has been left waiting: the driver may run it early.
template <class F> void until_deferred(F try_once) { for (int tries = 0; tries < 1000; tries++) if (try_once()) return; HOLDS(!"work is never deferred"); }

void calls_before_init() {
    int value;
    EXPECT(NOT_INITIALIZED, cuDeviceGetCount(&value));
    OK(cuInit(0));
    OK(cuDeviceGetCount(&value));
    HOLDS(value == 2);
}

void devices_and_contexts() {
    int value;
    CUdevice device;
    CUcontext context;
    CUdeviceptr address;
    EXPECT(INVALID_DEVICE, cuDeviceGet(&device, 2));
    EXPECT(INVALID_DEVICE, cuDevicePrimaryCtxRetain(&context, -1));
    EXPECT(INVALID_VALUE, cuDeviceGetAttribute(&value, 12345, 0));
    EXPECT(INVALID_CONTEXT, cuMemAlloc_v2(&address, 1));
    EXPECT(INVALID_CONTEXT, cuDevicePrimaryCtxRelease_v2(1));
    OK(cuDevicePrimaryCtxRetain(&context, 1));
    OK(cuDevicePrimaryCtxRetain(&context, 1));
    OK(cuCtxSetCurrent(context));
    OK(cuDevicePrimaryCtxRelease_v2(1));
    OK(cuMemAlloc_v2(&address, 1));
    OK(cuDevicePrimaryCtxRelease_v2(1));  // with memory left behind
    EXPECT(CONTEXT_IS_DESTROYED, cuMemFree_v2(address));
    OK(cuCtxSetCurrent(nullptr));
    EXPECT(CONTEXT_IS_DESTROYED, cuCtxSetCurrent(context));
    std::thread([] { Gpu gpu; CUdeviceptr address; std::thread([&] { EXPECT(INVALID_CONTEXT, cuMemAlloc_v2(&address, 1)); }).join(); }).join();
}

void handles() {
    Gpu gpu;
    CUstream stream;
    OK(cuStreamCreate(&stream, 1));
    OK(cuStreamDestroy_v2(stream));
    EXPECT(INVALID_HANDLE, cuStreamDestroy_v2(stream));
    EXPECT(INVALID_HANDLE, cuStreamSynchronize(stream));
    EXPECT(INVALID_HANDLE, cuStreamSynchronize((CUstream)gpu.module));
    EXPECT(INVALID_HANDLE, cuStreamSynchronize((CUstream)&stream));
    EXPECT(NOT_SUPPORTED, cuStreamSynchronize(nullptr));
    CUevent event;
    OK(cuEventCreate(&event, 0));
    OK(cuEventDestroy_v2(event));
    EXPECT(INVALID_HANDLE, cuEventRecord(event, gpu.stream));
    CUgraphExec graph = gpu.graph(gpu.memory(ONES), gpu.memory(ONES));
    OK(cuGraphExecDestroy(graph));
    EXPECT(INVALID_HANDLE, cuGraphLaunch(graph, gpu.stream));
    OK(cuModuleUnload(gpu.module));
    CUdeviceptr y = gpu.memory(ONES);
    EXPECT(INVALID_HANDLE, gpu.add(y, y));
}

void two_gpus() {
    Gpu first(0), second(1);
    CUdeviceptr there = second.memory(ONES);
    OK(cuCtxSetCurrent(first.context));
    CUdeviceptr here = first.memory(ONES);
    EXPECT(INVALID_HANDLE, first.add(there, here));
    EXPECT(INVALID_HANDLE, cuMemsetD8Async(there, 0, BYTES, first.stream));
    EXPECT(INVALID_HANDLE, cuMemsetD8Async(here, 0, BYTES, second.stream));
    EXPECT(INVALID_HANDLE, cuMemFree_v2(there));
}

void memory() {
    Gpu gpu;
    CUdeviceptr address, y = gpu.memory(ONES);
    EXPECT(INVALID_VALUE, cuMemAlloc_v2(&address, 0));
    EXPECT(OUT_OF_MEMORY, cuMemAlloc_v2(&address, size_t(1) << 50));
    OK(cuMemAlloc_v2(&address, 256));
    EXPECT(INVALID_VALUE, cuMemFree_v2(address + 16));
    EXPECT(INVALID_VALUE, cuMemsetD8Async(address + 16, 0, 256, gpu.stream));
    EXPECT(INVALID_VALUE, cuMemsetD8Async(1, 0, 1, gpu.stream));
    OK(cuMemFree_v2(address));
    EXPECT(INVALID_VALUE, cuMemFree_v2(address));
    EXPECT(ILLEGAL_ADDRESS, cuMemcpyDtoDAsync_v2(y, address, BYTES, gpu.stream));
    EXPECT(ILLEGAL_ADDRESS, gpu.add(address, y));
    HOLDS(gpu.read(y) == ONES);
}

void memory_freed_in_use() {
    until_deferred([] {
        Gpu gpu;
        CUdeviceptr x = gpu.memory(ONES), y = gpu.memory(ONES);
        OK(gpu.add(x, y));
        CUresult freed = cuMemFree_v2(x);
        if (freed == SUCCESS) return gpu.forget(x), false;
        HOLDS(freed == ILLEGAL_ADDRESS);
        EXPECT(ILLEGAL_ADDRESS, cuStreamSynchronize(gpu.stream));  // the device is lost
        return true;
    });
}

void a_graph_after_its_memory() {
    Gpu gpu;
    CUdeviceptr x = gpu.memory(ONES), y = gpu.memory(ONES);
    CUgraphExec graph = gpu.graph(x, y);
    OK(cuGraphLaunch(graph, gpu.stream));
    HOLDS(gpu.read(y) == std::vector<float>(LEN, 3.0f));
    OK(cuMemFree_v2(x));
    CUdeviceptr again = gpu.memory(ONES);  // perhaps at the same address
    HOLDS(again != y);
    cuGraphLaunch(graph, gpu.stream);
    EXPECT(ILLEGAL_ADDRESS, cuStreamSynchronize(gpu.stream));
    EXPECT(ILLEGAL_ADDRESS, cuGraphExecDestroy(graph));
}

void waits_and_copies_in_a_capture() {
    Gpu gpu;
    CUdeviceptr x = gpu.memory(ONES);
    std::vector<float> host(LEN);
    void* pinned;
    OK(cuMemHostAlloc(&pinned, BYTES, 0));
    memcpy(pinned, host.data(), BYTES);
    CUgraph graph;
    std::function<CUresult()> refused[] = {
        [&] { return cuStreamSynchronize(gpu.stream); },
        [&] { return cuMemcpyHtoDAsync_v2(x, host.data(), BYTES, gpu.stream); },
        [&] { return cuMemcpyDtoHAsync_v2(host.data(), x, BYTES, gpu.stream); },
    };
    for (auto& call : refused) {
        OK(cuStreamBeginCapture_v2(gpu.stream, CAPTURE_RELAXED));
        EXPECT(STREAM_CAPTURE_UNSUPPORTED, call());
        EXPECT(STREAM_CAPTURE_INVALIDATED, gpu.add(x, x));
        EXPECT(STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(gpu.stream, &graph));
    }
    OK(cuStreamBeginCapture_v2(gpu.stream, CAPTURE_RELAXED));
    OK(cuMemcpyHtoDAsync_v2(x, pinned, BYTES, gpu.stream));
    OK(cuStreamEndCapture(gpu.stream, &graph));
    OK(cuGraphDestroy(graph));
    OK(cuMemFreeHost(pinned));
}

void captures() {
    Gpu gpu;
    CUgraph graph;
    CUdeviceptr x = gpu.memory(ONES), y = gpu.memory(ONES), other;
    CUgraphExec executable = gpu.graph(x, y);
    EXPECT(ILLEGAL_STATE, cuStreamEndCapture(gpu.stream, &graph));
    OK(cuStreamBeginCapture_v2(gpu.stream, CAPTURE_GLOBAL));
    EXPECT(ILLEGAL_STATE, cuStreamBeginCapture_v2(gpu.stream, CAPTURE_GLOBAL));
    std::thread([&] {
        OK(cuCtxSetCurrent(gpu.context));
        EXPECT(STREAM_CAPTURE_WRONG_THREAD, cuStreamEndCapture(gpu.stream, &graph));
        EXPECT(STREAM_CAPTURE_UNSUPPORTED, cuMemAlloc_v2(&other, 1));
    }).join();
    EXPECT(STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(gpu.stream, &graph));
    OK(cuStreamBeginCapture_v2(gpu.stream, CAPTURE_THREAD_LOCAL));
    std::thread([&] { OK(cuCtxSetCurrent(gpu.context)); OK(cuMemAlloc_v2(&other, 1)); OK(cuMemFree_v2(other)); }).join();
    EXPECT(STREAM_CAPTURE_UNSUPPORTED, cuMemFree_v2(x));
    EXPECT(STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(gpu.stream, &graph));
    OK(cuStreamBeginCapture_v2(gpu.stream, CAPTURE_RELAXED));
    OK(cuMemAlloc_v2(&other, 1));
    OK(cuMemFree_v2(other));
    EXPECT(NOT_SUPPORTED, cuGraphLaunch(executable, gpu.stream));
    EXPECT(STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(gpu.stream, &graph));
    OK(cuGraphExecDestroy(executable));
    HOLDS(gpu.read(y) == ONES);  // nothing of a capture has run
}

void events() {
    Gpu gpu;
    CUevent from, to, untimed;
    CUgraph graph;
    CUdeviceptr y = gpu.memory(ONES);
    float milliseconds;
    OK(cuEventCreate(&from, 0));
    OK(cuEventCreate(&to, 0));
    OK(cuEventCreate(&untimed, EVENT_DISABLE_TIMING));
    OK(cuEventRecord(from, gpu.stream));
    EXPECT(INVALID_HANDLE, cuEventElapsedTime(&milliseconds, from, to));
    OK(cuEventRecord(untimed, gpu.stream));
    EXPECT(INVALID_HANDLE, cuEventElapsedTime(&milliseconds, from, untimed));
    until_deferred([&] {
        OK(gpu.add(y, y));
        OK(cuEventRecord(to, gpu.stream));
        CUresult timed = cuEventElapsedTime(&milliseconds, from, to);
        HOLDS(timed == SUCCESS || timed == NOT_READY);
        return timed == NOT_READY;
    });
    OK(cuEventSynchronize(to));
    OK(cuEventElapsedTime(&milliseconds, from, to));
    HOLDS(milliseconds > 0);
    OK(cuStreamBeginCapture_v2(gpu.stream, CAPTURE_RELAXED));
    OK(cuEventRecord(to, gpu.stream));
    OK(cuStreamEndCapture(gpu.stream, &graph));
    OK(cuGraphDestroy(graph));
    EXPECT(CAPTURED_EVENT, cuEventSynchronize(to));
    EXPECT(CAPTURED_EVENT, cuEventElapsedTime(&milliseconds, from, to));
    for (CUevent event : {from, to, untimed}) OK(cuEventDestroy_v2(event));
}

void modules_and_launches() {
    Gpu gpu;
    CUmodule module;
    CUfunction function;
    CUdeviceptr y = gpu.memory(ONES);
    EXPECT(INVALID_IMAGE, cuModuleLoadData(&module, "false CUBIN sm_90a axpy"));
    EXPECT(NO_BINARY_FOR_GPU, cuModuleLoadData(&module, "\x7f" "ELFfalse CUBIN sm_80 axpy"));
    EXPECT(NO_BINARY_FOR_GPU, cuModuleLoadData(&module, "\x7f" "ELF\x02\x01\x01 a real one"));
    EXPECT(NOT_FOUND, cuModuleGetFunction(&function, gpu.module, "pool"));
    OK(cuModuleLoadData(&module, "\x7f" "ELFfalse CUBIN sm_90a nonsense"));
    EXPECT(NOT_FOUND, cuModuleGetFunction(&function, module, "nonsense"));
    OK(cuModuleUnload(module));
    unsigned len = LEN;
    uint32_t blank = 0;
    float alpha = 2;
    void *arguments[] = {&y, &y, &blank, &alpha, &len}, *too_few[] = {&y, &y, &blank, &alpha, nullptr};
    EXPECT(INVALID_VALUE, cuLaunchKernel(gpu.axpy, 0, 1, 1, 256, 1, 1, 0, gpu.stream, arguments, nullptr));
    EXPECT(INVALID_VALUE, cuLaunchKernel(gpu.axpy, 1, 65536, 1, 256, 1, 1, 0, gpu.stream, arguments, nullptr));
    EXPECT(INVALID_VALUE, cuLaunchKernel(gpu.axpy, 1, 1, 1, 1025, 1, 1, 0, gpu.stream, arguments, nullptr));
    EXPECT(INVALID_VALUE, cuLaunchKernel(gpu.axpy, 1, 1, 1, 256, 1, 1, 49153, gpu.stream, arguments, nullptr));
    EXPECT(INVALID_VALUE, cuFuncSetAttribute(gpu.axpy, MAX_DYNAMIC_SHARED, 1 << 20));
    OK(cuFuncSetAttribute(gpu.axpy, MAX_DYNAMIC_SHARED, 65536));
    OK(cuLaunchKernel(gpu.axpy, 1, 1, 1, 256, 1, 1, 49153, gpu.stream, arguments, nullptr));
    EXPECT(INVALID_VALUE, cuLaunchKernel(gpu.axpy, 1, 1, 1, 256, 1, 1, 0, gpu.stream, too_few, nullptr));
    alignas(64) char map[128];
    uint64_t extents[] = {64, 4, 4, 2}, strides[] = {128, 512, 2048}, odd[] = {120, 512, 2048};
    uint32_t box[] = {64, 4, 4, 1}, steps[] = {1, 1, 1, 1};
    auto encode = [&](const uint64_t* strides, int swizzle) {
        return cuTensorMapEncodeTiled(map, 9, 4, (void*)y, extents, strides, box, steps, 0, swizzle, 0, 0);
    };
    OK(encode(strides, 3));
    EXPECT(INVALID_VALUE, encode(odd, 3));
    EXPECT(INVALID_VALUE, encode(strides, 2));
    OK(cuStreamSynchronize(gpu.stream));
    until_deferred([&] {
        CUmodule short_lived;
        CUfunction axpy = gpu.axpy;
        OK(cuModuleLoadData(&short_lived, CUBIN));
        OK(cuModuleGetFunction(&gpu.axpy, short_lived, "axpy"));
        OK(gpu.add(y, y));
        CUresult unloaded = cuModuleUnload(short_lived);
        gpu.axpy = axpy;
        if (unloaded == SUCCESS) return false;
        HOLDS(unloaded == INVALID_HANDLE);
        OK(cuStreamSynchronize(gpu.stream));
        OK(cuModuleUnload(short_lived));
        return true;
    });
}

// A kernel that reads outside of its memory loses the device, at the next call or later. No further than the guard page behind the
// memory, which stops every block: the blocks run in random order, and what lies beyond may be the libraries of this program, which
// the kernel would write to.
void a_kernel_out_of_bounds() {
    Gpu gpu;
    CUdeviceptr x = gpu.memory(ONES);
    unsigned len = PAGE_BYTES / sizeof(float);
    HOLDS(x % PAGE_BYTES >= PAGE_BYTES / 2);
    uint32_t blank = 0;
    float alpha = 2;
    void* arguments[] = {&x, &x, &blank, &alpha, &len};
    OK(cuLaunchKernel(gpu.axpy, len / 256, 1, 1, 256, 1, 1, 0, gpu.stream, arguments, nullptr));
    EXPECT(LAUNCH_FAILED, cuStreamSynchronize(gpu.stream));
    EXPECT(LAUNCH_FAILED, cuMemFree_v2(x));
    EXPECT(LAUNCH_FAILED, cuStreamSynchronize(gpu.stream));
}

// A download has not arrived before a wait, at least sometimes.
void downloads_are_late() {
    Gpu gpu;
    CUdeviceptr y = gpu.memory(ONES);
    std::vector<float> host = ONES;
    OK(cuMemcpyDtoHAsync_v2(host.data(), y, BYTES, gpu.stream));
    HOLDS(host != ONES);
    OK(cuStreamSynchronize(gpu.stream));
    HOLDS(host == ONES);
    until_deferred([] {
        Gpu gpu;
        CUdeviceptr y = gpu.memory(ONES);
        std::vector<float> host(LEN);
        OK(cuMemcpyDtoHAsync_v2(host.data(), y, BYTES, gpu.stream));
        host[0] = 7;  // as another owner of the memory would
        return cuStreamSynchronize(gpu.stream) == ILLEGAL_ADDRESS && host[1] != 1;
    });
}

void pinned_memory_is_read_late() {
    until_deferred([] {
        Gpu gpu;
        CUdeviceptr y = gpu.memory(ONES);
        void* pinned;
        OK(cuMemHostAlloc(&pinned, BYTES, 0));
        memset(pinned, 0, BYTES);
        OK(cuMemcpyHtoDAsync_v2(y, pinned, BYTES, gpu.stream));
        memset(pinned, 1, BYTES);
        bool changed = cuStreamSynchronize(gpu.stream) == ILLEGAL_ADDRESS;
        cuMemFreeHost(pinned);
        return changed;
    });
    until_deferred([] {
        Gpu gpu;
        CUdeviceptr y = gpu.memory(ONES);
        void* pinned;
        EXPECT(INVALID_VALUE, cuMemHostAlloc(&pinned, 0, 0));
        OK(cuMemHostAlloc(&pinned, BYTES, 0));
        memset(pinned, 0, BYTES);
        OK(cuMemcpyHtoDAsync_v2(y, pinned, BYTES, gpu.stream));
        return cuMemFreeHost(pinned) == ILLEGAL_ADDRESS;
    });
}

// Pageable memory may change as soon as the call returns, unless the GPU reads it by itself.
void pageable_memory(bool read_late) {
    bool changed = false;
    for (int tries = 0; tries < 200; tries++) {
        Gpu gpu;
        CUdeviceptr y = gpu.memory(ONES);
        std::vector<float> host(LEN, 5.0f);
        OK(cuMemcpyHtoDAsync_v2(y, host.data(), BYTES, gpu.stream));
        host.assign(LEN, 6.0f);
        CUresult waited = cuStreamSynchronize(gpu.stream);
        changed |= waited == ILLEGAL_ADDRESS;
        if (waited == SUCCESS) HOLDS(gpu.read(y) == std::vector<float>(LEN, 5.0f));
    }
    HOLDS(changed == read_late);
}

// Work of one stream runs in order, and in no order with that of another: both orders are seen.
void order() {
    bool first = false, second = false;
    for (int tries = 0; tries < 400; tries++) {
        Gpu gpu;
        CUstream other;
        OK(cuStreamCreate(&other, 1));
        CUdeviceptr y = gpu.memory(ONES);
        OK(cuMemsetD8Async(y, 1, BYTES, gpu.stream));
        OK(cuMemsetD8Async(y, 2, BYTES, gpu.stream));
        OK(cuMemsetD8Async(y, 3, BYTES, other));
        OK(cuStreamSynchronize(tries % 2 ? other : gpu.stream));
        OK(cuStreamSynchronize(tries % 2 ? gpu.stream : other));
        std::vector<float> found = gpu.read(y);
        char byte = *(char*)found.data();
        HOLDS(byte == 2 || byte == 3);
        (byte == 3 ? second : first) = true;
        OK(cuStreamDestroy_v2(other));
    }
    HOLDS(first && second);
}

// Every rule was broken above.
void all_rules_were_tested() {
    unsigned long count;
    size_t index = 0;
    for (const char* reason; (reason = falseDriverReason(index, &count)); index++)
        check(count > 0, __LINE__, std::string("no check breaks the rule: ") + reason);
    HOLDS(index > 20);
}
}  // namespace

int main(int count, char** arguments) {
    bool pageable = count > 1 && !strcmp(arguments[1], "pageable");
    calls_before_init();
    devices_and_contexts();
    handles();
    two_gpus();
    memory();
    memory_freed_in_use();
    a_graph_after_its_memory();
    waits_and_copies_in_a_capture();
    captures();
    events();
    modules_and_launches();
    a_kernel_out_of_bounds();
    downloads_are_late();
    pinned_memory_is_read_late();
    pageable_memory(pageable);
    order();
    all_rules_were_tested();
    printf("%d checks, %d failures\n", checks, failures);
    return failures != 0;
}
