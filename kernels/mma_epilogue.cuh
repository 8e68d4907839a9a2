// What becomes of the sums of a tile (mma_pipeline.cuh): they pass through shared memory, so that each thread stores
// eight adjacent values at once and the code that finishes them is there once, in a rolled loop.
#pragma once
#include "activation.cuh"
#include "mma_pipeline.cuh"

// Floats between two rows of the sums. Four rows of eight lanes' pairs then fill all 32 banks.
template <uint32_t N> constexpr uint32_t SUM_PITCH = N + 8;

// Calls store(m, n, eight values at n..n+7) for the tile at (m0, n0); `store` checks the bounds. The tiles are
// overwritten.
template <uint32_t M, uint32_t N, class Store>
DEVICE void each_eight(MmaTiles<M, N>& tiles, const MmaSums<M, N>& sums, uint32_t m0, uint32_t n0, const Store& store) {
    static_assert(sizeof(MmaTiles<M, N>) >= M * SUM_PITCH<N> * sizeof(float),
                  "the sums must fit in the memory of the tiles");
    static_assert(SUM_PITCH<N> % 32 == 8, "rows must be eight banks apart");
    float* staged = (float*)&tiles;
    uint32_t lane = threadIdx.x % WARP, m = sums.first_m() + lane / 4, n = sums.first_n() + lane % 4 * 2;
    __syncthreads();  // the tiles are no longer read
#pragma unroll
    for (uint32_t i = 0; i < M / 32; i++)
#pragma unroll
        for (uint32_t j = 0; j < N / 16; j++) {
            const float(&v)[4] = sums.c[i][j];
            float* at = staged + (m + i * 16) * SUM_PITCH<N> + n + j * 8;
            at[0] = v[0]; at[1] = v[1];
            at[8 * SUM_PITCH<N>] = v[2]; at[8 * SUM_PITCH<N> + 1] = v[3];
        }
    __syncthreads();
#pragma unroll 1
    for (uint32_t index = threadIdx.x; index < M * N / CHUNK; index += MMA_THREADS) {
        uint32_t row = index / (N / CHUNK), column = index % (N / CHUNK) * CHUNK;
        const float* at = staged + row * SUM_PITCH<N> + column;
        float4 low = load4(at), high = load4(at + 4);
        store(m0 + row, n0 + column, Eight{{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}});
    }
}

// C = A(c + b) for a matrix [rows, columns] of bf16. b may be null.
struct StoreActivated8 {
    bf16* y;
    const float* b;
    uint32_t rows, columns, activation;
    DEVICE void operator()(uint32_t m, uint32_t n, Eight e) const {
        if (m >= rows || n >= columns) return;
        if (b) {
            float4 low = load4(b + n), high = load4(b + n + 4);
            e.v[0] += low.x; e.v[1] += low.y; e.v[2] += low.z; e.v[3] += low.w;
            e.v[4] += high.x; e.v[5] += high.y; e.v[6] += high.z; e.v[7] += high.w;
        }
        activate8(e, activation);
        store8(y + m * columns + n, e);
    }
};

// C += c for a matrix [rows, columns] of bf16, then C *= S(slope_of) if slope_of is not null; one rounding.
struct StoreAdded8 {
    bf16* y;
    uint32_t blank;
    const bf16* slope_of;
    uint32_t activation, rows, columns;
    DEVICE void operator()(uint32_t m, uint32_t n, Eight e) const {
        if (m >= rows || n >= columns) return;
        uint32_t at = m * columns + n;
        if (!blank) {
            Eight old = load8(y + at);
#pragma unroll
            for (uint32_t i = 0; i < CHUNK; i++) e.v[i] += old.v[i];
        }
        if (slope_of) multiply_slope(e, activation, load8(slope_of + at));
        store8(y + at, e);
    }
};

// C = c for a matrix [rows, columns] of f32.
struct StorePlain8 {
    float* y;
    uint32_t rows, columns;
    DEVICE void operator()(uint32_t m, uint32_t n, Eight e) const {
        if (m >= rows || n >= columns) return;
        store4(y + m * columns + n, make_float4(e.v[0], e.v[1], e.v[2], e.v[3]));
        store4(y + m * columns + n + 4, make_float4(e.v[4], e.v[5], e.v[6], e.v[7]));
    }
};
