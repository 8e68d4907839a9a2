// Sums in two stages. The number of blocks that compute partial sums depends only on sizes, and partial sums are added
// in a fixed order.
// The sums are double, so that small terms are not lost among millions of terms. Bound by memory: one conversion and
// one addition per float.
#include "elements.cuh"
#include "spec.cuh"
#include "sums.cuh"

// partials[block] = sum of the block's share of x. x: [len]; partials: [gridDim.x].
// FLOPs: len. Bytes: 4 len.
KERNEL __launch_bounds__(256) sum_partials(const float* __restrict__ x, double* __restrict__ partials, uint32_t len) {
    SHARED(double, warps, [SUM_WARPS][1]);
    double sum[1] = {0.0};
    uint32_t threads = gridDim.x * SUM_THREADS, i = element();
    if (i < len % 4) sum[0] = x[len / 4 * 4 + i];
#pragma unroll 4
    for (; i < len / 4; i += threads) {
        float4 v = load4(x + 4 * i);
        sum[0] += ((double)v.x + v.y) + ((double)v.z + v.w);
    }
    double total = block_sum(sum, warps);
    if (threadIdx.x == 0) partials[blockIdx.x] = total;
}
REGISTER_KERNEL(sum_partials)

// y[0] = sum of partials, by one block. partials: [count]; y: [1].
// FLOPs: count. Bytes: 8 count + 4.
KERNEL __launch_bounds__(256) sum_total(const double* __restrict__ partials, float* __restrict__ y, uint32_t count) {
    SHARED(double, warps, [SUM_WARPS][1]);
    double sum[1] = {0.0};
    for (uint32_t i = threadIdx.x; i < count; i += SUM_THREADS) sum[0] += partials[i];
    double total = block_sum(sum, warps);
    if (threadIdx.x == 0) y[0] = (float)total;
}
REGISTER_KERNEL(sum_total)

// y[0] = sum of x, one thread. x: [len]; y: [1].
// FLOPs: len. Bytes: 4 len + 4.
KERNEL __launch_bounds__(256) sum_naive(const float* __restrict__ x, float* __restrict__ y, uint32_t len) {
    if (element() > 0) return;
    double sum = 0.0;
    for (uint32_t i = 0; i < len; i++) sum += x[i];
    y[0] = (float)sum;
}
REGISTER_KERNEL(sum_naive)

// dx += alpha dy[0]. dy: [1]; dx: [len].
// FLOPs: len. Bytes: 8 len + 4.
KERNEL __launch_bounds__(256)
    sum_grad(const float* __restrict__ dy, float* __restrict__ dx, float alpha, uint32_t len) {
    uint32_t i = element();
    if (i < len) dx[i] += alpha * dy[0];
}
REGISTER_KERNEL(sum_grad)

DEVICE double to_double(float x) { return x; }
DEVICE double to_double(double x) { return x; }
DEVICE double to_double(bf16 x) { return to_f32(x); }

// Sum of a thread's column over the rows [first, last): `lanes` adjacent threads read one row, the next `lanes` threads
// the next row.
// Threads below `lanes` get the sum. x: the column's first element, rows are `stride` apart; sums: [SUM_THREADS],
// shared. Call it at most once per kernel.
template <class T> DEVICE double column_sum(const T* x, uint32_t stride, uint32_t first, uint32_t last, uint32_t lanes,
                                           bool inside, double* sums) {
    double sum = 0.0;
    if (inside) {
#pragma unroll 8
        for (uint32_t row = first + threadIdx.x / lanes; row < last; row += SUM_THREADS / lanes)
            sum += to_double(x[row * stride]);
    }
    sums[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x < lanes) {
        for (uint32_t i = threadIdx.x + lanes; i < SUM_THREADS; i += lanes) sum += sums[i];
    }
    return sum;
}

// The column of a thread.
DEVICE uint32_t column_at(uint32_t lanes) { return blockIdx.x * lanes + threadIdx.x % lanes; }

// partials[part,i] = sum over the part's rows of x[row, start + i]. x: [rows,stride]; partials: [gridDim.y,columns].
// lanes: adjacent threads along a row, a power of two up to 32.
// FLOPs: rows columns. Bytes: 4 rows columns.
KERNEL __launch_bounds__(256)
    column_partials(const float* __restrict__ x, double* __restrict__ partials, uint32_t rows, uint32_t stride,
                    uint32_t start, uint32_t columns, uint32_t lanes, uint32_t rows_of_part) {
    SHARED(double, sums, [SUM_THREADS]);
    uint32_t column = column_at(lanes), first = blockIdx.y * rows_of_part, last = min(first + rows_of_part, rows);
    double sum = column_sum(x + start + column, stride, first, last, lanes, column < columns, sums);
    if (threadIdx.x < lanes && column < columns) partials[blockIdx.y * columns + column] = sum;
}
REGISTER_KERNEL(column_partials)

// As column_partials, of bf16.
// FLOPs: rows columns. Bytes: 2 rows columns.
KERNEL __launch_bounds__(256)
    column_partials_bf16(const bf16* __restrict__ x, double* __restrict__ partials, uint32_t rows, uint32_t stride,
                         uint32_t start, uint32_t columns, uint32_t lanes, uint32_t rows_of_part) {
    SHARED(double, sums, [SUM_THREADS]);
    uint32_t column = column_at(lanes), first = blockIdx.y * rows_of_part, last = min(first + rows_of_part, rows);
    double sum = column_sum(x + start + column, stride, first, last, lanes, column < columns, sums);
    if (threadIdx.x < lanes && column < columns) partials[blockIdx.y * columns + column] = sum;
}
REGISTER_KERNEL(column_partials_bf16)

// y[i] += sum over parts of partials[part,i]. partials: [parts,columns]; y: [columns].
// FLOPs: parts columns. Bytes: 8 parts columns + 4 (1 + adds) columns.
KERNEL __launch_bounds__(256) column_totals(const double* __restrict__ partials, float* __restrict__ y, uint32_t blank,
                                            uint32_t parts, uint32_t columns, uint32_t lanes) {
    SHARED(double, sums, [SUM_THREADS]);
    uint32_t column = column_at(lanes);
    double sum = column_sum(partials + column, columns, 0, parts, lanes, column < columns, sums);
    if (threadIdx.x < lanes && column < columns) y[column] = blank ? (float)sum : y[column] + (float)sum;
}
REGISTER_KERNEL(column_totals)

// y[i] += sum over rows of x[row, start + i], one thread per column. x: [rows,stride]; y: [columns].
// FLOPs: rows columns. Bytes: 4 rows columns + 8 columns.
KERNEL __launch_bounds__(256) column_sums_naive(const float* __restrict__ x, float* __restrict__ y, uint32_t rows,
                                                uint32_t stride, uint32_t start, uint32_t columns) {
    uint32_t column = element();
    if (column >= columns) return;
    double sum = 0.0;
    for (uint32_t row = 0; row < rows; row++) sum += x[row * stride + start + column];
    y[column] += (float)sum;
}
REGISTER_KERNEL(column_sums_naive)
