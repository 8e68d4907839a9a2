// Gaussian-weighted local mean of a product, per channel: y = G (a b), where G is the mean over a window with weights
// taps[i] taps[j], over pixels inside the image only. The weights are a product over both axes, so the mean is computed
// along rows and then along columns; the adjoint goes in the opposite order. One thread per element. Bound by memory;
// neighbouring threads share their reads in the cache.
#include "elements.cuh"

struct WindowedMeanSpec { uint32_t n, h, w, c, size; float taps[31]; };

// Sum of the weights inside the image, for the window around position i of an axis.
DEVICE float weight_inside(WindowedMeanSpec s, uint32_t i, uint32_t extent) {
    uint32_t radius = s.size / 2;
    float sum = 0.0f;
    for (uint32_t k = 0; k < s.size; k++) {
        if (i + k >= radius && i + k - radius < extent) sum += s.taps[k];
    }
    return sum;
}

// Σ_k taps[k] x[i + k - radius] along an axis of length `extent`, whose elements are `stride` apart. Forward, the sum
// is divided by the weight around i; in the adjoint, each term is divided by the weight around its own position. b, if
// not null, multiplies every term.
DEVICE float mean_along(const float* x, const float* b, WindowedMeanSpec s, uint32_t i, uint32_t extent,
                        uint32_t stride, bool adjoint) {
    uint32_t radius = s.size / 2;
    float sum = 0.0f;
    for (uint32_t k = 0; k < s.size; k++) {
        if (i + k < radius || i + k - radius >= extent) continue;
        uint32_t j = i + k - radius;
        float value = x[j * stride];
        if (b) value *= b[j * stride];
        if (adjoint) value /= weight_inside(s, j, extent);
        sum += s.taps[k] * value;
    }
    return adjoint ? sum : sum / weight_inside(s, i, extent);
}

// The position of element e.
struct Place {
    uint32_t row, column, row_start, column_start;
};  // row_start and column_start: first element of its row and its column
DEVICE Place place_of(WindowedMeanSpec s, uint32_t e) {
    uint32_t channel = e % s.c, column = e / s.c % s.w, row = e / s.c / s.w % s.h, image = e / s.c / s.w / s.h;
    return {row, column, (image * s.h + row) * s.w * s.c + channel, (image * s.h * s.w + column) * s.c + channel};
}

// t = mean of a b along rows. a, b (or null), t: [N,H,W,C], len elements.
// FLOPs: 3 size len. Bytes: 4 inputs len + 4 len.
KERNEL __launch_bounds__(256) windowed_mean_rows(const float* __restrict__ a, const float* __restrict__ b,
                                                 float* __restrict__ t, WindowedMeanSpec s) {
    uint32_t e = element();
    if (e >= s.n * s.h * s.w * s.c) return;
    Place at = place_of(s, e);
    t[e] = mean_along(a + at.row_start, b ? b + at.row_start : b, s, at.column, s.w, s.c, false);
}
REGISTER_KERNEL(windowed_mean_rows)

// y = mean of t along columns. t, y: [N,H,W,C], len elements.
// FLOPs: 2 size len. Bytes: 8 len.
KERNEL __launch_bounds__(256)
    windowed_mean_columns(const float* __restrict__ t, float* __restrict__ y, WindowedMeanSpec s) {
    uint32_t e = element();
    if (e >= s.n * s.h * s.w * s.c) return;
    Place at = place_of(s, e);
    y[e] = mean_along(t + at.column_start, nullptr, s, at.row, s.h, s.w * s.c, false);
}
REGISTER_KERNEL(windowed_mean_columns)

// t = adjoint of the mean along columns, of dy. dy, t: [N,H,W,C], len elements.
// FLOPs: 3 size len. Bytes: 8 len.
KERNEL __launch_bounds__(256)
    windowed_mean_columns_grad(const float* __restrict__ dy, float* __restrict__ t, WindowedMeanSpec s) {
    uint32_t e = element();
    if (e >= s.n * s.h * s.w * s.c) return;
    Place at = place_of(s, e);
    t[e] = mean_along(dy + at.column_start, nullptr, s, at.row, s.h, s.w * s.c, true);
}
REGISTER_KERNEL(windowed_mean_columns_grad)

// da += b times the adjoint of the mean along rows, of t. t, b (or null), da: [N,H,W,C], len elements.
// FLOPs: 3 size len + 2 len. Bytes: 4 inputs len + 8 len.
KERNEL __launch_bounds__(256) windowed_mean_rows_grad(const float* __restrict__ t, const float* __restrict__ b,
                                                      float* __restrict__ da, WindowedMeanSpec s) {
    uint32_t e = element();
    if (e >= s.n * s.h * s.w * s.c) return;
    Place at = place_of(s, e);
    float gradient = mean_along(t + at.row_start, nullptr, s, at.column, s.w, s.c, true);
    da[e] += b ? b[e] * gradient : gradient;
}
REGISTER_KERNEL(windowed_mean_rows_grad)

// Weight of pixel (p, q) in the mean around (row, column).
DEVICE float window_weight(WindowedMeanSpec s, uint32_t row, uint32_t column, uint32_t p, uint32_t q) {
    uint32_t radius = s.size / 2;
    float weight = s.taps[p + radius - row] * s.taps[q + radius - column];
    return weight / (weight_inside(s, row, s.h) * weight_inside(s, column, s.w));
}

// As windowed_mean_rows and windowed_mean_columns, computed from the definition.
// FLOPs: 3 size^2 len. Bytes: 4 inputs len + 4 len.
KERNEL __launch_bounds__(256) windowed_mean_naive(const float* __restrict__ a, const float* __restrict__ b,
                                                  float* __restrict__ y, WindowedMeanSpec s) {
    uint32_t e = element();
    if (e >= s.n * s.h * s.w * s.c) return;
    Place at = place_of(s, e);
    uint32_t radius = s.size / 2, image = at.column_start - at.column * s.c;  // start of the image, plus the channel
    float sum = 0.0f;
    for (uint32_t p = at.row > radius ? at.row - radius : 0; p < min(at.row + radius + 1, s.h); p++) {
        for (uint32_t q = at.column > radius ? at.column - radius : 0; q < min(at.column + radius + 1, s.w); q++) {
            uint32_t i = image + (p * s.w + q) * s.c;
            sum += window_weight(s, at.row, at.column, p, q) * (b ? a[i] * b[i] : a[i]);
        }
    }
    y[e] = sum;
}
REGISTER_KERNEL(windowed_mean_naive)

// As windowed_mean_columns_grad and windowed_mean_rows_grad, computed from the weights of the forward map.
// FLOPs: 2 size^2 len + 2 len. Bytes: 4 inputs len + 8 len.
KERNEL __launch_bounds__(256) windowed_mean_grad_naive(const float* __restrict__ dy, const float* __restrict__ b,
                                                       float* __restrict__ da, WindowedMeanSpec s) {
    uint32_t e = element();
    if (e >= s.n * s.h * s.w * s.c) return;
    Place at = place_of(s, e);
    uint32_t radius = s.size / 2, image = at.column_start - at.column * s.c;
    float sum = 0.0f;
    for (uint32_t p = at.row > radius ? at.row - radius : 0; p < min(at.row + radius + 1, s.h); p++) {
        for (uint32_t q = at.column > radius ? at.column - radius : 0; q < min(at.column + radius + 1, s.w); q++) {
            sum += window_weight(s, p, q, at.row, at.column) * dy[image + (p * s.w + q) * s.c];
        }
    }
    da[e] += b ? b[e] * sum : sum;
}
REGISTER_KERNEL(windowed_mean_grad_naive)
