// Hopper's instructions on the emulated machine, as the PTX manual describes them. Copies and products complete
// immediately or as late as the waits allow, depending on the seed. The observer does not follow them: they access
// memory by another way, the asynchronous proxy, whose order it does not model. Included by hopper.cuh only.
#pragma once

namespace emu {
// What `TensorMap` holds on the emulator, written by the driver in Rust: an array of bf16 with up to 4 dimensions,
// 128-byte swizzling.
struct Map { const char* base; uint64_t stride[4]; uint32_t dim[4], box[4]; };
static_assert(sizeof(Map) <= sizeof(TensorMap));
// What a barrier in shared memory holds.
struct Mbar { uint8_t phase, count; int16_t pending; int32_t bytes; };

inline uint32_t shared_offset(const void* p) { return uint32_t((const char*)p - shared_base()); }
// 128-byte swizzling: 16-byte parts of each row of 128 bytes change places, by the number of the row in shared memory.
inline char* swizzled(uint32_t offset) {
    if (offset + 1024 >= M->shared.size() + 2)
        fail("an operand or a tile ends " + std::to_string(offset) +
             " bytes into shared memory, behind what the block has");
    return shared_base() + (offset ^ (offset >> 7 & 7) << 4);
}

// Completes the phase of a barrier once everything has arrived.
inline void settle(Mbar* b) {
    observe::Quiet quiet;
    if (b->pending < 0) fail("more arrivals at a barrier in shared memory than it was made for");
    if (b->pending || b->bytes) return;
    b->phase ^= 1;
    b->pending = b->count;
    wake_spinning();
}
inline void land(const TileLoad& load) {
    observe::Quiet quiet;
    Map m;
    memcpy(&m, load.map, sizeof m);
    uint32_t rows = m.box[1] * m.box[2] * m.box[3], target = shared_offset(load.target);
    for (uint32_t i = 0; i < rows; i++) {
        const char* source = m.base;
        bool inside = true;
        for (uint32_t k = 1, rest = i; k < 4; rest /= m.box[k], k++) {
            int c = load.at[k] + int(rest % m.box[k]);
            inside &= c >= 0 && c < int(m.dim[k]);
            source += int64_t(c) * int64_t(m.stride[k]);
        }
        for (uint32_t e = 0; e < m.box[0]; e++) {
            int c = load.at[0] + int(e);
            uint16_t value = 0;
            if (inside && c >= 0 && c < int(m.dim[0])) memcpy(&value, source + 2 * c, 2);
            memcpy(swizzled(target + (i * m.box[0] + e) * 2), &value, 2);
        }
    }
    auto* b = (Mbar*)load.barrier;
    b->bytes -= rows * m.box[0] * 2;
    settle(b);
}

// An operand's element: row of A or column of B, and depth.
inline float element_of(uint64_t descriptor, bool transposed, uint32_t row, uint32_t depth) {
    uint32_t start = uint32_t(descriptor & 0x3FFF) << 4, leading = uint32_t(descriptor >> 16 & 0x3FFF) << 4;
    uint32_t stride = uint32_t(descriptor >> 32 & 0x3FFF) << 4;
    uint32_t offset = transposed ? row / 64 * leading + row % 64 * 2 + depth / 8 * stride + depth % 8 * 128
                                 : row / 8 * stride + row % 8 * 128 + depth * 2;
    uint16_t value;
    memcpy(&value, swizzled(start + offset), 2);
    return from<float>(uint32_t(value) << 16);
}
inline void check_operand(uint64_t descriptor) {
    if (descriptor >> 62 != 1) fail("an operand that is not swizzled by 128 bytes is not modelled");
    if (descriptor >> 49 & 7) fail("an operand whose first row has a phase is not modelled");
}
// One warp's 16 rows of a product.
inline void multiply(const Product& p) {
    struct { const Product* product; } in{&p};
    collective(~0u, &in, sizeof in, [](Warp& w) {
        observe::Quiet quiet;
        const Product* any;
        memcpy(&any, w.in[0], sizeof any);
        observe::count_matrix(any->columns / 8);
        static thread_local float A[16][16], B[16][128], D[16][128];
        uint32_t first = (M->current->linear >> 5 & 3) * 16;
        for (int r = 0; r < 16; r++)
            for (int k = 0; k < 16; k++)
                if (!any->in_registers) A[r][k] = element_of(any->a, any->transposed_a, first + r, k);
        for (int l = 0; l < 32 && any->in_registers; l++) {
            const Product* own;
            memcpy(&own, w.in[l], sizeof own);
            for (int i = 0; i < 4; i++)
                for (int half = 0; half < 2; half++)
                    A[(l >> 2) + (i & 1) * 8][(l & 3) * 2 + (i >> 1) * 8 + half] =
                        from<float>(half ? own->registers[i] & 0xFFFF0000u : own->registers[i] << 16);
        }
        for (int n = 0; n < any->columns; n++)
            for (int k = 0; k < 16; k++) B[k][n] = element_of(any->b, any->transposed_b, n, k);
        for (int r = 0; r < 16; r++) {
            for (int n = 0; n < any->columns; n++) D[r][n] = 0;
            for (int k = 0; k < 16; k++) for (int n = 0; n < any->columns; n++) D[r][n] += A[r][k] * B[k][n];
        }
        for (int l = 0; l < 32; l++) {
            const Product* own;
            memcpy(&own, w.in[l], sizeof own);
            for (int i = 0; i < any->columns / 2; i++)
                own->d[i] += D[(l >> 2) + (i >> 1 & 1) * 8][i / 4 * 8 + (l & 3) * 2 + (i & 1)];
        }
    });
}
inline void start_product(Product p) {
    if (!p.in_registers) check_operand(p.a);
    check_operand(p.b);
    p.group = M->current->product_group;
    if (M->lazy_copies) M->current->products.push_back(p);
    else multiply(p);
}
}  // namespace emu

inline void barrier_init(uint64_t* b, int arrivals) {
    emu::observe::Quiet quiet;
    *(emu::Mbar*)b = {0, uint8_t(arrivals), int16_t(arrivals), 0};
}
inline void barrier_arrive(uint64_t* b) {
    emu::observe::Quiet quiet;
    ((emu::Mbar*)b)->pending--;
    emu::settle((emu::Mbar*)b);
}
inline void barrier_expect(uint64_t* b, int bytes) {
    emu::observe::Quiet quiet;
    ((emu::Mbar*)b)->bytes += bytes;
    barrier_arrive(b);
}
inline int phase_of(const uint64_t* b) {
    emu::observe::Quiet quiet;
    return ((volatile const emu::Mbar*)b)->phase;
}
inline void barrier_wait(uint64_t* b, int parity, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    if (!emu::omit({file, line})) while (phase_of(b) == parity) emu::spin({file, line});
}
inline void proxy_fence() {}
inline void tile_load(void* target, const TensorMap* map, uint64_t* b, int c0, int c1, int c2, int c3) {
    if (emu::shared_offset(target) % 1024) emu::fail("a tile is copied to an address that is not a multiple of 1024");
    emu::start_load({target, map, b, {c0, c1, c2, c3}}, emu::land);
}
inline uint64_t operand(const void* start, uint64_t layout) { return emu::shared_offset(start) >> 4 | layout; }
inline void wgmma_fence() { __syncwarp(); }
inline void wgmma_commit() { emu::M->current->product_group++; }
template <int N> inline void wgmma_wait(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    if (emu::omit({file, line})) return;
    emu::Fiber* f = emu::M->current;
    size_t done = 0;
    while (done < f->products.size() && f->products[done].group <= f->product_group - N - 1)
        emu::multiply(f->products[done++]);
    f->products.erase(f->products.begin(), f->products.begin() + done);
}
template <bool TA = false, bool TB = false> inline void wgmma_64(float (&d)[32], uint64_t a, uint64_t b) {
    emu::start_product({d, a, b, {}, 64, false, TA, TB});
}
template <bool TB = false> inline void wgmma_64(float (&d)[32], const uint32_t (&a)[4], uint64_t b) {
    emu::start_product({d, 0, b, {a[0], a[1], a[2], a[3]}, 64, true, false, TB});
}
inline void wgmma_128(float (&d)[64], uint64_t a, uint64_t b) {
    emu::start_product({d, a, b, {}, 128, false, false, false});
}
