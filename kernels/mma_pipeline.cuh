// Tiled products of bf16 matrices on tensor cores, C[m][n] = Σ_k A(m, k) B(n, k), with f32 sums. Loaders copy A and B
// into shared memory.
//
// A loader performs one thread's share of the copies. It has
//   ALONG_DEPTH   whether the 8 values of a 16-byte chunk run along k (true) or along the rows (false),
//   EXTENT        rows of its tile,
//   fill(tile, k) starts the copies of steps k..k+MMA_K-1, with zeros out of bounds.
//
// Block: 4 warps in two rows and two columns compute M x N values. Shared memory has three stages: while one is
// multiplied, two are copied. See mma_layout.cuh for the tiles and mma_epilogue.cuh for what becomes of the sums.
#pragma once
#include "mma_layout.cuh"

// Two warps along m and two along n. A warp with more rows would reuse its right operand more often, but its sums need
// the registers.
constexpr uint32_t MMA_THREADS = 128;
// One stage is multiplied and two are on their way, which covers the latency of global memory at two or three blocks
// per multiprocessor.
constexpr uint32_t STAGES = 3;

template <uint32_t M, uint32_t N> struct MmaTiles { bf16 a[STAGES][M * MMA_K], b[STAGES][N * MMA_K]; };

// One warp's part of C: M/2 x N/2 values in fragments of 16 x 8.
template <uint32_t M, uint32_t N> struct MmaSums {
    static_assert(M % 32 == 0 && N % 32 == 0,
                  "a warp's part consists of left fragments of 16 rows and pairs of right ones of 8");
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
};

// sums += the product over k in [begin, end), in steps of MMA_K.
template <uint32_t M, uint32_t N, class A, class B>
DEVICE void mma(MmaTiles<M, N>& tiles, const A& a, const B& b, uint32_t begin, uint32_t end, MmaSums<M, N>& sums) {
    static_assert(A::EXTENT == M && B::EXTENT == N, "loaders must have the extents of the tile");
    // One group of copies per stage, empty past the end, so that the number of groups to wait for is the same in every
    // step.
    auto fill = [&](uint32_t k, uint32_t stage) {
        if (k < end) { a.fill(tiles.a[stage], k); b.fill(tiles.b[stage], k); }
        cp_commit();
    };
    uint32_t stage = 0, vacant = 2;
    fill(begin, 0);
    fill(begin + MMA_K, 1);
    for (uint32_t k = begin; k < end; k += MMA_K) {
        cp_wait<1>();     // this thread's copies of the stage are complete
        __syncthreads();  // all threads' copies are complete, and the previous stage is no longer read
        fill(k + 2 * MMA_K, vacant);
        sums.template add<A, B>(tiles.a[stage], tiles.b[stage]);
        vacant = stage;
        stage = stage + 1 == STAGES ? 0 : stage + 1;
    }
}

// A thread's position in the tiles: one chunk of the depth in every DEPTH_PASS-th row, or one chunk of the rows in
// every PASS-th step.
constexpr uint32_t DEPTH_PASS = MMA_THREADS / DEPTH_CHUNKS;
struct DepthPlace {
    DEVICE static uint32_t row() { return threadIdx.x / DEPTH_CHUNKS; }
    DEVICE static uint32_t k() { return threadIdx.x % DEPTH_CHUNKS * CHUNK; }
    DEVICE static bf16* target(bf16* tile, uint32_t j) {
        return tile + depth_chunk(row() + j, threadIdx.x % DEPTH_CHUNKS);
    }
};
template <uint32_t ROWS> struct RowPlace {
    static constexpr uint32_t CHUNKS = ROWS / CHUNK, PASS = MMA_THREADS / CHUNKS;
    DEVICE static uint32_t row() { return threadIdx.x % CHUNKS * CHUNK; }
    DEVICE static uint32_t k() { return threadIdx.x / CHUNKS; }
    DEVICE static bf16* target(bf16* tile, uint32_t j) { return tile + row_chunk<ROWS>(k() + j, threadIdx.x % CHUNKS); }
};

// One operand [rows, depth].
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

// One operand stored as [depth, rows], whose depth ends at `end`.
template <uint32_t ROWS> struct RowChunks {
    static constexpr bool ALONG_DEPTH = false;
    static constexpr uint32_t EXTENT = ROWS;
    using Place = RowPlace<ROWS>;
    const bf16* p;
    uint32_t rows, first_row, end;

    DEVICE void fill(bf16* tile, uint32_t k) const {
        uint32_t row = first_row + Place::row();
#pragma unroll
        for (uint32_t j = 0; j < MMA_K; j += Place::PASS) {
            uint32_t step = k + Place::k() + j;
            bool valid = row < rows && step < end;
            cp_async16(Place::target(tile, j), p + (valid ? step * rows + row : 0), valid);
        }
    }
};
