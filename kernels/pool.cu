// Max-pooling as a selection: the position of the maximum is found in x, the value is read from v. Windows do not
// overlap. Left-over rows and columns at the far borders belong to no window. Among equal maxima, the first in
// row-major order is selected.
// Bound by memory. One thread per window and up to four channels.
#include "activation.cuh"
#include "bf16.cuh"
#include "elements.cuh"

// Number of output pixels.
DEVICE uint32_t windows_of(PoolSpec s) { return s.n * (s.h / s.window) * (s.w / s.window); }

// Index in x at which the window of an output pixel starts.
DEVICE uint32_t window_start(PoolSpec s, uint32_t pixel) {
    uint32_t h_out = s.h / s.window, w_out = s.w / s.window;
    uint32_t q = pixel % w_out, p = pixel / w_out % h_out, image = pixel / w_out / h_out;
    return ((image * s.h + p * s.window) * s.w + q * s.window) * s.c;
}

// Offset of a tap from the start of its window; taps are in row-major order.
DEVICE uint32_t tap_offset(PoolSpec s, uint32_t tap) { return (tap / s.window * s.w + tap % s.window) * s.c; }

// Keeps the larger x and the value that belongs to it.
template <class V> DEVICE void keep_larger(float& best, V& chosen, float x, V candidate) {
    if (x > best) best = x, chosen = candidate;
}

// y[n,p,q,c] = v[argmax of x over window (p,q)]. x, v: [N,H,W,C]; y: [N,H/window,W/window,C], len elements.
// inputs: 1 where x and v are the same, else 2.
// FLOPs: window^2 len. Bytes: 4 inputs window^2 len + 4 len.
KERNEL __launch_bounds__(256)
    max_pool(const float* __restrict__ x, const float* __restrict__ v, float* __restrict__ y, PoolSpec s) {
    Quad quad = quad_at(element(), s.c);
    if (quad.pixel >= windows_of(s)) return;
    uint32_t first = window_start(s, quad.pixel) + quad.channel;
    float4 best = load_quad(x + first, quad), chosen = load_quad(v + first, quad);
    for (uint32_t tap = 1; tap < s.window * s.window; tap++) {
        uint32_t at = first + tap_offset(s, tap);
        float4 candidate = load_quad(x + at, quad), value = load_quad(v + at, quad);
        keep_larger(best.x, chosen.x, candidate.x, value.x);
        keep_larger(best.y, chosen.y, candidate.y, value.y);
        keep_larger(best.z, chosen.z, candidate.z, value.z);
        keep_larger(best.w, chosen.w, candidate.w, value.w);
    }
    store_quad(y + quad.pixel * s.c + quad.channel, chosen, quad);
}
REGISTER_KERNEL(max_pool)

// dv[argmax of x over window (p,q)] += dy[n,p,q,c]. x, dv: [N,H,W,C]; dy: [N,H/window,W/window,C], len elements.
// Nearly every memory sector of dv contains a maximum of some channel, so whole windows are read and written.
// FLOPs: window^2 len + len. Bytes: 12 window^2 len + 4 len.
KERNEL __launch_bounds__(256)
    max_pool_grad(const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dv, PoolSpec s) {
    Quad quad = quad_at(element(), s.c);
    if (quad.pixel >= windows_of(s)) return;
    uint32_t first = window_start(s, quad.pixel) + quad.channel;
    float4 best = load_quad(x + first, quad);
    uint4 chosen = make_uint4(first, first, first, first);
    for (uint32_t tap = 1; tap < s.window * s.window; tap++) {
        uint32_t at = first + tap_offset(s, tap);
        float4 candidate = load_quad(x + at, quad);
        keep_larger(best.x, chosen.x, candidate.x, at);
        keep_larger(best.y, chosen.y, candidate.y, at);
        keep_larger(best.z, chosen.z, candidate.z, at);
        keep_larger(best.w, chosen.w, candidate.w, at);
    }
    float4 gradient = load_quad(dy + quad.pixel * s.c + quad.channel, quad);
    for (uint32_t tap = 0; tap < s.window * s.window; tap++) {
        uint32_t at = first + tap_offset(s, tap);
        float4 sum = load_quad(dv + at, quad);
        if (chosen.x == at) sum.x += gradient.x;
        if (chosen.y == at) sum.y += gradient.y;
        if (chosen.z == at) sum.z += gradient.z;
        if (chosen.w == at) sum.w += gradient.w;
        store_quad(dv + at, sum, quad);
    }
}
REGISTER_KERNEL(max_pool_grad)

// Calls visit(tap, offset from the start of the window) for the taps in `rows` x `columns` of a window, in row-major
// order.
template <class Visit> DEVICE void each_tap(PoolSpec s, uint32_t rows, uint32_t columns, const Visit& visit) {
#pragma unroll 1
    for (uint32_t row = 0; row < rows; row++)
#pragma unroll 1
        for (uint32_t column = 0; column < columns; column++)
            visit(row * s.window + column, (row * s.w + column) * s.c);
}

// The tap with the largest x in a window, for each of eight channels.
struct Chosen { uint32_t tap[CHUNK]; };
DEVICE Chosen chosen8(const bf16* x, PoolSpec s) {
    Eight best = load8(x);
    Chosen chosen{};
    each_tap(s, s.window, s.window, [&](uint32_t tap, uint32_t offset) {
        Eight candidate = load8(x + offset);
#pragma unroll
        for (uint32_t i = 0; i < CHUNK; i++) keep_larger(best.v[i], chosen.tap[i], candidate.v[i], tap);
    });
    return chosen;
}

// As max_pool, for eight channels per thread. x, v: [N,H,W,C] bf16; y: [N,H/window,W/window,C] bf16, len elements.
// FLOPs: window^2 len. Bytes: 2 inputs window^2 len + 2 len.
KERNEL __launch_bounds__(256)
    max_pool_bf16(const bf16* __restrict__ x, const bf16* __restrict__ v, bf16* __restrict__ y, PoolSpec s) {
    uint32_t chunks = s.c / CHUNK, pixel = element() / chunks, channel = element() % chunks * CHUNK;
    if (pixel >= windows_of(s)) return;
    uint32_t first = window_start(s, pixel) + channel;
    Chosen chosen = chosen8(x + first, s);
    Eight values{};
    each_tap(s, s.window, s.window, [&](uint32_t tap, uint32_t offset) {
        Eight candidate = load8(v + first + offset);
#pragma unroll
        for (uint32_t i = 0; i < CHUNK; i++) values.v[i] = chosen.tap[i] == tap ? candidate.v[i] : values.v[i];
    });
    store8(y + pixel * s.c + channel, values);
}
REGISTER_KERNEL(max_pool_bf16)

// As max_pool_grad, then dv *= S(slope_of) if slope_of is not null, and one rounding. Threads also cover the rows and
// columns that belong to no window, where nothing is added. x, dv, slope_of: [N,H,W,C] bf16; dy:
// [N,H/window,W/window,C] bf16, len elements. sloped: 1 if there is a slope that is not x, else 0.
// FLOPs: window^2 len + len. Bytes: (4 + 2 adds + 2 sloped) window^2 len + 2 len.
KERNEL __launch_bounds__(256)
    max_pool_grad_bf16(const bf16* __restrict__ x, const bf16* __restrict__ dy, bf16* __restrict__ dv, uint32_t blank,
                       const bf16* __restrict__ slope_of, uint32_t activation, PoolSpec s) {
    uint32_t across = (s.w + s.window - 1) / s.window, down = (s.h + s.window - 1) / s.window, chunks = s.c / CHUNK;
    uint32_t place = element() / chunks, channel = element() % chunks * CHUNK;
    uint32_t q = place % across, p = place / across % down, image = place / across / down;
    if (image >= s.n) return;
    uint32_t rows = min(s.h - p * s.window, s.window), columns = min(s.w - q * s.window, s.window);
    uint32_t first = ((image * s.h + p * s.window) * s.w + q * s.window) * s.c + channel;
    Chosen chosen{};
    Eight gradient{};
    if (rows == s.window && columns == s.window) {
        chosen = chosen8(x + first, s);
        gradient = load8(dy + ((image * (s.h / s.window) + p) * (s.w / s.window) + q) * s.c + channel);
    }
    each_tap(s, rows, columns, [&](uint32_t tap, uint32_t offset) {
        Eight sum = blank ? Eight{} : load8(dv + first + offset);
#pragma unroll
        for (uint32_t i = 0; i < CHUNK; i++) sum.v[i] += chosen.tap[i] == tap ? gradient.v[i] : 0.0f;
        if (slope_of) multiply_slope(sum, activation, load8(slope_of + first + offset));
        store8(dv + first + offset, sum);
    });
}
REGISTER_KERNEL(max_pool_grad_bf16)

// Index of the maximum of x that output element i selects.
DEVICE uint32_t selected(const float* x, PoolSpec s, uint32_t i) {
    uint32_t first = window_start(s, i / s.c) + i % s.c, best = first;
    for (uint32_t tap = 1; tap < s.window * s.window; tap++) {
        uint32_t candidate = first + tap_offset(s, tap);
        if (x[candidate] > x[best]) best = candidate;
    }
    return best;
}

// As max_pool, one thread per output element.
// FLOPs: window^2 len. Bytes: 4 inputs window^2 len + 4 len.
KERNEL __launch_bounds__(256)
    max_pool_naive(const float* __restrict__ x, const float* __restrict__ v, float* __restrict__ y, PoolSpec s) {
    uint32_t i = element();
    if (i < windows_of(s) * s.c) y[i] = v[selected(x, s, i)];
}
REGISTER_KERNEL(max_pool_naive)

// As max_pool_grad, one thread per element of dy.
// FLOPs: window^2 len + len. Bytes: 12 window^2 len + 4 len.
KERNEL __launch_bounds__(256)
    max_pool_grad_naive(const float* __restrict__ x, const float* __restrict__ dy, float* __restrict__ dv, PoolSpec s) {
    uint32_t i = element();
    if (i < windows_of(s) * s.c) dv[selected(x, s, i)] += dy[i];
}
REGISTER_KERNEL(max_pool_grad_naive)
