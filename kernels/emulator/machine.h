// The emulated machine: runs blocks one after another and the fibers of a block in an order drawn from a seed, with
// barriers and warp collectives.
#pragma once
#include "fiber.h"
#include "observe.h"

struct uint3 { unsigned x, y, z; };
struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

namespace emu {
constexpr size_t MAX_SHARED_BYTES = 232448;  // 227 KiB, what one block may have on sm_90
constexpr unsigned MAX_THREADS = 1024;
constexpr unsigned TRAIL = 64;  // instructions that a bad access may have come from

// The value of unwritten memory: a signalling NaN as a float, and in both halves as a bf16. Arithmetic on it traps, and
// would produce the quiet NaN below; for a bf16, only the upper half of it.
constexpr uint32_t POISON = 0x7FA57FA5, QUIET_POISON = POISON | 0x00400000;
inline bool is_quiet_poison(uint32_t bits) { return bits == QUIET_POISON || bits == (QUIET_POISON & 0xFFFF0000); }
inline unsigned char poison_byte(const void* p) { return POISON >> ((uintptr_t)p % 4 * 8); }
inline void fill_poison(void* p, size_t bytes) {
    wmemset((wchar_t*)p, POISON, bytes / 4);
    memset((char*)p + bytes / 4 * 4, 0xFF, bytes % 4);
}

// A place in a kernel file. As a default argument, HERE is the place of the caller.
struct Site { const char* file; int line; };
#define HERE {__builtin_FILE(), __builtin_LINE()}
// A cp.async in flight.
struct Copy {
    void* target;
    const void* source;
    unsigned valid, bytes;
    int group;
    Site site;
    bool done = false;
};
// Bytes between the end of a buffer and its guard page; they stay poison.
struct Slack { char *begin, *end; size_t argument; };
// A copy of a tile, or a product of a group of four warps, that has not happened yet; see hopper.h.
struct TileLoad { void* target; const void* map; uint64_t* barrier; int at[4]; };
struct Product {
    float* d;
    uint64_t a, b;
    uint32_t registers[4];
    int columns;
    bool in_registers, transposed_a, transposed_b;
    int group;
};
struct Fiber {
    void* sp; char* top; uint3 tid; unsigned linear; bool done;
    Site waits;  // the barrier or collective where it waits, if it does
    std::vector<Copy> pending; int group;
    std::vector<Product> products; int product_group;
};
struct Warp {  // state of the lanes and of their collective: a shuffle, mma or ldmatrix
    unsigned ready, arrived, live, priority;  // bit masks over the lanes
    unsigned spinning;                        // lanes that wait for a barrier in shared memory
    alignas(16) uint32_t in[32][12]; alignas(16) uint32_t out[32][8];
};
enum MatrixUnit : uint32_t { IN_SEQUENCE, AMPERE, HOPPER };  // the arithmetic of mma, see matrix_unit.h
// out = the sums of all lanes after mma m16n8k16. in: of each lane, its parts of a (4 words), b (2) and the sums (4).
void multiply_fragments(Warp& warp, MatrixUnit unit);
struct Options {  // of a launch; Rust writes this struct
    uint64_t seed = 0;       // 0 means index order; any other seed shuffles threads and blocks
    uint64_t sample = 0;     // observed kernels only: run this many blocks of the grid, 0 for all
    MatrixUnit matrix_unit = IN_SEQUENCE;
    uint32_t padding = 0;
};
static_assert(sizeof(Options) == 24);
enum Order { IN_ORDER, UNIFORM, GREEDY, PRIORITY };  // which fiber runs next, see next_fiber()

struct Machine {
    Fiber* current = nullptr;
    uint3 block{};
    dim3 block_dim, grid_dim;
    unsigned threads = 0, alive = 0, waiting = 0;
    Site barrier_site{};
    std::vector<Fiber> fibers;
    std::vector<Warp> warps;
    uint32_t ready_warps = 0;  // a bit per warp with a ready lane
    void* home = nullptr;      // the scheduler's own stack
    Stacks stacks;
    std::vector<char> shared;
    size_t dynamic_shared = 0;
    unsigned last_warp = 0;
    uint64_t rng = 1, serial = 0;  // serial counts blocks, so that static shared memory is poisoned once per block
    Order order = UNIFORM;
    bool lazy_copies = false;
    MatrixUnit matrix_unit = IN_SEQUENCE;
    std::vector<TileLoad> loads;  // of tiles, in flight
    void (*land)(const TileLoad&) = nullptr;
    void (*thunk)(void*) = nullptr;
    void* thunk_arguments = nullptr;
    std::string error;
    uint64_t trail[TRAIL] = {}, fault_address = 0;  // instructions of a bad access, the nearest first
    uint64_t stepping = 0;                          // the instruction being single-stepped, or 0
    std::vector<Slack> slacks;                      // of the launch's buffers
    std::vector<Region> buffers;                    // those buffers
    const Slack* watched = nullptr;                 // the slack whose out-of-bounds write is being located
    Site omitted{};          // mutation testing: this barrier or wait is skipped
    uint64_t omit_hits = 0;

    uint32_t random() { rng ^= rng << 13; rng ^= rng >> 7; rng ^= rng << 17; return uint32_t(rng >> 32); }
    unsigned below(unsigned k) { return unsigned((uint64_t(random()) * k) >> 32); }
};
inline Machine& own() { static thread_local Machine machine; return machine; }
inline constinit thread_local Machine* M = nullptr;  // set during a launch on this OS thread

inline const char* base_name(const char* path) {
    const char* slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
inline std::string describe(Site s) { return std::string(base_name(s.file)) + ":" + std::to_string(s.line); }
inline bool same(Site a, Site b) { return a.line == b.line && !strcmp(a.file, b.file); }
inline bool omit(Site s) {
    if (s.line != M->omitted.line || !M->omitted.file || strcmp(base_name(s.file), M->omitted.file)) return false;
    M->omit_hits++;
    return true;
}

inline void make_ready(unsigned wi, uint32_t lanes) {
    M->warps[wi].ready |= lanes;
    if (M->warps[wi].ready) M->ready_warps |= 1u << wi;
}
inline unsigned random_bit(uint32_t m) {
    unsigned r = M->random() & 31;
    return (__builtin_ctz(m >> r | m << (-r & 31)) + r) & 31;
}
inline unsigned highest_priority() {
    unsigned best = 0, chosen = 0;
    for (uint32_t m = M->ready_warps; m; m &= m - 1) {
        unsigned k = __builtin_ctz(m);
        if (M->warps[k].priority >= best) best = M->warps[k].priority, chosen = k;
    }
    return chosen;
}
inline unsigned next_fiber() {  // chooses the next runnable fiber
    Machine& m = *M;
    unsigned wi;
    switch (m.order) {
    case IN_ORDER: wi = __builtin_ctz(m.ready_warps); break;
    // One warp runs as far as it can.
    case GREEDY: wi = m.ready_warps >> m.last_warp & 1 ? m.last_warp : random_bit(m.ready_warps); break;
    case PRIORITY: wi = highest_priority(); break;
    default: wi = random_bit(m.ready_warps);
    }
    Warp& w = m.warps[wi];
    unsigned lane = m.order == IN_ORDER ? __builtin_ctz(w.ready) : random_bit(w.ready);
    if (!(w.ready &= ~(1u << lane))) m.ready_warps &= ~(1u << wi);
    m.last_warp = wi;
    return wi * 32 + lane;
}
// Completes one of the copies of tiles in flight.
inline void land_one() {
    unsigned i = M->below(M->loads.size());
    TileLoad load = M->loads[i];
    M->loads[i] = M->loads.back();
    M->loads.pop_back();
    M->land(load);
}
inline void run_next(void** save) {  // switches from the current stack to another fiber, or to the scheduler
    Fiber* me = M->current;
    while (!M->ready_warps && !M->loads.empty() && M->error.empty()) land_one();
    if (!M->ready_warps || !M->error.empty()) { M->current = nullptr; swap_stack(save, M->home); return; }
    M->current = &M->fibers[next_fiber()];
    if (M->current != me) swap_stack(save, M->current->sp);
}
inline void park() { Fiber* me = M->current; run_next(&me->sp); }

// Ends the launch with a message. Only the first message is kept.
[[noreturn]] inline void fail(const std::string& what) {
    Fiber* me = M->current;
    char where[160];
    snprintf(where, sizeof where, " (block %u,%u,%u thread %u,%u,%u)", M->block.x, M->block.y, M->block.z, me->tid.x,
             me->tid.y, me->tid.z);
    if (M->error.empty()) M->error = what + where;
    for (;;) run_next(&me->sp);
}
inline void check_aligned(const void* p, unsigned bytes, const char* what, Site s) {
    if ((uintptr_t)p % bytes)
        fail(describe(s) + ": " + what + " needs an address that is a multiple of " + std::to_string(bytes));
}

inline void release_barrier() {
    observe::block_barrier();
    M->waiting = 0;
    for (unsigned i = 0; i < M->warps.size(); i++) make_ready(i, M->warps[i].live);
}
__attribute__((noinline)) inline void barrier(Site s) {
    if (omit(s)) return;
    if (M->waiting && !same(s, M->barrier_site))
        fail(describe(s) + ": threads of one block wait at different __syncthreads, the others at " +
             describe(M->barrier_site));
    if (M->alive < M->threads)
        fail(describe(s) + ": __syncthreads after " + std::to_string(M->threads - M->alive) +
             " threads of the block have returned");
    M->barrier_site = M->current->waits = s;
    if (++M->waiting == M->alive) release_barrier();
    park();
}
inline unsigned lane() { return M->current->linear & 31; }
// Each lane of `mask` writes in[lane]. The last lane to arrive runs `f` for all of them, then each reads out[lane].
template <class F> inline Warp& collective(unsigned mask, const void* in, size_t bytes, F f, Site s = HERE) {
    Fiber* me = M->current;
    Warp& w = M->warps[me->linear >> 5];
    unsigned bit = 1u << (me->linear & 31);
    if (!(mask & bit)) fail(describe(s) + ": a lane is not in its own mask");
    if (mask & ~w.live) fail(describe(s) + ": a mask names a lane that has returned or does not exist");
    if (unsigned others = w.arrived & mask) {
        Site theirs = M->fibers[(me->linear & ~31u) + __builtin_ctz(others)].waits;
        if (!same(s, theirs))
            fail(describe(s) + ": lanes of one warp meet in different collectives, the others at " + describe(theirs));
    }
    memcpy(w.in[me->linear & 31], in, bytes);
    w.arrived |= bit;
    if ((w.arrived & mask) == mask) {
        {
            observe::Quiet quiet;  // f reads memory for all lanes, which have reported it
            f(w);
        }
        if (mask == w.live) observe::lanes_met(me->linear >> 5);
        w.arrived &= ~mask;
        make_ready(me->linear >> 5, mask & ~bit);
    } else {
        me->waits = s;
        park();
    }
    return w;
}

// All lanes wait for each other, and then each sees what the others wrote before.
inline void fence_warp(unsigned mask, Site s) {
    if (omit(s)) return;
    unsigned warp = M->current->linear >> 5;
    if (observe::ACTIVE && mask != M->warps[warp].live)
        fail(describe(s) + ": the observer follows a __syncwarp of all lanes only");
    collective(mask, &mask, sizeof mask, [warp](Warp&) { observe::warp_fence(warp); }, s);
}
// Waits until something happens to a barrier in shared memory.
inline void spin(Site s) {
    Fiber* me = M->current;
    me->waits = s;
    M->warps[me->linear >> 5].spinning |= 1u << (me->linear & 31);
    if (!M->loads.empty() && M->below(4) == 0) land_one();
    park();
}
inline void wake_spinning() {
    for (unsigned i = 0; i < M->warps.size(); i++) { make_ready(i, M->warps[i].spinning); M->warps[i].spinning = 0; }
}
inline void start_load(const TileLoad& load, void (*land)(const TileLoad&)) {
    M->land = land;
    if (M->lazy_copies) M->loads.push_back(load);
    else land(load);
}

inline char* shared_base() { return (char*)(((uintptr_t)M->shared.data() + 1023) & ~uintptr_t(1023)); }
// Begins the life of a shared array in a block, when its first thread comes by.
template <class X> inline void poison(X& x, uint64_t& seen) {
    if (seen == M->serial) return;
    seen = M->serial;
    fill_poison((void*)&x, sizeof x);
    observe::shared_array(&x, sizeof x);
}

// Performs a copy once. Bytes beyond `valid` become zeros.
inline void complete(Copy& c) {
    if (c.done) return;
    observe::Quiet quiet;  // the observer knows copies by their beginning and end
    memcpy(c.target, c.source, c.valid);
    memset((char*)c.target + c.valid, 0, c.bytes - c.valid);
    c.done = true;
}
inline void start_copy(Copy c) {
    if (!M->lazy_copies) complete(c);
    M->current->pending.push_back(c);
}
// Completes the copies of all groups up to `last`.
inline void finish_copies(Fiber* f, int last) {
    size_t kept = 0;
    for (auto& c : f->pending) {
        if (c.group > last) f->pending[kept++] = c;
        else { complete(c); observe::copy_landed(c.target, c.bytes); }
    }
    f->pending.resize(kept);
}
inline void fiber_main() {
    M->thunk(M->thunk_arguments);
    Fiber* me = M->current;
    if (!me->pending.empty())
        fail(describe(me->pending[0].site) + ": cp.async never waited for, and the thread has returned");
    if (!me->products.empty()) fail("a product of a group of warps was never waited for, and the thread has returned");
    if (M->waiting)
        fail(describe(M->barrier_site) + ": threads of one block wait at __syncthreads that this one never reached");
    me->done = true;
    M->alive--;
    M->warps[me->linear >> 5].live &= ~(1u << (me->linear & 31));
    void* dead;
    for (;;) run_next(&dead);
}

inline void start_block() {
    Machine& m = *M;
    m.alive = m.threads;
    m.waiting = 0;
    m.serial++;
    observe::shared_array(shared_base(), m.dynamic_shared);
    m.ready_warps = 0;
    m.loads.clear();
    fill_poison(m.shared.data(), m.shared.size());
    for (unsigned i = 0; i < m.warps.size(); i++) {
        Warp& w = m.warps[i];
        w.arrived = w.ready = w.spinning = 0;
        w.priority = m.random();
        w.live = m.threads - 32 * i >= 32 ? ~0u : (1u << (m.threads - 32 * i)) - 1;
        make_ready(i, w.live);
    }
    for (unsigned i = 0; i < m.threads; i++) {
        Fiber& f = m.fibers[i];
        f.linear = i;
        f.done = false;
        f.pending.clear();
        f.group = 0;
        f.products.clear();
        f.product_group = 0;
        f.tid = {i % m.block_dim.x, i / m.block_dim.x % m.block_dim.y, i / (m.block_dim.x * m.block_dim.y)};
        f.top = m.stacks.top(i);
        f.sp = fresh_stack(f.top, fiber_main);
    }
}
inline std::string describe_block() {
    char text[64];
    snprintf(text, sizeof text, " (block %u,%u,%u)", M->block.x, M->block.y, M->block.z);
    return text;
}
inline void report_deadlock() {
    std::map<std::string, unsigned> places;
    for (auto& f : M->fibers) if (!f.done) places[describe(f.waits)]++;
    M->error = "deadlock:";
    const char* separator = " ";
    for (auto& [place, threads] : places) {
        M->error +=
            separator + std::to_string(threads) + (threads == 1 ? " thread waits at " : " threads wait at ") + place;
        separator = ", ";
    }
    M->error += describe_block();
}
inline bool run_block() {
    start_block();
    M->current = &M->fibers[next_fiber()];
    swap_stack(&M->home, M->current->sp);
    if (M->error.empty() && M->alive) report_deadlock();
    return M->error.empty();
}

inline bool overrun(const Slack& s) {
    for (char* p = s.begin; p < s.end; p++) if ((unsigned char)*p != poison_byte(p)) return true;
    return false;
}
inline void protect(const Slack& s, int protection) { mprotect(s.end - PAGE_BYTES, PAGE_BYTES, protection); }
// Finds the line that wrote past the end of a buffer: runs the block again and traps every access to the last page of
// the buffer.
inline void find_writer(const Slack& s, uint64_t rng) {
    for (char* p = s.begin; p < s.end; p++) *p = poison_byte(p);
    M->rng = rng;
    M->last_warp = 0;
    M->watched = &s;
    protect(s, PROT_NONE);
    bool silent = run_block();
    protect(s, PROT_READ | PROT_WRITE);
    M->watched = nullptr;
    if (silent) M->error = "wrote past the end of argument " + std::to_string(s.argument) + describe_block();
}

// While it exists, arithmetic on poison and every other invalid operation traps on this OS thread.
class TrapInvalid {
public:
    TrapInvalid() { _mm_setcsr(saved_ & ~(_MM_MASK_INVALID | _MM_EXCEPT_MASK)); }
    ~TrapInvalid() { _mm_setcsr(saved_); }

private:
    unsigned saved_ = _mm_getcsr();
};

// Runs a kernel. Returns "" or an error message.
inline std::string launch(dim3 grid, dim3 block, size_t shared, const Options& options, void (*thunk)(void*),
                          void* arguments) {
    Machine& m = own();
    size_t blocks = size_t(grid.x) * grid.y * grid.z;
    m.threads = block.x * block.y * block.z;
    if (!m.threads || m.threads > MAX_THREADS) return "a block of " + std::to_string(m.threads) + " threads";
    if (!blocks || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535)
        return "a grid of " + std::to_string(grid.x) + " x " + std::to_string(grid.y) + " x " + std::to_string(grid.z) +
               " blocks";
    if (shared > MAX_SHARED_BYTES) return std::to_string(shared) + " bytes of shared memory, more than 227 KiB";
    m.stacks.reserve(m.threads);
    if (m.stacks.count() < m.threads) return "no memory for " + std::to_string(m.threads) + " stacks";
    M = &m;
    m.error.clear();
    memset(m.trail, 0, sizeof m.trail);
    m.stepping = 0;
    m.block_dim = block;
    m.grid_dim = grid;
    m.order = IN_ORDER;
    m.rng = options.seed * 0x9E3779B97F4A7C15ull + 0x1234567;
    m.lazy_copies = false;
    m.matrix_unit = options.matrix_unit;
    m.fibers.resize(m.threads);
    m.warps.resize((m.threads + 31) / 32);
    m.shared.resize(shared + 1024);
    m.dynamic_shared = shared;
    m.thunk = thunk;
    m.thunk_arguments = arguments;
    std::vector<unsigned> sequence;
    for (size_t b = 0; b < blocks; b++) if (observe::weight(b, blocks, options.sample)) sequence.push_back((unsigned)b);
    if (options.seed) for (unsigned i = sequence.size(); i > 1; i--) std::swap(sequence[i - 1], sequence[m.below(i)]);
    TrapInvalid trap;
    observe::begin_launch(m.buffers, m.threads, options.sample > 0);
    for (unsigned b : sequence) {
        m.block = {b % grid.x, b / grid.x % grid.y, b / (grid.x * grid.y)};
        if (options.seed) { m.lazy_copies = m.random() & 1; m.order = Order(1 + m.below(3)); m.last_warp = 0; }
        uint64_t rng = m.rng;
        observe::begin_block(b, observe::weight(b, blocks, options.sample));
        if (!run_block()) break;
        observe::end_block();
        for (auto& s : m.slacks) if (overrun(s)) { find_writer(s, rng); break; }
        if (!m.error.empty()) break;
    }
    observe::end_launch();
    M = nullptr;
    return m.error;
}
}  // namespace emu
