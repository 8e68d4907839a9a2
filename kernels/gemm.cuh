// Tiled matrix products, C[m][n] = Σ_k A(m, k) B(n, k). Loaders read A and B from a plain matrix, from the taps of a
// convolution or from the mixture of a CCM. Every convolution is thus an implicit GEMM without an im2col buffer.
//
// A loader has
//   ALONG_DEPTH      whether four adjacent values in memory run along k (true) or along the rows (false),
//   struct Row       values computed once per row,
//   Row row(r)       the values of row r, which may be out of bounds,
//   float4 quad(Row, k)   the values at (r, k..k+3) or (r..r+3, k); zeros out of bounds.
//
// Block: 128 threads compute 64 x 64 values, 8 x 4 per thread. Shared memory has two stages of 16 steps of k each.
// While one stage is multiplied, the next is loaded into registers.
#pragma once
#include "activation.cuh"

constexpr uint32_t TILE = 64, TILE_K = 16, GEMM_THREADS = 128, THREAD_M = 8, THREAD_N = 4;
constexpr uint32_t PITCH = TILE + 4;  // keeps rows 16-byte aligned and spreads them over the banks
constexpr uint32_t QUADS = TILE * TILE_K / 4 / GEMM_THREADS;       // of one operand, per thread and stage

struct GemmTiles { float a[2][TILE_K][PITCH], b[2][TILE_K][PITCH]; };

DEVICE bool quad_aligned(const float* p) { return (uint64_t)p % 16 == 0; }
// The four floats at p + index, of which only the first `count` exist; the others are zero.
DEVICE float4 load_quad(const float* p, uint32_t index, uint32_t count) {
    if (count >= 4 && quad_aligned(p + index)) return load4(p + index);
    return make_float4(count > 0 ? p[index] : 0.0f, count > 1 ? p[index + 1] : 0.0f, count > 2 ? p[index + 2] : 0.0f,
                       count > 3 ? p[index + 3] : 0.0f);
}
// How many of the four indices from `start` on are below `end`.
DEVICE uint32_t quad_count(uint32_t start, uint32_t end) { return start < end ? min(end - start, 4u) : 0u; }

// Loader of the value (r, k) of a matrix [rows, depth].
struct DepthMatrix {
    static constexpr bool ALONG_DEPTH = true;
    const float* p;
    uint32_t rows, depth;
    struct Row { uint32_t start; bool inside; };
    DEVICE Row row(uint32_t r) const { return {r * depth, r < rows}; }
    DEVICE float4 quad(Row r, uint32_t k) const {
        return load_quad(p, r.start + k, r.inside ? quad_count(k, depth) : 0);
    }
};

// Loader of the value (r, k) of a matrix stored as [depth, rows].
struct RowMatrix {
    static constexpr bool ALONG_DEPTH = false;
    const float* p;
    uint32_t rows, depth;
    struct Row { uint32_t start, count; };
    DEVICE Row row(uint32_t r) const { return {r, quad_count(r, rows)}; }
    DEVICE float4 quad(Row r, uint32_t k) const { return load_quad(p, k * rows + r.start, k < depth ? r.count : 0); }
};

// Moves one operand from global memory through registers to shared memory.
template <class Loader> struct GemmOperand {
    const Loader& loader;
    typename Loader::Row rows[QUADS];
    float4 quads[QUADS];

    DEVICE static uint32_t index(uint32_t j) { return threadIdx.x + j * GEMM_THREADS; }
    DEVICE static uint32_t row_of(uint32_t j) {
        return Loader::ALONG_DEPTH ? index(j) / (TILE_K / 4) : index(j) % (TILE / 4) * 4;
    }
    DEVICE static uint32_t depth_of(uint32_t j) {
        return Loader::ALONG_DEPTH ? index(j) % (TILE_K / 4) * 4 : index(j) / (TILE / 4);
    }

    DEVICE GemmOperand(const Loader& l, uint32_t first_row) : loader(l) {
#pragma unroll
        for (uint32_t j = 0; j < QUADS; j++) rows[j] = loader.row(first_row + row_of(j));
    }
    DEVICE void fetch(uint32_t k) {
#pragma unroll
        for (uint32_t j = 0; j < QUADS; j++) quads[j] = loader.quad(rows[j], k + depth_of(j));
    }
    DEVICE void stash(float (&tile)[TILE_K][PITCH]) const {
#pragma unroll
        for (uint32_t j = 0; j < QUADS; j++) {
            uint32_t r = row_of(j), k = depth_of(j);
            if (Loader::ALONG_DEPTH) {
                tile[k][r] = quads[j].x;
                tile[k + 1][r] = quads[j].y;
                tile[k + 2][r] = quads[j].z;
                tile[k + 3][r] = quads[j].w;
            } else store4(&tile[k][r], quads[j]);
        }
    }
};

// First row and column of a thread's values within the tile.
DEVICE uint32_t thread_m() { return threadIdx.x / (TILE / THREAD_N) * THREAD_M; }
DEVICE uint32_t thread_n() { return threadIdx.x % (TILE / THREAD_N) * THREAD_N; }

// c += the outer product of one step of the depth.
DEVICE void multiply_step(const float (&a)[PITCH], const float (&b)[PITCH], float (&c)[THREAD_M][THREAD_N]) {
    float4 low = load4(&a[thread_m()]), high = load4(&a[thread_m() + 4]), right = load4(&b[thread_n()]);
    float left[THREAD_M] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
    for (uint32_t i = 0; i < THREAD_M; i++) {
        c[i][0] = fmaf(left[i], right.x, c[i][0]); c[i][1] = fmaf(left[i], right.y, c[i][1]);
        c[i][2] = fmaf(left[i], right.z, c[i][2]); c[i][3] = fmaf(left[i], right.w, c[i][3]);
    }
}
DEVICE void multiply_stage(const float (&a)[TILE_K][PITCH], const float (&b)[TILE_K][PITCH],
                           float (&c)[THREAD_M][THREAD_N]) {
#pragma unroll
    for (uint32_t k = 0; k < TILE_K; k++) multiply_step(a[k], b[k], c);
}

DEVICE void clear(float (&c)[THREAD_M][THREAD_N]) {
#pragma unroll
    for (uint32_t i = 0; i < THREAD_M; i++)
#pragma unroll
        for (uint32_t j = 0; j < THREAD_N; j++) c[i][j] = 0.0f;
}

// Which steps of the depth to compute: next(k) is the first of them at or after k. In a skipped step one operand must
// be all zeros.
struct EveryStep { DEVICE uint32_t next(uint32_t k) const { return k; } };

// c += the product over k in [begin, end), for the tile at (m0, n0). `begin` and, unless it is the depth, `end` are
// multiples of TILE_K.
template <class A, class B, class Steps = EveryStep>
DEVICE void gemm(GemmTiles& tiles, const A& a, const B& b, uint32_t m0, uint32_t n0, uint32_t begin, uint32_t end,
                 float (&c)[THREAD_M][THREAD_N], const Steps& steps = Steps{}) {
    GemmOperand<A> left(a, m0);
    GemmOperand<B> right(b, n0);
    uint32_t k = steps.next(begin), stage = 0;
    left.fetch(k); right.fetch(k);
    left.stash(tiles.a[0]); right.stash(tiles.b[0]);
    __syncthreads();
    while (k < end) {
        k = steps.next(k + TILE_K);
        bool more = k < end;
        if (more) { left.fetch(k); right.fetch(k); }
        multiply_stage(tiles.a[stage], tiles.b[stage], c);
        stage ^= 1;
        if (more) { left.stash(tiles.a[stage]); right.stash(tiles.b[stage]); }
        __syncthreads();
    }
}

// Calls store(m, n, four values at n..n+3) for the tile at (m0, n0); `store` checks the bounds. The values pass through
// shared memory, which nobody may still read, so that `store` is there once, in a rolled loop, and rows are stored by
// adjacent threads.
template <class Tiles, class Store>
DEVICE void each_row(Tiles& tiles, const float (&c)[THREAD_M][THREAD_N], uint32_t m0, uint32_t n0, const Store& store) {
    static_assert(sizeof(Tiles) >= TILE * PITCH * sizeof(float), "the values must fit in the memory of the tiles");
    float(&staged)[TILE][PITCH] = *(float(*)[TILE][PITCH])&tiles;
#pragma unroll
    for (uint32_t i = 0; i < THREAD_M; i++)
        store4(&staged[thread_m() + i][thread_n()], make_float4(c[i][0], c[i][1], c[i][2], c[i][3]));
    __syncthreads();
#pragma unroll 1
    for (uint32_t index = threadIdx.x; index < TILE * TILE / 4; index += GEMM_THREADS) {
        uint32_t row = index / (TILE / 4), column = index % (TILE / 4) * 4;
        store(m0 + row, n0 + column, load4(&staged[row][column]));
    }
}

// Writes or adds up to four values at p + index. p need not be aligned for a write: partial sums of a split can start
// inside a quad.
DEVICE void store_quad(float* p, uint32_t index, uint32_t count, float4 v) {
    if (count >= 4 && quad_aligned(p + index)) { store4(p + index, v); return; }
    if (count > 0) p[index] = v.x;
    if (count > 1) p[index + 1] = v.y;
    if (count > 2) p[index + 2] = v.z;
    if (count > 3) p[index + 3] = v.w;
}
// If the target is blank, its memory stands for zeros that were never written, so the first addition assigns.
DEVICE void add_quad(float* p, uint32_t blank, uint32_t index, uint32_t count, float4 v) {
    float4 old = load_quad(p, index, blank ? 0 : count);
    store_quad(p, index, count, make_float4(old.x + v.x, old.y + v.y, old.z + v.z, old.w + v.w));
}

// A(v + b) for the values n..n+3 of a row of `columns`. b may be null.
DEVICE float4 activated(float4 v, const float* b, uint32_t n, uint32_t columns, uint32_t activation) {
    float4 bias = b ? load_quad(b, n, quad_count(n, columns)) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    return make_float4(activate(activation, v.x + bias.x), activate(activation, v.y + bias.y),
                       activate(activation, v.z + bias.z), activate(activation, v.w + bias.w));
}

// C = A(c + b) for a matrix [rows, columns], which may be a range of columns, beginning at `start`, of a wider matrix
// with row stride `pitch`. b may be null.
struct StoreActivated {
    float* y;
    const float* b;
    uint32_t rows, columns, activation, pitch = columns, start = 0;
    DEVICE void operator()(uint32_t m, uint32_t n, float4 v) const {
        uint32_t count = m < rows ? quad_count(n, columns) : 0;
        store_quad(y, m * pitch + start + n, count, activated(v, b, n, columns, activation));
    }
};
// C += c for a matrix [rows, columns].
struct StoreAdded {
    float* y;
    uint32_t blank, rows, columns;
    DEVICE void operator()(uint32_t m, uint32_t n, float4 v) const {
        add_quad(y, blank, m * columns + n, m < rows ? quad_count(n, columns) : 0, v);
    }
};
// C = c for a matrix [rows, columns].
struct StorePlain {
    float* y;
    uint32_t rows, columns;
    DEVICE void operator()(uint32_t m, uint32_t n, float4 v) const {
        store_quad(y, m * columns + n, m < rows ? quad_count(n, columns) : 0, v);
    }
};

// The range of the depth that split number `split` of `splits` sums, in whole steps of TILE_K.
struct Split { uint32_t begin, end; };
DEVICE Split split_of(uint32_t depth, uint32_t split, uint32_t splits) {
    uint32_t steps = (depth + TILE_K - 1) / TILE_K, each = (steps + splits - 1) / splits;
    return {min(split * each * TILE_K, depth), min((split + 1) * each * TILE_K, depth)};
}
