// Kernels that are wrong on purpose, in ways that only the observer finds, and correct ones next to them. As in
// faults.cu, the lines that tests expect in the report end in a comment that begins with FAULT.
#include "../dev.cuh"

// Index of the thread in the grid.
#define ELEMENT (blockIdx.x * blockDim.x + threadIdx.x)

// Fibers change only where threads wait, so the sum is always right here.
KERNEL fault_lost_update(float* y) {
    SHARED(float, sum, [1]);
    if (threadIdx.x == 0) sum[0] = 0.0f;
    __syncthreads();
    sum[0] += 1.0f;  // FAULT
    __syncthreads();
    y[ELEMENT] = sum[0];
}
REGISTER_KERNEL(fault_lost_update)

// The lanes wait for each other at the shuffle, but need not see what the others wrote.
KERNEL fault_warp_order(float* y) {
    SHARED(float, values, [32]);
    values[threadIdx.x] = (float)threadIdx.x;
    float one = __shfl_sync(ALL_LANES, 1.0f, 0);
    y[ELEMENT] = values[31 - threadIdx.x] + one;  // FAULT
}
REGISTER_KERNEL(fault_warp_order)

// The same through ldmatrix, which is no fence either.
KERNEL fault_matrix_order(uint32_t* y) {
    SHARED(bf16, tile, [32][8]);
    for (uint32_t i = 0; i < 8; i++) tile[threadIdx.x][i] = to_bf16(0.0f);
    __syncthreads();
    for (uint32_t i = 0; i < 8; i++) tile[31 - threadIdx.x][i] = to_bf16(1.0f);  // FAULT
    uint32_t fragment[4];
    ldmatrix4(fragment, tile[threadIdx.x]);  // FAULT
    y[ELEMENT] = fragment[0];
}
REGISTER_KERNEL(fault_matrix_order)

// The next step overwrites what slow threads have not read yet.
KERNEL fault_overwritten(float* y) {
    SHARED(float, values, [64]);
    for (uint32_t step = 0; step < 3; step++) {
        values[threadIdx.x] = (float)step;  // FAULT
        __syncthreads();
        y[ELEMENT] = values[63 - threadIdx.x];
    }
}
REGISTER_KERNEL(fault_overwritten)

// Every block adds to the same place.
KERNEL fault_between_blocks(float* y) {
    if (threadIdx.x == 0) y[0] += 1.0f;  // FAULT
}
REGISTER_KERNEL(fault_between_blocks)

// A block reads what another may write later.
KERNEL fault_read_between_blocks(float* y) {
    float old = y[(ELEMENT + 1) % (gridDim.x * blockDim.x)];  // FAULT
    y[ELEMENT] = old;  // FAULT
}
REGISTER_KERNEL(fault_read_between_blocks)

KERNEL fault_write_before(float* y, uint32_t before) {
    float* start = y - before;
    start[ELEMENT] = 1.0f;  // FAULT
}
REGISTER_KERNEL(fault_write_before)

// Reads `distance` elements from its argument, where another buffer lies.
KERNEL fault_read_neighbour(const float* x, float* y, uint32_t distance) {
    y[ELEMENT] = x[ELEMENT + distance];  // FAULT
}
REGISTER_KERNEL(fault_read_neighbour)

KERNEL fault_unwritten_copied(const float* x, float* y) { y[ELEMENT] = x[ELEMENT]; }  // FAULT
REGISTER_KERNEL(fault_unwritten_copied)

KERNEL fault_unwritten_integer(const uint32_t* x, uint32_t* y) { y[ELEMENT] = x[ELEMENT] > 7 ? 1 : 2; }  // FAULT
REGISTER_KERNEL(fault_unwritten_integer)

KERNEL fault_unwritten_half(const bf16* x, bf16* y) { y[ELEMENT] = x[ELEMENT]; }  // FAULT
REGISTER_KERNEL(fault_unwritten_half)

KERNEL fault_unwritten_copy(const float* x, float* y) {
    SHARED(float, values, [4]);
    if (threadIdx.x == 0) cp_async16(values, x, true);  // FAULT
    cp_commit();
    cp_wait<0>();
    __syncthreads();
    y[ELEMENT] = values[0];
}
REGISTER_KERNEL(fault_unwritten_copy)

// The thread that copies has waited, but the others have not waited for it.
KERNEL fault_copy_without_barrier(const float* x, float* y) {
    SHARED(float, values, [4]);
    if (threadIdx.x == 0) {
        cp_async16(values, x, true);
        cp_commit();
        cp_wait<0>();
    }
    y[ELEMENT] = values[threadIdx.x % 4];  // FAULT
}
REGISTER_KERNEL(fault_copy_without_barrier)

// The others have waited for the thread that copies, but not that thread for the copy.
KERNEL fault_copy_barrier_before_wait(const float* x, float* y) {
    SHARED(float, values, [4]);
    if (threadIdx.x == 0) {
        cp_async16(values, x, true);
        cp_commit();
    }
    __syncthreads();
    y[ELEMENT] = values[threadIdx.x % 4];  // FAULT
    cp_wait<0>();
}
REGISTER_KERNEL(fault_copy_barrier_before_wait)

// PTX gives 0, x86 leaves the operand.
KERNEL fault_shift(uint32_t* y, uint32_t by) { y[ELEMENT] = 1u << by; }  // FAULT
REGISTER_KERNEL(fault_shift)

// PTX gives the nearest integer, x86 the smallest.
KERNEL fault_conversion(const float* x, int32_t* y) { y[ELEMENT] = (int32_t)(x[ELEMENT] * 3e9f); }  // FAULT
REGISTER_KERNEL(fault_conversion)

KERNEL fault_index(float* y, uint32_t past) {
    SHARED(float, values, [64]);
    values[threadIdx.x + past] = 1.0f;  // FAULT
    __syncthreads();
    y[ELEMENT] = values[threadIdx.x];
}
REGISTER_KERNEL(fault_index)

// Correct: every exchange between threads is ordered, neighbours write halves of one word, and all blocks read the
// same input. In each block of two warps: 3 barriers, 2 __syncwarps, 2 shuffles of 64 bits, 2 ldmatrix, 2 mma.
KERNEL fault_not_a_race(const float* x, float* y) {
    SHARED(float, copied, [4]);
    SHARED(bf16, tile, [2][32][8]);
    SHARED(float, values, [64]);
    uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    if (threadIdx.x == 0) {
        cp_async16(copied, x, true);
        cp_commit();
        cp_wait<0>();
    }
    // Thread t writes value t % 8 of some rows: two threads share each word.
    for (uint32_t row = lane / 8; row < 32; row += 4) tile[warp][row][lane % 8] = to_bf16(1.0f);
    __syncwarp();
    uint32_t fragment[4], right[2];
    ldmatrix4(fragment, tile[warp][lane]);
    right[0] = fragment[0];
    right[1] = fragment[1];
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    mma_bf16(sums, fragment, right);
    __syncthreads();
    float sum = sums[0] + copied[threadIdx.x % 4];
    for (uint32_t step = 0; step < 1; step++) {
        values[threadIdx.x] = sum;
        __syncthreads();
        sum += values[63 - threadIdx.x];
        __syncthreads();
    }
    y[ELEMENT] = sum + (float)__shfl_xor_sync(ALL_LANES, (double)sum, 1);
}
REGISTER_KERNEL(fault_not_a_race)

// Correct, with accesses of known cost. `stride` is that of the lanes in words. x: [64 stride], y: [64].
KERNEL fault_not_a_fault_strided(const float* x, float* y, uint32_t stride) {
    SHARED(float, values, [64 * 32]);
    values[threadIdx.x * stride] = x[threadIdx.x * stride];
    __syncthreads();
    y[threadIdx.x] = values[threadIdx.x * stride];
}
REGISTER_KERNEL(fault_not_a_fault_strided)

// The same with 16 bytes per lane. x: [256], y: [256].
KERNEL fault_not_a_fault_quads(const float* x, float* y) {
    SHARED(float, values, [256]);
    store4(values + 4 * threadIdx.x, load4(x + 4 * threadIdx.x));
    __syncthreads();
    store4(y + 4 * threadIdx.x, load4(values + 4 * threadIdx.x));
}
REGISTER_KERNEL(fault_not_a_fault_quads)
