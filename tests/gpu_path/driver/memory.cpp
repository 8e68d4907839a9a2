// Device memory, pinned host memory, copies and fills.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/uio.h>
#include <unistd.h>

#include "../../../kernels/emulator/functions.h"
#include "memory.h"

namespace {
constexpr size_t ALIGNMENT = 256;
constexpr unsigned char POISON = 0xA5;  // of host memory that a download has not written yet

using Bytes = std::vector<char>;

size_t used(Context* context) {
    size_t sum = 0;
    for (auto& [address, block] : state().blocks) if (block.context == context) sum += block.bytes;
    return sum;
}

// The range is no longer one of freed memory.
void forget_freed(uintptr_t address, size_t bytes) {
    auto& freed = state().freed;
    std::erase_if(freed, [=](auto& range) { return range.first < address + bytes && address < range.first + range.second; });
}

bool is_pinned(uintptr_t address, size_t bytes) {
    auto after = state().pinned.upper_bound(address);
    if (after == state().pinned.begin()) return false;
    const Pinned& found = std::prev(after)->second;
    return address + bytes <= found.address + found.bytes;
}

// Copies host memory that may not exist any more. False if it does not.
bool read_host(uintptr_t host, Bytes& to) {
    iovec local{to.data(), to.size()}, remote{(void*)host, to.size()};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == ssize_t(to.size());
}
void write_host(uintptr_t host, const char* from, size_t bytes) {
    iovec local{(void*)from, bytes}, remote{(void*)host, bytes};
    if (process_vm_writev(getpid(), &local, 1, &remote, 1, 0) != ssize_t(bytes)) refuse(HOST_CHANGED, "freed before a download");
}

// Memory that a copy or fill of `bytes` may touch.
uint64_t checked(CUdeviceptr address, size_t bytes) {
    const Block* block = block_at(address);
    if (!block && is_freed(address)) refuse(USED_AFTER_FREE);
    if (!block || address + bytes > block->address + block->bytes) refuse(OUTSIDE);
    if (block->context != current()) refuse(OTHER_CONTEXT, "memory");
    return block->number;
}
}  // namespace

const Block* block_at(uintptr_t address) {
    auto after = state().blocks.upper_bound(address);
    if (after == state().blocks.begin()) return nullptr;
    const Block& found = std::prev(after)->second;
    return address < found.address + found.bytes ? &found : nullptr;
}
bool is_freed(uintptr_t address) {
    auto after = state().freed.upper_bound(address);
    return after != state().freed.begin() && address < std::prev(after)->first + std::prev(after)->second;
}

CUresult cuMemGetInfo_v2(size_t* free, size_t* total) {
    return call("cuMemGetInfo_v2", CONTEXT, [=] { *total = settings().memory; *free = *total - used(current()); });
}
CUresult cuMemAlloc_v2(CUdeviceptr* address, size_t bytes) {
    return call("cuMemAlloc_v2", CONTEXT, [=] {
        not_in_strict_capture("memory");
        if (!bytes) refuse(EMPTY_ALLOCATION);
        if (bytes > settings().memory - used(current())) throw Refused{OUT_OF_MEMORY};
        size_t whole = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        void* data = emu_alloc(whole, false);
        if (!data) throw Refused{OUT_OF_MEMORY};
        Block block{(uintptr_t)data, whole, ++state().last_number, current()};
        forget_freed(block.address, block.bytes);
        state().blocks[block.address] = block;
        state().block_numbers.insert(block.number);
        *address = block.address;
    });
}
CUresult cuMemFree_v2(CUdeviceptr address) {
    return call("cuMemFree_v2", CONTEXT, [=] {
        not_in_strict_capture("memory");
        auto found = state().blocks.find(address);
        if (found == state().blocks.end()) refuse(FREED_TWICE);
        Block block = found->second;
        if (block.context != current()) refuse(OTHER_CONTEXT, "memory");
        auto uses = [=](const Operation& work) {
            return std::find(work.blocks.begin(), work.blocks.end(), block.number) != work.blocks.end();
        };
        if (is_waiting(uses)) {
            lose(current(), code_of(FREED_IN_USE), "memory freed in use");
            refuse(FREED_IN_USE);
        }
        state().freed[block.address] = block.bytes;
        state().block_numbers.erase(block.number);
        state().blocks.erase(found);
        emu_free((void*)block.address);
    });
}

CUresult cuMemHostAlloc(void** address, size_t bytes, unsigned) {
    return call("cuMemHostAlloc", CONTEXT, [=] {
        not_in_strict_capture("pinned memory");
        if (!bytes) refuse(EMPTY_ALLOCATION);
        *address = malloc(bytes);
        if (!*address) throw Refused{OUT_OF_MEMORY};
        memset(*address, POISON, bytes);
        state().pinned[(uintptr_t)*address] = {(uintptr_t)*address, bytes, current()};
    });
}
CUresult cuMemFreeHost(void* address) {
    return call("cuMemFreeHost", CONTEXT, [=] {
        auto found = state().pinned.find((uintptr_t)address);
        if (found == state().pinned.end()) refuse(FREED_TWICE, "pinned");
        Pinned pinned = found->second;
        if (pinned.context != current()) refuse(OTHER_CONTEXT, "pinned memory");
        auto uses = [=](const Operation& work) {
            return work.host < pinned.address + pinned.bytes && pinned.address < work.host + work.host_bytes;
        };
        if (is_waiting(uses)) {
            lose(current(), code_of(FREED_IN_USE), "pinned memory freed in use");
            refuse(FREED_IN_USE, "pinned");
        }
        state().pinned.erase(found);
        free(address);
    });
}

// Pinned memory is read when the copy runs, and pageable memory too if the GPU reads it by itself; otherwise the driver has copied
// pageable memory when it returns.
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr target, const void* source, size_t bytes, CUstream handle) {
    return call("cuMemcpyHtoDAsync_v2", CONTEXT, [=] {
        Stream* stream = stream_of(handle);
        auto host = (uintptr_t)source;
        bool pinned = is_pinned(host, bytes), late = pinned || settings().pageable;
        if (!pinned) not_in_capture(stream, HOST_IN_CAPTURE);
        Operation copy{"an upload", {checked(target, bytes)}, nullptr, 0, 0, nullptr};
        if (late) copy.host = host, copy.host_bytes = bytes;
        Bytes now((const char*)source, (const char*)source + bytes);
        bool in_graph = stream->capturing;  // a graph reads what is there when it runs
        copy.run = [=]() -> std::string {
            Bytes then = now;
            if (late && !read_host(host, then)) refuse(HOST_CHANGED, "freed before an upload");
            if (!in_graph && then != now) refuse(HOST_CHANGED, "before an upload");
            memcpy((void*)target, then.data(), bytes);
            return "";
        };
        submit(stream, std::move(copy));
    });
}
// The bytes arrive when the copy runs. Until then the host memory holds nonsense.
CUresult cuMemcpyDtoHAsync_v2(void* target, CUdeviceptr source, size_t bytes, CUstream handle) {
    return call("cuMemcpyDtoHAsync_v2", CONTEXT, [=] {
        Stream* stream = stream_of(handle);
        auto host = (uintptr_t)target;
        if (!is_pinned(host, bytes)) not_in_capture(stream, HOST_IN_CAPTURE);
        Operation copy{"a download", {checked(source, bytes)}, nullptr, host, bytes, nullptr};
        bool in_graph = stream->capturing;
        if (!in_graph) memset(target, POISON, bytes);
        copy.run = [=] {
            Bytes then(bytes);
            if (!read_host(host, then)) refuse(HOST_CHANGED, "freed before a download");
            auto is_poison = [](char byte) { return (unsigned char)byte == POISON; };
            if (!in_graph && !std::all_of(then.begin(), then.end(), is_poison)) refuse(HOST_CHANGED, "before a download");
            write_host(host, (const char*)source, bytes);
            return std::string();
        };
        submit(stream, std::move(copy));
    });
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream handle) {
    return call("cuMemcpyDtoDAsync_v2", CONTEXT, [=] {
        Operation copy{"a copy", {checked(target, bytes), checked(source, bytes)}, nullptr, 0, 0, nullptr};
        copy.run = [=] { memmove((void*)target, (void*)source, bytes); return std::string(); };
        submit(stream_of(handle), std::move(copy));
    });
}
CUresult cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t bytes, CUstream handle) {
    return call("cuMemsetD8Async", CONTEXT, [=] {
        Operation fill{"a fill", {checked(target, bytes)}, nullptr, 0, 0, nullptr};
        fill.run = [=] { memset((void*)target, value, bytes); return std::string(); };
        submit(stream_of(handle), std::move(fill));
    });
}
