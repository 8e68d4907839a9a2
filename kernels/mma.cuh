// Tiled products of bf16 matrices on tensor cores, C[m][n] = Σ_k A(m, k) B(n, k), with f32 sums. Loaders copy A and B into shared memory.
//
// A loader performs one thread's share of the copies. It has
//   ALONG_DEPTH   whether the 8 values of a 16-byte chunk run along k (true) or along the rows (false),
//   EXTENT        rows of its tile,
//   fill(tile, k) starts the copies of steps k..k+MMA_K-1, with zeros out of bounds.
//
// Block: 4 warps in two rows and two columns compute M x N values. Shared memory has three stages: while one is multiplied, two are
// copied. Chunks are swizzled, so that neither the copies nor ldmatrix have bank conflicts.
#pragma once
#include "gemm.cuh"
#include "mma_layout.cuh"

constexpr uint32_t MMA_THREADS = 128, STAGES = 3;

template <uint32_t M, uint32_t N> struct MmaTiles { bf16 a[STAGES][M * MMA_K], b[STAGES][N * MMA_K]; };

// Channels are padded with zeros to whole chunks, so that a chunk never reaches into the next pixel or tap.
DEVICE uint32_t padded(uint32_t channels) { return (channels + CHUNK - 1) / CHUNK * CHUNK; }

// One warp's part of C: M/2 x N/2 values in fragments of 16 x 8.
template <uint32_t M, uint32_t N> struct MmaSums {
    float c[M / 32][N / 16][4];

    DEVICE static uint32_t first_m() { return threadIdx.x / WARP % 2 * (M / 2); }
    DEVICE static uint32_t first_n() { return threadIdx.x / WARP / 2 * (N / 2); }

    DEVICE MmaSums() {
#pragma unroll
        for (uint32_t i = 0; i < M / 32; i++)
#pragma unroll
            for (uint32_t j = 0; j < N / 16; j++) c[i][j][0] = c[i][j][1] = c[i][j][2] = c[i][j][3] = 0.0f;
    }

    // c += the product of two tiles.
    template <class A, class B> DEVICE void add(const bf16* left, const bf16* right) {
#pragma unroll
        for (uint32_t k = 0; k < MMA_K; k += 16) {
            uint32_t b[N / 16][2];
#pragma unroll
            for (uint32_t j = 0; j < N / 16; j += 2) {
                uint32_t pair[4];
                right_fragments<B>(pair, right, first_n() + j * 8, k);
                b[j][0] = pair[0]; b[j][1] = pair[1]; b[j + 1][0] = pair[2]; b[j + 1][1] = pair[3];
            }
#pragma unroll
            for (uint32_t i = 0; i < M / 32; i++) {
                uint32_t a[4];
                left_fragment<A>(a, left, first_m() + i * 16, k);
#pragma unroll
                for (uint32_t j = 0; j < N / 16; j++) mma_bf16(c[i][j], a, b[j]);
            }
        }
    }

    // Calls store(m, n, four values at n..n+3) for the tile at (m0, n0); `store` checks the bounds. A lane holds two values in each of
    // two rows. Neighbouring lanes exchange values, so that even lanes have four values of the upper row and odd lanes four of the lower.
    template <class Store> DEVICE void each_row(uint32_t m0, uint32_t n0, const Store& store) const {
        uint32_t lane = threadIdx.x % WARP, odd = lane % 2;
        uint32_t m = m0 + first_m() + lane / 4 + odd * 8, n = n0 + first_n() + lane % 4 / 2 * 4;
#pragma unroll
        for (uint32_t i = 0; i < M / 32; i++)
#pragma unroll
            for (uint32_t j = 0; j < N / 16; j++) {
                const float(&v)[4] = c[i][j];
                float first = __shfl_xor_sync(ALL_LANES, odd ? v[0] : v[2], 1), second = __shfl_xor_sync(ALL_LANES, odd ? v[1] : v[3], 1);
                store(m + i * 16, n + j * 8, odd ? make_float4(first, second, v[2], v[3]) : make_float4(v[0], v[1], first, second));
            }
    }
};

// sums += the product over k in [begin, end), in the steps of MMA_K that `steps` selects.
template <uint32_t M, uint32_t N, class A, class B, class Steps = EveryStep>
DEVICE void mma(MmaTiles<M, N>& tiles, const A& a, const B& b, uint32_t begin, uint32_t end, MmaSums<M, N>& sums, const Steps& steps = Steps{}) {
    static_assert(A::EXTENT == M && B::EXTENT == N, "loaders must have the extents of the tile");
    // One group of copies per stage, empty past the end, so that the number of groups to wait for is the same in every step.
    auto fill = [&](uint32_t k, uint32_t stage) {
        if (k < end) { a.fill(tiles.a[stage], k); b.fill(tiles.b[stage], k); }
        cp_commit();
    };
    uint32_t k = steps.next(begin), after = steps.next(k + MMA_K), stage = 0, free = 2;
    fill(k, 0);
    fill(after, 1);
    while (k < end) {
        cp_wait<1>();     // this thread's copies of the stage are complete
        __syncthreads();  // all threads' copies are complete, and the previous stage is no longer read
        k = after;
        after = steps.next(after + MMA_K);
        fill(after, free);
        sums.template add<A, B>(tiles.a[stage], tiles.b[stage]);
        free = stage;
        stage = stage + 1 == STAGES ? 0 : stage + 1;
    }
}

// A thread's position in the tiles: one chunk of the depth in every DEPTH_PASS-th row, or one chunk of the rows in every PASS-th step.
constexpr uint32_t DEPTH_PASS = MMA_THREADS / DEPTH_CHUNKS;
template <uint32_t ROWS> struct RowPlace {
    static constexpr uint32_t CHUNKS = ROWS / CHUNK, PASS = MMA_THREADS / CHUNKS;
    DEVICE static uint32_t row() { return threadIdx.x % CHUNKS * CHUNK; }
    DEVICE static uint32_t k() { return threadIdx.x / CHUNKS; }
    DEVICE static bf16* target(bf16* tile, uint32_t j) { return tile + row_chunk<ROWS>(k() + j, threadIdx.x % CHUNKS); }
};
struct DepthPlace {
    DEVICE static uint32_t row() { return threadIdx.x / DEPTH_CHUNKS; }
    DEVICE static uint32_t k() { return threadIdx.x % DEPTH_CHUNKS * CHUNK; }
    DEVICE static bf16* target(bf16* tile, uint32_t j) { return tile + depth_chunk(row() + j, threadIdx.x % DEPTH_CHUNKS); }
};

// One operand [rows, depth], the depth in whole chunks.
template <uint32_t ROWS> struct DepthChunks {
    static constexpr bool ALONG_DEPTH = true;
    static constexpr uint32_t EXTENT = ROWS;
    const bf16* p;
    uint32_t rows, depth, first_row;

    DEVICE void fill(bf16* tile, uint32_t k) const {
        k += DepthPlace::k();
#pragma unroll
        for (uint32_t j = 0; j < ROWS; j += DEPTH_PASS) {
            uint32_t row = first_row + DepthPlace::row() + j;
            bool valid = row < rows && k < depth;
            cp_async16(DepthPlace::target(tile, j), p + (valid ? row * depth + k : 0), valid);
        }
    }
};

// One operand stored as [depth, pitch]. Its rows are `rows` columns from `start` on, and its depth ends at `end`, all in whole chunks.
template <uint32_t ROWS> struct RowChunks {
    static constexpr bool ALONG_DEPTH = false;
    static constexpr uint32_t EXTENT = ROWS;
    using Place = RowPlace<ROWS>;
    const bf16* p;
    uint32_t rows, pitch, start, first_row, end;

    DEVICE void fill(bf16* tile, uint32_t k) const {
        uint32_t row = first_row + Place::row();
#pragma unroll
        for (uint32_t j = 0; j < MMA_K; j += Place::PASS) {
            uint32_t step = k + Place::k() + j;
            bool valid = row < rows && step < end;
            cp_async16(Place::target(tile, j), p + (valid ? step * pitch + start + row : 0), valid);
        }
    }
};
