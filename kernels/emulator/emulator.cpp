// The functions that the engine calls: memory with guard pages, launches, removal of one barrier, and reading of
// specs; see functions.h. Compiled once for the plain kernels, and once for the observed ones.
#include "../dev.cuh"
#include "../spec.cuh"
#include "signals.h"
#include "functions.h"
#ifdef OBSERVED
#include "arena.h"
#endif

namespace {
constexpr size_t ALIGNMENT = 16;  // of a buffer's first element; kernels rely on it

struct Block { char* map; size_t map_bytes; char* data; size_t bytes; };
std::mutex lock;
std::map<uintptr_t, Block>& blocks() { static std::map<uintptr_t, Block> all; return all; }
// Buffers that are parts of a block: their lengths in bytes.
std::map<uintptr_t, size_t>& parts() { static std::map<uintptr_t, size_t> all; return all; }
size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// Forgets the parts that overlap [begin, end).
void forget_parts(uintptr_t begin, uintptr_t end) {
    auto it = parts().lower_bound(begin);
    if (it != parts().begin() && std::prev(it)->first + std::prev(it)->second > begin) --it;
    while (it != parts().end() && it->first < end) it = parts().erase(it);
}

// Notes a buffer whose address is among the arguments, and for a block of its own the bytes between its end and its
// guard page.
void note_buffer(uintptr_t address, size_t argument) {
    auto part = parts().find(address);
    auto block = blocks().find(address);
    if (part != parts().end()) emu::own().buffers.push_back({address, address + part->second});
    else if (block != blocks().end()) emu::own().buffers.push_back({address, address + block->second.bytes});
    // The observer checks every access itself, and a sample's memory is not poisoned.
    if (emu::observe::ACTIVE || block == blocks().end()) return;
    const Block& b = block->second;
    emu::own().slacks.push_back({b.data + b.bytes, b.map + b.map_bytes - emu::PAGE_BYTES, argument});
}
void note_buffers(void** arguments, const std::vector<size_t>& sizes) {
    std::lock_guard<std::mutex> guard(lock);
    emu::own().slacks.clear();
    emu::own().buffers.clear();
    for (size_t i = 0; i < sizes.size(); i++)
        for (size_t word = 0; word < sizes[i] / 8; word++) {
            uintptr_t address;
            memcpy(&address, (char*)arguments[i] + 8 * word, 8);
            note_buffer(address, i);
        }
}

#ifdef OBSERVED
void* take_pages(size_t bytes) {
    std::lock_guard<std::mutex> guard(lock);
    return emu::arena.take(bytes);
}
void give_back_pages(void* pages, size_t bytes) { emu::Arena::give_back(pages, bytes); }
#else
void* take_pages(size_t bytes) {
    void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? nullptr : pages;
}
void give_back_pages(void* pages, size_t bytes) { munmap(pages, bytes); }
#endif

int report(const std::string& message, char* error, size_t capacity) {
    snprintf(error, capacity, "%s", message.c_str());
    return !message.empty();
}

#ifndef OBSERVED
std::string number(uint32_t value) { return std::to_string(value); }
std::string number(double value) {
    char text[32];
    snprintf(text, sizeof text, "%.17g", value);
    return text;
}
template <class T, size_t N> std::string number(const T (&values)[N]) {
    std::string list;
    for (const T& value : values) list += (list.empty() ? "[" : ", ") + number(value);
    return list + "]";
}
std::string object(const std::vector<std::pair<std::string, std::string>>& fields) {
    std::string list;
    for (auto& [name, value] : fields) list += (list.empty() ? "{\"" : ", \"") + name + "\": " + value;
    return list + "}";
}
#include "specs.h"  // written by build.rs from the text of the kernels
#endif
}  // namespace

std::string emu::describe_address(uintptr_t address) {
    std::lock_guard<std::mutex> guard(lock);
    auto after = blocks().upper_bound(address);
    auto of = [](const Block& b) { return " of a buffer of " + std::to_string(b.bytes) + " bytes"; };
    if (after != blocks().end() && address >= (uintptr_t)after->second.map)
        return ", " + std::to_string((uintptr_t)after->second.data - address) + " bytes before the start" + of(after->second);
    if (after == blocks().begin()) return "";
    const Block& b = std::prev(after)->second;
    uintptr_t end = (uintptr_t)b.data + b.bytes;
    if (address >= (uintptr_t)b.map + b.map_bytes) return "";
    if (address < end) return ", " + std::to_string(address - (uintptr_t)b.data) + " bytes after the start" + of(b);
    return ", " + std::to_string(address - end) + " bytes past the end" + of(b);
}

void emu_link_all();

extern "C" void* API(alloc)(size_t bytes, bool sparse) {
    size_t inner = round_up(bytes ? bytes : 1, ALIGNMENT), map_bytes = round_up(inner, emu::PAGE_BYTES) + emu::PAGE_BYTES;
    auto* map = (char*)take_pages(map_bytes);
    if (!map) return nullptr;
    Block b{map, map_bytes, map + map_bytes - emu::PAGE_BYTES - inner, bytes};
    if (!sparse) emu::fill_poison(b.map, map_bytes - emu::PAGE_BYTES);
    mprotect(b.map + map_bytes - emu::PAGE_BYTES, emu::PAGE_BYTES, PROT_NONE);
    std::lock_guard<std::mutex> guard(lock);
    blocks()[(uintptr_t)b.data] = b;
    return b.data;
}
extern "C" void API(poison)(void* data, size_t bytes, bool sparse) {
    if (!sparse) emu::fill_poison(data, bytes);
    std::lock_guard<std::mutex> guard(lock);
    forget_parts((uintptr_t)data, (uintptr_t)data + bytes);
    parts()[(uintptr_t)data] = bytes;
}
extern "C" void API(zero)(void* data, size_t bytes, bool sparse) {
    char *begin = (char*)data, *end = begin + bytes;
    char* first = (char*)round_up((uintptr_t)begin, emu::PAGE_BYTES);
    char* last = (char*)((uintptr_t)end / emu::PAGE_BYTES * emu::PAGE_BYTES);
    if (!sparse || first >= last || madvise(first, last - first, MADV_DONTNEED)) { memset(data, 0, bytes); return; }
    memset(begin, 0, first - begin);
    memset(last, 0, end - last);
}
extern "C" void API(free)(void* data) {
    std::lock_guard<std::mutex> guard(lock);
    auto it = blocks().find((uintptr_t)data);
    if (it == blocks().end()) return;
    forget_parts((uintptr_t)data, (uintptr_t)data + it->second.bytes);
    give_back_pages(it->second.map, it->second.map_bytes);
    blocks().erase(it);
}
extern "C" int API(launch)(const char* name, const unsigned* grid, const unsigned* block, size_t shared,
                           const emu::Options* options, void** arguments, const size_t* sizes, size_t count, char* error,
                           size_t capacity, uint64_t* trail) {
    emu_link_all();
    emu::catch_signals();
    emu::observe::forget();
    memset(trail, 0, emu::TRAIL * sizeof *trail);
    auto it = emu::registry().find(name);
    if (it == emu::registry().end()) return report("there is no such kernel", error, capacity);
    const auto& wanted = it->second.sizes;
    if (count != wanted.size()) return report("takes " + std::to_string(wanted.size()) + " arguments, got " + std::to_string(count), error, capacity);
    for (size_t i = 0; i < count; i++)
        if (sizes[i] != wanted[i]) return report("argument " + std::to_string(i) + " has " + std::to_string(wanted[i]) + " bytes, got " + std::to_string(sizes[i]), error, capacity);
    note_buffers(arguments, wanted);
    dim3 blocks(grid[0], grid[1], grid[2]), threads(block[0], block[1], block[2]);
    std::string message = it->second.launch(blocks, threads, shared, *options, arguments);
    memcpy(trail, emu::own().trail, emu::TRAIL * sizeof *trail);
    return report(message, error, capacity);
}

extern "C" uint64_t API(omit)(const char* file, int line) {
    static thread_local std::string kept;
    kept = file;
    uint64_t hits = emu::own().omit_hits;
    emu::own().omitted = {kept.c_str(), line};
    emu::own().omit_hits = 0;
    return hits;
}

#ifndef OBSERVED
extern "C" size_t emu_read_spec(const char* name, const void* bytes, size_t size, char* text, size_t capacity) {
    std::string found = read_spec(name, bytes, size);
    memcpy(text, found.data(), std::min(found.size(), capacity));
    return found.size();
}

extern "C" const char* emu_kernel(size_t index) {
    emu_link_all();
    for (auto& [name, entry] : emu::registry()) if (!index--) return name.c_str();
    return nullptr;
}

extern "C" float emu_matrix_unit(float sum, const float* a, const float* b, uint32_t unit) {
    emu::Left left = {};
    emu::Right right = {};
    emu::Sums sums = {{sum}};
    for (unsigned k = 0; k < emu::MMA_DEPTH; k++) left[0][k] = a[k], right[k][0] = b[k];
    emu::multiply_add(sums, left, right, (emu::MatrixUnit)unit);
    return sums[0][0];
}
#endif
