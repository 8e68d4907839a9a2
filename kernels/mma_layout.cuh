// How tiles of bf16 lie in shared memory, and how ldmatrix turns them into the fragments of mma.sync m16n8k16.
//
// A tile consists of chunks of eight values (16 bytes). Eight chunks fill one pass over the 32 banks, and ldmatrix
// reads eight chunks at once, one per row of an 8x8 matrix. So the eight chunks that are read together must lie in
// different eighths of 128 bytes. Chunks are therefore swizzled: their place within a row is the exclusive or of their
// number with bits of the row.
#pragma once
#include "bf16.cuh"

constexpr uint32_t MMA_K = 32;                      // depth of a stage: two steps of m16n8k16
constexpr uint32_t DEPTH_CHUNKS = MMA_K / CHUNK;    // chunks of a row of 64 bytes

// Offset of the chunk (row, chunk of the depth) in a tile [rows, MMA_K]. Two rows fill 128 bytes, so the row's bits 1
// and 2 swizzle.
DEVICE uint32_t depth_chunk(uint32_t row, uint32_t chunk) {
    return row * MMA_K + (chunk ^ (row / 2 % DEPTH_CHUNKS)) * CHUNK;
}
// Offset of the chunk (k, chunk of the rows) in a tile [MMA_K, ROWS]. ROWS must be a multiple of 64, so that rows start
// at bank 0.
template <uint32_t ROWS> DEVICE uint32_t row_chunk(uint32_t k, uint32_t chunk) {
    return k * ROWS + (chunk ^ (k % 8)) * CHUNK;
}

// Loads the fragments of the 16 x 16 values at row r and step k of a tile: as the left operand of mma m16n8k16, or as
// two right operands.
// Lane l of ldmatrix names row l % 8 of matrix l / 8. The left operand's matrices are (rows 0-7, k 0-7), (8-15, 0-7),
// (0-7, 8-15), (8-15, 8-15); the right operands' are (0-7, 0-7), (0-7, 8-15), (8-15, 0-7), (8-15, 8-15).
template <class Loader> DEVICE void left_fragment(uint32_t (&a)[4], const bf16* tile, uint32_t r, uint32_t k) {
    uint32_t lane = threadIdx.x % WARP;
    if (Loader::ALONG_DEPTH) ldmatrix4(a, tile + depth_chunk(r + lane % 16, k / CHUNK + lane / 16));
    else
        ldmatrix4_transposed(a,
                             tile + row_chunk<Loader::EXTENT>(k + lane % 8 + lane / 16 * 8, r / CHUNK + lane / 8 % 2));
}
template <class Loader> DEVICE void right_fragments(uint32_t (&b)[4], const bf16* tile, uint32_t r, uint32_t k) {
    uint32_t lane = threadIdx.x % WARP;
    if (Loader::ALONG_DEPTH) ldmatrix4(b, tile + depth_chunk(r + lane % 8 + lane / 16 * 8, k / CHUNK + lane / 8 % 2));
    else ldmatrix4_transposed(b, tile + row_chunk<Loader::EXTENT>(k + lane % 16, r / CHUNK + lane / 16));
}
