// 3x3 convolution for Hopper: the copy engine brings 4 x 16 pixels x 64 channels of x for each tap, with zeros outside
// of the image, and the weights of 64 output channels; a group of four warps multiplies them. Off (`Cuda::with_wgmma`)
// until a GPU has answered the questions of probes.cu. Needs channels that are multiples of 64. Bound by L2, because
// every tap reads x again.
// Architecture: sm_90a only.
#include "activation.cuh"
#include "hopper.cuh"

// Tiles in flight, and the pixels, channels and depth of one.
constexpr uint32_t STAGES = 4, WIDE = 16, HIGH = 4, CHANNELS = 64, DEPTH = 64;
constexpr uint32_t TILE = WIDE * HIGH * DEPTH;  // elements, as many as of the weights

// One stage: x, then weights.
DEVICE bf16* stage(bf16* memory, uint32_t step) { return memory + step % STAGES * 2 * TILE; }
// How often the barriers of a step's stage have been used before, modulo 2.
DEVICE uint32_t turn(uint32_t step) { return step / STAGES % 2; }

// y = A(w * x + b), rounded to bf16. x: [N,H,W,I], w: [O,3,3,I], b: [O] or null, y: [N,H,W,O]. A step is 64 channels of
// one tap. Grid: tiles along W x tiles along H x N O/64. bias: its elements, or 0.
// FLOPs: 18 n h w c_out c_in. Bytes: 2 (n h w (c_in + c_out) + 9 c_out c_in) + 4 bias. Unit: matrix.
// Dynamic shared memory: 65600 bytes.
KERNEL __launch_bounds__(128)
    conv2d_wgmma(const __grid_constant__ TensorMap x, const __grid_constant__ TensorMap w,
                 const float* __restrict__ b, bf16* __restrict__ y, Conv2dSpec s) {
    DYN_SHARED(bf16, memory);
    uint64_t *full = (uint64_t*)(memory + STAGES * 2 * TILE), *empty = full + STAGES;
    uint32_t x0 = blockIdx.x * WIDE, y0 = blockIdx.y * HIGH, steps = s.c_in / DEPTH * 9;
    uint32_t groups = s.c_out / CHANNELS, image = blockIdx.z / groups, channel = blockIdx.z % groups * CHANNELS;
    if (threadIdx.x == 0) {
        for (uint32_t i = 0; i < STAGES; i++) {
            barrier_init(full + i, 1);
            barrier_init(empty + i, 128);
        }
        proxy_fence();
    }
    __syncthreads();
    auto fill = [&](uint32_t step) {
        uint64_t* own = full + step % STAGES;
        uint32_t tap = step % 9, depth = step / 9 * DEPTH;
        barrier_expect(own, 2 * TILE * sizeof(bf16));
        tile_load(stage(memory, step), &x, own, depth, (int)(x0 + tap % 3) - 1, (int)(y0 + tap / 3) - 1, image);
        tile_load(stage(memory, step) + TILE, &w, own, depth, tap, channel, 0);
    };
    if (threadIdx.x == 0) {
        for (uint32_t step = 0; step < STAGES - 1 && step < steps; step++) fill(step);
    }
    float d[32];
#pragma unroll
    for (uint32_t i = 0; i < 32; i++) d[i] = 0.0f;
    for (uint32_t step = 0; step < steps; step++) {
        barrier_wait(full + step % STAGES, turn(step));
        const bf16 *pixels = stage(memory, step), *taps = pixels + TILE;
        __syncwarp();
        wgmma_fence();
#pragma unroll
        for (uint32_t k = 0; k < DEPTH; k += 16)
            wgmma_64(d, operand(pixels + k, ROWS_OF_64), operand(taps + k, ROWS_OF_64));
        wgmma_commit();
        // The products of the step before are complete, so its stage can be filled again.
        wgmma_wait<1>();
        if (step > 0) barrier_arrive(empty + (step - 1) % STAGES);
        uint32_t next = step + STAGES - 1;
        if (threadIdx.x == 0 && next < steps) {
            if (step > 0) barrier_wait(empty + next % STAGES, turn(step - 1));
            fill(next);
        }
    }
    wgmma_wait<0>();
    uint32_t row = y0 + threadIdx.x / WARP, first = x0 + threadIdx.x % WARP / 4;
    if (row >= s.h) return;
    uint32_t own = channel + threadIdx.x % 4 * 2;
    if (b) {
#pragma unroll
        for (uint32_t i = 0; i < 32; i++) d[i] += b[own + 8 * (i / 4) + i % 2];
    }
#pragma unroll
    for (uint32_t i = 0; i < 32; i += CHUNK) {
        Eight part = {{d[i], d[i + 1], d[i + 2], d[i + 3], d[i + 4], d[i + 5], d[i + 6], d[i + 7]}};
        activate8(part, s.activation);
#pragma unroll
        for (uint32_t k = 0; k < CHUNK; k++) d[i + k] = part.v[k];
    }
#pragma unroll
    for (uint32_t i = 0; i < 32; i += 2) {
        uint32_t column = first + 8 * (i / 2 % 2);
        bf16* pair = y + ((((size_t)image * s.h + row) * s.w + column) * s.c_out + own + 8 * (i / 4));
        if (column < s.w) *(uint32_t*)pair = to_bf16_pair(d[i], d[i + 1]);
    }
}
REGISTER_KERNEL(conv2d_wgmma)
