// Kernels that are wrong on purpose, each in one way. The emulator must reject them and report kernel, block and line.
// The lines that tests expect in the report end in a comment that begins with FAULT. Only emulator builds contain this
// file.
#include "../dev.cuh"

// Index of the thread in the grid.
#define ELEMENT (blockIdx.x * blockDim.x + threadIdx.x)

// Thread 0 writes and all threads read: correct in index order, wrong in most other orders. y: [blocks * threads].
KERNEL fault_race(float* y) {
    SHARED(float, value, [1]);
    if (threadIdx.x == 0) value[0] = 1.0f;
    y[ELEMENT] = value[0];
}
REGISTER_KERNEL(fault_race)

// As above, with arithmetic on the value, which is poison if it is read too early.
KERNEL fault_missing_barrier(float* y) {
    SHARED(float, values, [64]);
    values[threadIdx.x] = 1.0f;
    y[ELEMENT] = 2.0f * values[63 - threadIdx.x];  // FAULT
}
REGISTER_KERNEL(fault_missing_barrier)

KERNEL fault_unwritten_shared(float* y) {
    SHARED(float, values, [64]);
    if (threadIdx.x != 7) values[threadIdx.x] = 1.0f;
    __syncthreads();
    y[ELEMENT] = values[threadIdx.x] + 1.0f;  // FAULT
}
REGISTER_KERNEL(fault_unwritten_shared)

KERNEL fault_unwritten_global(const float* x, float* y) { y[ELEMENT] = x[ELEMENT] + 1.0f; }  // FAULT
REGISTER_KERNEL(fault_unwritten_global)

// The arithmetic happens inside a library function.
KERNEL fault_unwritten_exponent(const float* x, float* y) { y[ELEMENT] = expf(x[ELEMENT]); }  // FAULT
REGISTER_KERNEL(fault_unwritten_exponent)

KERNEL fault_divergent_barrier() {
    if (threadIdx.x < 16) __syncthreads();  // FAULT
}
REGISTER_KERNEL(fault_divergent_barrier)

KERNEL fault_two_barriers() {
    if (threadIdx.x < 32) {
        __syncthreads();  // FAULT
    } else {
        __syncthreads();  // FAULT
    }
}
REGISTER_KERNEL(fault_two_barriers)

KERNEL fault_read_past_end(const float* x, float* y, uint32_t past) { y[ELEMENT] = x[ELEMENT + past]; }  // FAULT
REGISTER_KERNEL(fault_read_past_end)

KERNEL fault_write_past_end(float* y, uint32_t past) { y[ELEMENT + past] = 1.0f; }  // FAULT
REGISTER_KERNEL(fault_write_past_end)

KERNEL fault_misaligned_load(const float* x, float* y) { y[ELEMENT] = load4(x + 1).x; }  // FAULT
REGISTER_KERNEL(fault_misaligned_load)

KERNEL fault_misaligned_store(float* y) { store4(y + 2, make_float4(1, 2, 3, 4)); }  // FAULT
REGISTER_KERNEL(fault_misaligned_store)

KERNEL fault_copy_without_wait(const float* x) {
    SHARED(float, values, [64]);
    cp_async16(&values[threadIdx.x % 16 * 4], x, true);  // FAULT
    cp_commit();
}
REGISTER_KERNEL(fault_copy_without_wait)

// Waits for the first of two copies only and reads the second.
KERNEL fault_copy_read_early(const float* x, float* y) {
    SHARED(float, values, [2][4]);
    cp_async16(values[0], x, threadIdx.x == 0);
    cp_commit();
    cp_async16(values[1], x, threadIdx.x == 0);
    cp_commit();
    cp_wait<1>();
    y[ELEMENT] = 2.0f * values[1][threadIdx.x % 4];  // FAULT
    cp_wait<0>();
}
REGISTER_KERNEL(fault_copy_read_early)

KERNEL fault_dead_lane(float* y) {
    if (threadIdx.x == 5) return;
    float x = __shfl_xor_sync(ALL_LANES, 1.0f, 1);  // FAULT
    y[ELEMENT] = x;
}
REGISTER_KERNEL(fault_dead_lane)

KERNEL fault_not_in_mask(float* y) { y[ELEMENT] = __shfl_sync(1u, 1.0f, 0); }  // FAULT
REGISTER_KERNEL(fault_not_in_mask)

KERNEL fault_two_collectives(float* y) {
    if (threadIdx.x % 2) {
        y[ELEMENT] = __shfl_sync(ALL_LANES, 1.0f, 0);  // FAULT
    } else {
        __syncwarp();  // FAULT
    }
}
REGISTER_KERNEL(fault_two_collectives)

// One lane waits for the block while the others wait for that lane.
KERNEL fault_deadlock(float* y) {
    if (threadIdx.x == 0) __syncthreads();  // FAULT
    float x = __shfl_sync(ALL_LANES, 1.0f, 0);  // FAULT
    if (threadIdx.x != 0) __syncthreads();
    y[ELEMENT] = x;
}
REGISTER_KERNEL(fault_deadlock)

KERNEL fault_division(uint32_t* y, uint32_t divisor) { y[ELEMENT] = 7 % divisor; }  // FAULT
REGISTER_KERNEL(fault_division)

// A correct kernel that produces NaNs itself: y = 0 x / 0.
KERNEL fault_not_a_fault(const float* x, float* y) { y[ELEMENT] = 0.0f * x[ELEMENT] / 0.0f; }
REGISTER_KERNEL(fault_not_a_fault)
