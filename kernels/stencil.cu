// Small fixed filters of the mean over the channels, the border repeated: with the taps t of filter k and r = (size -
// 1) / 2,
//     y[n,p,q,k] = 1/C Σ_{i,j,c} t[k,i,j] x[n, in(s p + i - r), in(s q + j - r), c],
// where `in` moves a position outside the image to the nearest one inside. The spec has the taps divided by C.
// Bound by memory; neighbouring threads share their reads in the cache.
#include "elements.cuh"

struct StencilSpec { uint32_t n, h, w, c, filters, size, stride; float taps[18]; };

// The position of x that a tap reads for position `at` of y, along an axis of `extent` pixels of x.
DEVICE uint32_t tap_position(StencilSpec s, uint32_t at, uint32_t tap, uint32_t extent) {
    uint32_t radius = (s.size - 1) / 2, position = at * s.stride + tap;
    return min(position > radius ? position - radius : 0u, extent - 1);
}

// The index in x of the first channel that a tap reads for pixel (image, p, q) of y.
DEVICE uint32_t tap_pixel(StencilSpec s, uint32_t image, uint32_t p, uint32_t q, uint32_t tap) {
    uint32_t row = tap_position(s, p, tap / s.size, s.h), column = tap_position(s, q, tap % s.size, s.w);
    return ((image * s.h + row) * s.w + column) * s.c;
}

// One thread per pixel of y, which sums the channels of a tap once for all filters. x: [N,H,W,C]; y:
// [N,H/stride,W/stride,filters], len elements.
// FLOPs: 2 size^2 c len. Bytes: 4 n h w c + 4 len.
KERNEL __launch_bounds__(256) stencil(const float* __restrict__ x, float* __restrict__ y, StencilSpec s) {
    uint32_t pixel = element(), rows = s.h / s.stride, columns = s.w / s.stride;
    if (pixel >= s.n * rows * columns) return;
    uint32_t q = pixel % columns, p = pixel / columns % rows, image = pixel / columns / rows, taps = s.size * s.size;
    float sums[2] = {0.0f, 0.0f};
    for (uint32_t tap = 0; tap < taps; tap++) {
        const float* channels = x + tap_pixel(s, image, p, q, tap);
        float value = 0.0f;
        for (uint32_t c = 0; c < s.c; c++) value += channels[c];
        sums[0] += s.taps[tap] * value;
        if (s.filters > 1) sums[1] += s.taps[taps + tap] * value;
    }
    for (uint32_t k = 0; k < s.filters; k++) y[pixel * s.filters + k] = sums[k];
}
REGISTER_KERNEL(stencil)

// dx += adjoint of dy. One thread per pixel of x, which gathers from the pixels of y that read it; all its channels get
// the same.
// dy: [N,H/stride,W/stride,filters], len elements; dx: [N,H,W,C].
// FLOPs: 2 size^2 c len. Bytes: 4 len + 8 n h w c.
KERNEL __launch_bounds__(256) stencil_grad(const float* __restrict__ dy, float* __restrict__ dx, StencilSpec s) {
    uint32_t pixel = element(), rows = s.h / s.stride, columns = s.w / s.stride, radius = (s.size - 1) / 2,
             taps = s.size * s.size;
    if (pixel >= s.n * s.h * s.w) return;
    uint32_t column = pixel % s.w, row = pixel / s.w % s.h, image = pixel / s.w / s.h;
    uint32_t top = row + radius + 1 > s.size ? (row + radius + 1 - s.size + s.stride - 1) / s.stride : 0;
    uint32_t left = column + radius + 1 > s.size ? (column + radius + 1 - s.size + s.stride - 1) / s.stride : 0;
    float gradient = 0.0f;
    for (uint32_t p = top; p < min((row + radius) / s.stride + 1, rows); p++) {
        for (uint32_t q = left; q < min((column + radius) / s.stride + 1, columns); q++) {
            const float* from = dy + ((image * rows + p) * columns + q) * s.filters;
            for (uint32_t tap = 0; tap < taps; tap++) {
                if (tap_pixel(s, image, p, q, tap) != pixel * s.c) continue;
                for (uint32_t k = 0; k < s.filters; k++) gradient += s.taps[k * taps + tap] * from[k];
            }
        }
    }
    for (uint32_t c = 0; c < s.c; c++) dx[pixel * s.c + c] += gradient;
}
REGISTER_KERNEL(stencil_grad)

// As stencil, one thread per element of y, by the definition.
// FLOPs: 2 size^2 c len. Bytes: 4 n h w c + 4 len.
KERNEL __launch_bounds__(256) stencil_naive(const float* __restrict__ x, float* __restrict__ y, StencilSpec s) {
    uint32_t i = element(), rows = s.h / s.stride, columns = s.w / s.stride, taps = s.size * s.size;
    if (i >= s.n * rows * columns * s.filters) return;
    uint32_t pixel = i / s.filters, q = pixel % columns, p = pixel / columns % rows, image = pixel / columns / rows;
    float sum = 0.0f;
    for (uint32_t tap = 0; tap < taps; tap++) {
        uint32_t first = tap_pixel(s, image, p, q, tap);
        for (uint32_t c = 0; c < s.c; c++) sum += s.taps[i % s.filters * taps + tap] * x[first + c];
    }
    y[i] = sum;
}
REGISTER_KERNEL(stencil_naive)

// As stencil_grad, one thread per image and channel, which adds every product of the definition to dx.
// FLOPs: 2 size^2 c len. Bytes: 4 len + 8 n h w c.
KERNEL __launch_bounds__(256) stencil_grad_naive(const float* __restrict__ dy, float* __restrict__ dx, StencilSpec s) {
    uint32_t image = element() / s.c, c = element() % s.c, rows = s.h / s.stride, columns = s.w / s.stride,
             taps = s.size * s.size;
    if (image >= s.n) return;
    for (uint32_t i = 0; i < rows * columns * s.filters; i++) {
        uint32_t pixel = i / s.filters, k = i % s.filters;
        for (uint32_t tap = 0; tap < taps; tap++) {
            uint32_t to = tap_pixel(s, image, pixel / columns, pixel % columns, tap) + c;
            dx[to] += s.taps[k * taps + tap] * dy[(image * rows * columns + pixel) * s.filters + k];
        }
    }
}
REGISTER_KERNEL(stencil_grad_naive)
