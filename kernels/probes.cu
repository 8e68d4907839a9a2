// Asks how Hopper's matrix instruction addresses an operand in shared memory. The copy engine loads a tile whose values
// say where they came from, and multiplying by the identity shows which of them the instruction read. `hopper/probe.rs`
// compares that with what the layout should mean.
// Architecture: sm_90a only.
#include "hopper.cuh"

// Bytes of the tile at most, and of the identity.
constexpr uint32_t TILE = 10240, IDENTITY = 8192;

// Loads a tile, and another one if there is a map for it, and waits for them.
DEVICE void load_tiles(char* memory, const TensorMap* tile, uint32_t bytes, const TensorMap* other) {
    uint64_t* full = (uint64_t*)(memory + TILE + IDENTITY);
    if (threadIdx.x == 0) {
        barrier_init(full, 1);
        proxy_fence();
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        barrier_expect(full, bytes + (other ? IDENTITY : 0));
        tile_load(memory, tile, full, 0, 0, 0, 0);
        if (other) tile_load(memory + TILE, other, full, 0, 0, 0, 0);
    }
    barrier_wait(full, 0);
}
// y[m][n] = D. y: [64, 64].
DEVICE void store_product(const float (&d)[32], float* y) {
    uint32_t row = threadIdx.x / WARP * 16 + threadIdx.x % WARP / 4, column = threadIdx.x % 4 * 2;
#pragma unroll
    for (uint32_t i = 0; i < 32; i++) y[(row + 8 * (i / 2 % 2)) * 64 + column + 8 * (i / 4) + i % 2] = d[i];
}
// y[k][n] = B[k][n] for the depth k < 16, by A = the identity in registers.
template <bool TRANSPOSED>
DEVICE void read_b(const TensorMap& tile, float* y, uint64_t layout, uint32_t offset, uint32_t bytes) {
    DYN_SHARED(char, memory);
    load_tiles(memory, &tile, bytes, nullptr);
    uint32_t a[4];
#pragma unroll
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t row = threadIdx.x / 4 + i % 2 * 8, column = threadIdx.x % 4 * 2 + i / 2 * 8;
        a[i] = threadIdx.x >= WARP ? 0 : (row == column ? 0x3F80u : 0) | (row == column + 1 ? 0x3F800000u : 0);
    }
    float d[32] = {};
    wgmma_fence();
    wgmma_64<TRANSPOSED>(d, a, operand(memory + offset, layout));
    wgmma_commit();
    wgmma_wait<0>();
    store_product(d, y);
}
// y[m][k] = A[m][k] for the depth k < 16, by B = the identity in shared memory.
template <bool TRANSPOSED>
DEVICE void read_a(const TensorMap& tile, const TensorMap& identity, float* y, uint64_t layout, uint32_t offset,
                   uint32_t bytes) {
    DYN_SHARED(char, memory);
    load_tiles(memory, &tile, bytes, &identity);
    float d[32] = {};
    wgmma_fence();
    wgmma_64<TRANSPOSED, false>(d, operand(memory + offset, layout), operand(memory + TILE, ROWS_OF_64));
    wgmma_commit();
    wgmma_wait<0>();
    store_product(d, y);
}

// y[k][n] = B[k][n], with B in rows of 64 along the depth. tile: what is loaded, `bytes` of it; y: [64, 64].
// FLOPs: 131072. Bytes: 16384 + bytes. Unit: matrix.
// Dynamic shared memory: 18440 bytes.
KERNEL __launch_bounds__(128) probe_b(const __grid_constant__ TensorMap tile, float* __restrict__ y, uint64_t layout,
                                      uint32_t offset, uint32_t bytes) {
    read_b<false>(tile, y, layout, offset, bytes);
}
REGISTER_KERNEL(probe_b)

// The same, with B in rows of 64 along n.
// FLOPs: 131072. Bytes: 16384 + bytes. Unit: matrix.
// Dynamic shared memory: 18440 bytes.
KERNEL __launch_bounds__(128) probe_b_transposed(const __grid_constant__ TensorMap tile, float* __restrict__ y,
                                                 uint64_t layout, uint32_t offset, uint32_t bytes) {
    read_b<true>(tile, y, layout, offset, bytes);
}
REGISTER_KERNEL(probe_b_transposed)

// y[m][k] = A[m][k], with A in rows of 64 along the depth. identity: [64, 64].
// FLOPs: 131072. Bytes: 24576 + bytes. Unit: matrix.
// Dynamic shared memory: 18440 bytes.
KERNEL __launch_bounds__(128)
    probe_a(const __grid_constant__ TensorMap tile, const __grid_constant__ TensorMap identity, float* __restrict__ y,
            uint64_t layout, uint32_t offset, uint32_t bytes) {
    read_a<false>(tile, identity, y, layout, offset, bytes);
}
REGISTER_KERNEL(probe_a)

// The same, with A in rows of 64 along m.
// FLOPs: 131072. Bytes: 24576 + bytes. Unit: matrix.
// Dynamic shared memory: 18440 bytes.
KERNEL __launch_bounds__(128) probe_a_transposed(const __grid_constant__ TensorMap tile,
                                                 const __grid_constant__ TensorMap identity, float* __restrict__ y,
                                                 uint64_t layout, uint32_t offset, uint32_t bytes) {
    read_a<true>(tile, identity, y, layout, offset, bytes);
}
REGISTER_KERNEL(probe_a_transposed)
