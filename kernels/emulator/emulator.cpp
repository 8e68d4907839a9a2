// The functions that the engine calls: memory with guard pages, launches, removal of one barrier, and reading of specs.
#include "../dev.cuh"
#include "../spec.cuh"
#include "signals.h"

namespace {
constexpr size_t ALIGNMENT = 16;  // of a buffer's first element; kernels rely on it

struct Block { char* map; size_t map_bytes; char* data; size_t bytes; };
std::mutex lock;
std::map<uintptr_t, Block>& blocks() { static std::map<uintptr_t, Block> all; return all; }
size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

// The bytes between the end and the guard page of every buffer whose address is among the arguments.
std::vector<emu::Slack> slacks(void** arguments, const std::vector<size_t>& sizes) {
    std::lock_guard<std::mutex> guard(lock);
    std::vector<emu::Slack> found;
    for (size_t i = 0; i < sizes.size(); i++)
        for (size_t word = 0; word < sizes[i] / 8; word++) {
            uintptr_t address;
            memcpy(&address, (char*)arguments[i] + 8 * word, 8);
            auto it = blocks().find(address);
            if (it == blocks().end()) continue;
            const Block& b = it->second;
            found.push_back({b.data + b.bytes, b.map + b.map_bytes - emu::PAGE_BYTES, i});
        }
    return found;
}

int report(const std::string& message, char* error, size_t capacity) {
    snprintf(error, capacity, "%s", message.c_str());
    return !message.empty();
}

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
}  // namespace

std::string emu::describe_address(uintptr_t address) {
    std::lock_guard<std::mutex> guard(lock);
    auto after = blocks().upper_bound(address);
    if (after == blocks().begin()) return "";
    const Block& b = std::prev(after)->second;
    uintptr_t end = (uintptr_t)b.data + b.bytes;
    if (address < end || address >= (uintptr_t)b.map + b.map_bytes) return "";
    return ", " + std::to_string(address - end) + " bytes past the end of a buffer of " + std::to_string(b.bytes) + " bytes";
}

void emu_link_all();

// Poisoned memory that ends at a guard page, or null.
extern "C" void* emu_alloc(size_t bytes) {
    size_t inner = round_up(bytes ? bytes : 1, ALIGNMENT), map_bytes = round_up(inner, emu::PAGE_BYTES) + emu::PAGE_BYTES;
    void* map = mmap(nullptr, map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) return nullptr;
    Block b{(char*)map, map_bytes, (char*)map + map_bytes - emu::PAGE_BYTES - inner, bytes};
    emu::fill_poison(b.map, map_bytes - emu::PAGE_BYTES);
    mprotect(b.map + map_bytes - emu::PAGE_BYTES, emu::PAGE_BYTES, PROT_NONE);
    std::lock_guard<std::mutex> guard(lock);
    blocks()[(uintptr_t)b.data] = b;
    return b.data;
}
// Poisons memory again.
extern "C" void emu_poison(void* data, size_t bytes) { emu::fill_poison(data, bytes); }
extern "C" void emu_free(void* data) {
    std::lock_guard<std::mutex> guard(lock);
    auto it = blocks().find((uintptr_t)data);
    if (it == blocks().end()) return;
    munmap(it->second.map, it->second.map_bytes);
    blocks().erase(it);
}
// Launches a kernel. Returns 0, or 1 with a message in `error`. After a fault, `trail` has TRAIL instructions that it may have come from,
// the nearest first; otherwise zeros.
extern "C" int emu_launch(const char* name, const unsigned* grid, const unsigned* block, size_t shared, uint64_t seed, void** arguments,
                          const size_t* sizes, size_t count, char* error, size_t capacity, uint64_t* trail) {
    emu_link_all();
    emu::catch_signals();
    memset(trail, 0, emu::TRAIL * sizeof *trail);
    auto it = emu::registry().find(name);
    if (it == emu::registry().end()) return report("there is no such kernel", error, capacity);
    const auto& wanted = it->second.sizes;
    if (count != wanted.size()) return report("takes " + std::to_string(wanted.size()) + " arguments, got " + std::to_string(count), error, capacity);
    for (size_t i = 0; i < count; i++)
        if (sizes[i] != wanted[i]) return report("argument " + std::to_string(i) + " has " + std::to_string(wanted[i]) + " bytes, got " + std::to_string(sizes[i]), error, capacity);
    emu::own().slacks = slacks(arguments, wanted);
    std::string message = it->second.launch(dim3(grid[0], grid[1], grid[2]), dim3(block[0], block[1], block[2]), shared, seed, arguments);
    memcpy(trail, emu::own().trail, emu::TRAIL * sizeof *trail);
    return report(message, error, capacity);
}

// Makes this OS thread skip the barrier or wait at file:line; line 0 skips nothing. Returns how often the previous one was skipped.
extern "C" uint64_t emu_omit(const char* file, int line) {
    static thread_local std::string kept;
    kept = file;
    uint64_t hits = emu::own().omit_hits;
    emu::own().omitted = {kept.c_str(), line};
    emu::own().omit_hits = 0;
    return hits;
}

// Writes the fields of the spec `name`, as kernels read them from its bytes, as a JSON object of up to `capacity` bytes to `text`. Returns
// the length of the object, or 0 if no spec has this name and size.
extern "C" size_t emu_read_spec(const char* name, const void* bytes, size_t size, char* text, size_t capacity) {
    std::string found = read_spec(name, bytes, size);
    memcpy(text, found.data(), std::min(found.size(), capacity));
    return found.size();
}

// The name of kernel number `index` in alphabetical order, or null past the last one.
extern "C" const char* emu_kernel(size_t index) {
    emu_link_all();
    for (auto& [name, entry] : emu::registry()) if (!index--) return name.c_str();
    return nullptr;
}
