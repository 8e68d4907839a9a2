// The observer of a launch. The observed kernels are compiled with -fsanitize=thread, which makes every load and
// store call a function, and with checks of shifts, conversions and array indices. Those libraries are not linked:
// the functions are defined here. They find races (shadow.h), reads of memory that was never written, accesses
// outside of the launch's buffers, and count requests (counters.h).
#include "std.h"

namespace observed {
#include "arena.h"
#include "counters.h"
#include "machine.h"
#include "shadow.h"
#include "signals.h"

namespace emu {
namespace {
constexpr size_t MAX_RACES = 64;  // different ones that a launch reports

// One side of a race. Rust reads this struct, and the next two (src/backend/cuda/driver/emulator/observation.rs).
struct Party { uint64_t pc, writes, block, thread; };
// Accesses of two instructions to the same bytes that nothing orders.
struct Race { Party earlier, later; uint64_t is_shared, count; };
struct Report {
    const SiteTotals* sites; size_t site_count;
    const Race* races; size_t race_count;
    uint64_t matrix_products, barriers, warp_barriers, shuffles, observed_blocks;
};
static_assert(sizeof(Party) == 32 && sizeof(Race) == 80 && sizeof(Report) == 72);

struct Observer {
    bool is_sample = false;
    std::vector<Region> shared, global;
    Shadow of_shared, of_global;
    Joiner joiner;
    std::vector<Race> races;
    uint32_t stamp = 0, block = 0;
    uint32_t warp_stamps[MAX_THREADS / LANES] = {};
    uint64_t weight = 1;
    uint64_t matrix_products = 0, barriers = 0, warp_barriers = 0, shuffles = 0, observed_blocks = 0;
};
Observer& observer() { static thread_local Observer own; return own; }

// Whether accesses are looked at, and a range with all shared arrays: a quick answer to the many accesses that are to
// local variables and to memory of the emulator itself.
struct Watch {
    bool active;
    uintptr_t begin, end;

    bool sees(uintptr_t at) const { return active && (arena.has(at) || at - begin < end - begin); }
    void include(uintptr_t first, uintptr_t past) {
        begin = begin == end ? first : std::min(begin, first);
        end = std::max(end, past);
    }
};
constinit thread_local Watch watch = {};

[[noreturn]] void fault(uint64_t pc, const std::string& what) {
    M->trail[0] = pc - 1;  // within the call
    fail(what);
}

// An access by the instruction number `site`.
Touch touch_now(Observer& o, uint32_t site) {
    Touch now;
    now.stamp = o.stamp;
    now.thread = M->current->linear;
    now.warp_stamp = o.warp_stamps[now.thread / LANES];
    now.block = o.block;
    now.site = site;
    return now;
}

Party party(const Observer& o, const Touch& touch, bool writes) {
    return {o.joiner.totals[touch.site].pc, writes, touch.block, touch.thread};
}
bool same_access(const Party& a, const Party& b) { return a.pc == b.pc && a.writes == b.writes; }

void note_race(Observer& o, const Party& earlier, const Party& later, bool is_shared) {
    for (Race& race : o.races)
        if (same_access(race.earlier, earlier) && same_access(race.later, later)) { race.count++; return; }
    if (o.races.size() < MAX_RACES) o.races.push_back({earlier, later, is_shared, 1});
}

void check_order(Observer& o, bool is_shared, uintptr_t at, size_t bytes, bool write, const Touch& now) {
    if (o.is_sample) return;
    auto race = [&](const Touch& earlier, bool wrote) {
        note_race(o, party(o, earlier, wrote), party(o, now, write), is_shared);
    };
    Shadow& shadow = is_shared ? o.of_shared : o.of_global;
    shadow.each(at, bytes, [&](Cell& cell) { write ? cell.wrote(now, race) : cell.read(now, race); });
}

// Memory is filled with POISON before it is written. No number that a kernel computes has this value.
bool is_unwritten(uintptr_t at, size_t bytes) {
    if (bytes == 2) return *(const uint16_t*)at == (uint16_t)POISON;
    for (uintptr_t word = at; at % 4 == 0 && word + 4 <= at + bytes; word += 4)
        if (*(const uint32_t*)word == POISON) return true;
    return false;
}
void check_written(uintptr_t at, size_t bytes, bool shared, uint64_t pc) {
    if (!is_unwritten(at, bytes)) return;
    // In another schedule a missing barrier would be seen as a race.
    const char* why = shared ? ": perhaps another thread writes it, and nothing makes this one wait" : "";
    fault(pc, std::string("a read of memory that was never written") + why);
}

const Region* find(const std::vector<Region>& regions, uintptr_t at) {
    for (const Region& region : regions) if (at >= region.begin && at < region.end) return &region;
    return nullptr;
}
// The buffer that has all of these bytes of global memory.
const Region& buffer(Observer& o, uintptr_t at, size_t bytes, uint64_t pc) {
    const Region* region = find(o.global, at);
    if (region && at + bytes <= region->end) return *region;
    fault(pc, "an access outside of the launch's buffers" + describe_address(region ? region->end : at));
}
// An address in global memory as the number of its buffer and the distance from the start of the buffer.
uint64_t global_address(Observer& o, const Region& region, uintptr_t at) {
    return (uint64_t(&region - o.global.data()) << 48) + (at - region.begin);
}

// One access of at most REQUEST_BYTES.
void access_part(Observer& o, const Region* shared, uintptr_t at, size_t bytes, bool write, uint64_t pc) {
    uint64_t global = shared ? 0 : global_address(o, buffer(o, at, bytes, pc), at);
    if (shared && at + bytes > shared->end) fault(pc, "an access past the end of a shared array");
    if (!write) check_written(at, bytes, shared, pc);
    Kind kind = shared ? (write ? SHARED_STORE : SHARED_LOAD) : (write ? GLOBAL_STORE : GLOBAL_LOAD);
    uint32_t site = o.joiner.site(pc, kind);
    check_order(o, shared, at, bytes, write, touch_now(o, site));
    o.joiner.add(M->current->linear, site, [&](Request& request, unsigned lane) {
        request.global[lane] = global;
        request.shared[lane] = at;
        request.bytes[lane] = request.shared_bytes[lane] = (uint32_t)bytes;
    });
}

__attribute__((noinline)) void seen_access(uintptr_t at, size_t bytes, bool write, uint64_t pc) {
    if (!M || !M->current) return;
    Observer& o = observer();
    const Region* shared = find(o.shared, at);
    if (!shared && !arena.has(at)) return;
    watch.active = false;  // until the end: what this calls may report its own accesses
    for (size_t done = 0; done < bytes; done += REQUEST_BYTES)
        access_part(o, shared, at + done, std::min<size_t>(REQUEST_BYTES, bytes - done), write, pc);
    watch.active = true;
}
// A load or store of a kernel. Accesses to other memory, as that of the emulator itself, do not count.
inline void access(const void* p, size_t bytes, bool write, uint64_t pc) {
    if (watch.sees((uintptr_t)p)) seen_access((uintptr_t)p, bytes, write, pc);
}
}  // namespace

namespace observe {
// With more blocks than `sample`, the grid is cut into `sample` parts of equal size, and one block of each stands for
// its part. Where it lies in the part differs from part to part (multiples of the golden ratio), because blocks at
// equal distances can all be those at the border of an image.
uint64_t weight(uint64_t block, uint64_t blocks, uint64_t sample) {
    if (!sample || blocks <= sample) return 1;
    constexpr uint32_t golden = 2654435769;  // 2^32 divided by the golden ratio
    uint64_t part = ((block + 1) * sample - 1) / blocks, begin = part * blocks / sample,
             end = (part + 1) * blocks / sample;
    uint32_t fraction = (uint32_t)(part + 1) * golden;
    return block - begin == ((end - begin) * fraction >> 32) ? end - begin : 0;
}

void forget() {
    Observer& o = observer();
    o.joiner.begin(0);
    o.races.clear();
    o.matrix_products = o.barriers = o.warp_barriers = o.shuffles = o.observed_blocks = 0;
}
void begin_launch(const std::vector<Region>& regions, unsigned threads, bool is_sample) {
    Observer& o = observer();
    o.is_sample = is_sample;
    o.shared.clear();
    o.global = regions;
    o.joiner.begin(threads);
    o.stamp = 0;
    watch = {true, 0, 0};
}
void end_launch() {
    Observer& o = observer();
    watch.active = false;
    o.of_shared.clear();
    o.of_global.clear();
}
void begin_block(uint64_t block, uint64_t weight) {
    Observer& o = observer();
    watch.active = true;
    o.of_shared.clear();
    o.stamp++;
    o.block = (uint32_t)block;
    o.weight = weight;
    o.observed_blocks++;
}
void end_block() { observer().joiner.flush_all(observer().weight); }

Quiet::Quiet() : was_(std::exchange(watch.active, false)) {}
Quiet::~Quiet() { watch.active = was_; }

void shared_array(const void* begin, size_t bytes) {
    Observer& o = observer();
    auto at = (uintptr_t)begin;
    if (!bytes || find(o.shared, at)) return;
    o.shared.push_back({at, at + bytes});
    watch.include(at, at + bytes);
}
void block_barrier() {
    Observer& o = observer();
    o.joiner.flush_all(o.weight);
    o.stamp++;
    o.barriers += o.weight;
}
void warp_fence(unsigned warp) {
    Observer& o = observer();
    o.warp_stamps[warp]++;
    o.warp_barriers += o.weight;
}
void lanes_met(unsigned warp) { observer().joiner.flush(warp, observer().weight); }
void count_matrix(unsigned count) { observer().matrix_products += count * observer().weight; }
void count_shuffles(unsigned count) { observer().shuffles += count * observer().weight; }

// The source is read and the target written at some time between here and the wait.
void copy_issued(const void* target, const void* source, unsigned valid, unsigned bytes) {
    auto pc = (uint64_t)__builtin_return_address(0);
    Observer& o = observer();
    auto to = (uintptr_t)target, from = (uintptr_t)source;
    const Region* shared = find(o.shared, to);
    if (!shared || to + bytes > shared->end) fault(pc, "cp.async to memory outside of a shared array");
    uint32_t site = o.joiner.site(pc, COPY);
    Touch now = touch_now(o, site);
    uint64_t global = 0;
    if (valid) {
        global = global_address(o, buffer(o, from, valid, pc), from);
        check_written(from, valid, false, pc);
        check_order(o, false, from, valid, false, now);
    }
    now.pending = 1;
    check_order(o, true, to, bytes, true, now);
    o.joiner.add(M->current->linear, site, [&](Request& request, unsigned lane) {
        request.global[lane] = global;
        request.bytes[lane] = valid;
        request.shared[lane] = to;
        request.shared_bytes[lane] = bytes;
    });
}
void copy_landed(const void* target, unsigned bytes) {
    Observer& o = observer();
    if (o.is_sample) return;
    Touch now = touch_now(o, 0);
    o.of_shared.each((uintptr_t)target, bytes, [&](Cell& cell) { cell.landed(now); });
}
void matrix_row(const void* row) {
    auto pc = (uint64_t)__builtin_return_address(0);
    Observer& o = observer();
    auto at = (uintptr_t)row;
    const Region* shared = find(o.shared, at);
    if (!shared || at + REQUEST_BYTES > shared->end) fault(pc, "ldmatrix of memory outside of a shared array");
    check_written(at, REQUEST_BYTES, true, pc);
    uint32_t site = o.joiner.site(pc, MATRIX_LOAD);
    check_order(o, true, at, REQUEST_BYTES, false, touch_now(o, site));
    o.joiner.add(M->current->linear, site, [&](Request& request, unsigned lane) {
        request.shared[lane] = at;
        request.shared_bytes[lane] = REQUEST_BYTES;
    });
}
}  // namespace observe
}  // namespace emu

// What the last launch of this OS thread recorded; valid until its next one.
extern "C" emu::Report observed_report() {
    emu::Observer& o = emu::observer();
    const auto& sites = o.joiner.totals;
    return {sites.data(), sites.size(), o.races.data(), o.races.size(), o.matrix_products, o.barriers, o.warp_barriers,
            o.shuffles, o.observed_blocks};
}

namespace {
void undefined(uint64_t pc, const char* what) {
    if (emu::M && emu::M->current) emu::fault(pc, what);
}
}  // namespace
}  // namespace observed

#define PC ((uint64_t)__builtin_return_address(0))
#define ACCESSES(bytes) \
    void __tsan_read##bytes(void* p) { observed::emu::access(p, bytes, false, PC); } \
    void __tsan_write##bytes(void* p) { observed::emu::access(p, bytes, true, PC); } \
    void __tsan_unaligned_read##bytes(void* p) { observed::emu::access(p, bytes, false, PC); } \
    void __tsan_unaligned_write##bytes(void* p) { observed::emu::access(p, bytes, true, PC); }
// Atomics of the C++ library.
#define ATOMICS(bits, type) \
    type __tsan_atomic##bits##_load(const volatile type* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); } \
    void __tsan_atomic##bits##_store(volatile type* p, type v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); } \
    type __tsan_atomic##bits##_fetch_add(volatile type* p, type v, int) { \
        return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); \
    }

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
void __tsan_read_range(void* p, unsigned long bytes) { observed::emu::access(p, bytes, false, PC); }
void __tsan_write_range(void* p, unsigned long bytes) { observed::emu::access(p, bytes, true, PC); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
ATOMICS(8, uint8_t)
ATOMICS(32, uint32_t)
ATOMICS(64, uint64_t)
void __ubsan_handle_shift_out_of_bounds(void*, void*, void*) {
    observed::undefined(PC, "a shift by at least the width of its operand");
}
void __ubsan_handle_float_cast_overflow(void*, void*) {
    observed::undefined(PC, "a conversion to an integer type that does not hold the value");
}
void __ubsan_handle_out_of_bounds(void*, void*) { observed::undefined(PC, "an index outside of its array"); }
}
