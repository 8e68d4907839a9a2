// n-fold box average (Method §6): (G x)[p] = 1/|W(p)| sum over q in W(p) of x[q], where W(p) is the k x k window around
// p, clipped at the border. A window is a product of two intervals, so its mean is computed along rows and then along
// columns. Each pass is a running sum, so the cost per pixel does not depend on k. The adjoint divides first and then
// sums. Values between the passes are double, because subtracting a value from a running sum must cancel its earlier
// addition.
// Bound by memory.
#include "elements.cuh"
#include "spec.cuh"

// Number of positions along an axis inside the window around i.
DEVICE double window_count(BoxAverageSpec s, uint32_t i, uint32_t extent) {
    uint32_t radius = s.size / 2, first = i > radius ? i - radius : 0;
    return (double)(min(i + radius, extent - 1) - first + 1);
}

// values = x. x, values: [len].
// FLOPs: 0. Bytes: 12 len.
KERNEL __launch_bounds__(256) box_begin(const float* __restrict__ x, double* __restrict__ values, uint32_t len) {
    uint32_t i = element();
    if (i < len) values[i] = x[i];
}
REGISTER_KERNEL(box_begin)

// y = values. values, y: [len].
// FLOPs: 0. Bytes: 12 len.
KERNEL __launch_bounds__(256) box_end(const double* __restrict__ values, float* __restrict__ y, uint32_t len) {
    uint32_t i = element();
    if (i < len) y[i] = (float)values[i];
}
REGISTER_KERNEL(box_end)

// dx += values. values, dx: [len].
// FLOPs: len. Bytes: 16 len.
KERNEL __launch_bounds__(256) box_end_grad(const double* __restrict__ values, float* __restrict__ dx, uint32_t len) {
    uint32_t i = element();
    if (i < len) dx[i] += (float)values[i];
}
REGISTER_KERNEL(box_end_grad)

// prefix[i] = sum of the row up to i, by one warp. adjoint: each value is first divided by the length of its window.
DEVICE void row_prefix(const double* row, double* prefix, bool adjoint, BoxAverageSpec s) {
    uint32_t lane = threadIdx.x % WARP;
    double before = 0.0;  // sum of the previous steps
    for (uint32_t start = 0; start < s.w; start += WARP) {
        uint32_t i = start + lane;
        double sum = i < s.w ? row[i] : 0.0;
        if (adjoint && i < s.w) sum /= window_count(s, i, s.w);
        for (uint32_t distance = 1; distance < WARP; distance *= 2) {
            double left = __shfl_up_sync(ALL_LANES, sum, distance);
            if (lane >= distance) sum += left;
        }
        sum += before;
        if (i < s.w) prefix[i] = sum;
        before = __shfl_sync(ALL_LANES, sum, WARP - 1);
    }
    __syncwarp();
}

// values = means along rows, or the adjoint of that map. values, prefix: [n h,w]; prefix is scratch. One warp per row.
// FLOPs: 8 n h w. Bytes: 32 n h w.
KERNEL __launch_bounds__(256) box_rows(double* values, double* prefix, uint32_t adjoint, BoxAverageSpec s) {
    uint32_t index = element() / WARP, radius = s.size / 2;
    if (index >= s.n * s.h) return;
    double* row = values + index * s.w;
    prefix += index * s.w;
    row_prefix(row, prefix, adjoint, s);
    for (uint32_t i = threadIdx.x % WARP; i < s.w; i += WARP) {
        double sum = prefix[min(i + radius, s.w - 1)];
        if (i > radius) sum -= prefix[i - radius - 1];
        row[i] = adjoint ? sum : sum / window_count(s, i, s.w);
    }
}
REGISTER_KERNEL(box_rows)

// target = means along columns, or the adjoint of that map. source, target: [n,h,w]. One thread per column.
// FLOPs: 3 n h w. Bytes: 24 n h w.
KERNEL __launch_bounds__(64)
    box_columns(const double* __restrict__ source, double* __restrict__ target, uint32_t adjoint, BoxAverageSpec s) {
    uint32_t column = element() % s.w, image = element() / s.w, radius = s.size / 2;
    if (image >= s.n) return;
    source += image * s.h * s.w + column;
    target += image * s.h * s.w + column;
    auto value = [=](uint32_t i) { return adjoint ? source[i * s.w] / window_count(s, i, s.h) : source[i * s.w]; };
    double sum = 0.0;
    for (uint32_t i = 0; i < min(radius, s.h); i++) sum += value(i);
    for (uint32_t i = 0; i < s.h; i++) {
        if (i + radius < s.h) sum += value(i + radius);
        if (i > radius) sum -= value(i - radius - 1);
        target[i * s.w] = adjoint ? sum : sum / window_count(s, i, s.h);
    }
}
REGISTER_KERNEL(box_columns)

// Sum over the window around pixel i, from the definition. adjoint: each pixel is divided by the area of its own
// window.
DEVICE double window_sum(const float* x, uint32_t i, bool adjoint, BoxAverageSpec s) {
    uint32_t column = i % s.w, row = i / s.w % s.h, radius = s.size / 2;
    const float* of_image = x + i / s.w / s.h * s.h * s.w;
    double sum = 0.0;
    for (uint32_t p = row > radius ? row - radius : 0; p < min(row + radius + 1, s.h); p++) {
        for (uint32_t q = column > radius ? column - radius : 0; q < min(column + radius + 1, s.w); q++) {
            double area = adjoint ? window_count(s, p, s.h) * window_count(s, q, s.w) : 1.0;
            sum += of_image[p * s.w + q] / area;
        }
    }
    return sum;
}

// y = G x, applied once, one thread per pixel. x, y: [n,h,w].
// FLOPs: size^2 n h w. Bytes: 8 n h w.
KERNEL __launch_bounds__(256) box_average_naive(const float* __restrict__ x, float* __restrict__ y, BoxAverageSpec s) {
    uint32_t i = element();
    if (i >= s.n * s.h * s.w) return;
    y[i] = (float)(window_sum(x, i, false, s) / (window_count(s, i / s.w % s.h, s.h) * window_count(s, i % s.w, s.w)));
}
REGISTER_KERNEL(box_average_naive)

// dx += Gᵀ dy, applied once, one thread per pixel. dy, dx: [n,h,w].
// FLOPs: 3 size^2 n h w. Bytes: 12 n h w.
KERNEL __launch_bounds__(256)
    box_average_grad_naive(const float* __restrict__ dy, float* __restrict__ dx, BoxAverageSpec s) {
    uint32_t i = element();
    if (i < s.n * s.h * s.w) dx[i] += (float)window_sum(dy, i, true, s);
}
REGISTER_KERNEL(box_average_grad_naive)
