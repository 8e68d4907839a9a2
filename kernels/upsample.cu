// Bilinear upsampling by two, half-pixel centres, clamped borders. Per axis y[2i] = x[i-1]/4 + 3 x[i]/4 and
// y[2i+1] = 3 x[i]/4 + x[i+1]/4; in two dimensions the product of both.
// Bound by memory. One thread per pixel and up to four channels.
#include "activation.cuh"
#include "bf16.cuh"
#include "elements.cuh"

// Along one axis, output o interpolates between input o / 2, with weight 3/4, and the input returned here, with weight
// 1/4.
DEVICE uint32_t far_input(uint32_t o, uint32_t extent) {
    uint32_t near = o / 2;
    return o % 2 == 1 ? min(near + 1, extent - 1) : near > 0 ? near - 1 : 0;
}

// The four inputs of one output pixel, as indices of their first channels.
struct Corners { uint32_t far_far, far_near, near_far, near_near; };  // row, column
DEVICE Corners corners_of(UpsampleSpec s, uint32_t pixel) {
    uint32_t q = pixel % (2 * s.w), p = pixel / (2 * s.w) % (2 * s.h), top = pixel / (2 * s.w) / (2 * s.h) * s.h;
    uint32_t near_row = (top + p / 2) * s.w, far_row = (top + far_input(p, s.h)) * s.w, near = q / 2,
             far = far_input(q, s.w);
    return {(far_row + far) * s.c, (far_row + near) * s.c, (near_row + far) * s.c, (near_row + near) * s.c};
}

DEVICE float blend(float far_far, float far_near, float near_far, float near_near) {
    return 0.0625f * far_far + 0.1875f * (far_near + near_far) + 0.5625f * near_near;
}

// y = U x. x: [N,H,W,C]; y: [N,2H,2W,C], len elements.
// FLOPs: 6 len. Bytes: 5 len.
KERNEL __launch_bounds__(256) upsample2(const float* __restrict__ x, float* __restrict__ y, UpsampleSpec s) {
    Quad quad = quad_at(element(), s.c);
    if (quad.pixel >= 4 * s.n * s.h * s.w) return;
    Corners at = corners_of(s, quad.pixel);
    x += quad.channel;
    float4 ff = load_quad(x + at.far_far, quad), fn = load_quad(x + at.far_near, quad);
    float4 nf = load_quad(x + at.near_far, quad), nn = load_quad(x + at.near_near, quad);
    float4 mixed = make_float4(blend(ff.x, fn.x, nf.x, nn.x), blend(ff.y, fn.y, nf.y, nn.y),
                               blend(ff.z, fn.z, nf.z, nn.z), blend(ff.w, fn.w, nf.w, nn.w));
    store_quad(y + quad.pixel * s.c + quad.channel, mixed, quad);
}
REGISTER_KERNEL(upsample2)

// Output `tap` of the four that read input i along one axis: 2i-1 and 2i+2 with weight 1/4, 2i and 2i+1 with weight
// 3/4. At the border, a tap outside is moved to the outermost output, which reads the clamped input twice.
DEVICE uint32_t reader(uint32_t i, uint32_t tap, uint32_t extent) {
    uint32_t o = 2 * i + tap;
    return min(o > 0 ? o - 1 : 0, 2 * extent - 1);
}
DEVICE float reader_weight(uint32_t tap) { return tap == 1 || tap == 2 ? 0.75f : 0.25f; }

// dx += Uᵀ dy, gathered: every input collects from the 4x4 outputs that read it. dy: [N,2H,2W,C]; dx: [N,H,W,C], len
// elements.
// FLOPs: 32 len. Bytes: 20 len + 4 adds len.
KERNEL __launch_bounds__(256)
    upsample2_grad(const float* __restrict__ dy, float* __restrict__ dx, uint32_t blank, UpsampleSpec s) {
    Quad quad = quad_at(element(), s.c);
    if (quad.pixel >= s.n * s.h * s.w) return;
    uint32_t column = quad.pixel % s.w, row = quad.pixel / s.w % s.h, top = quad.pixel / s.w / s.h * 2 * s.h;
    float* target = dx + quad.pixel * s.c + quad.channel;
    float4 sum = blank ? make_float4(0.0f, 0.0f, 0.0f, 0.0f) : load_quad(target, quad);
#pragma unroll
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t pixel = (top + reader(row, i / 4, s.h)) * 2 * s.w + reader(column, i % 4, s.w);
        sum = add_scaled(sum, reader_weight(i / 4) * reader_weight(i % 4),
                         load_quad(dy + pixel * s.c + quad.channel, quad));
    }
    store_quad(target, sum, quad);
}
REGISTER_KERNEL(upsample2_grad)

// As upsample2, for eight channels per thread. x: [N,H,W,C] bf16; y: [N,2H,2W,C] bf16, len elements.
// FLOPs: 6 len. Bytes: 2 len + len / 2.
KERNEL __launch_bounds__(256) upsample2_bf16(const bf16* __restrict__ x, bf16* __restrict__ y, UpsampleSpec s) {
    uint32_t chunks = s.c / CHUNK, pixel = element() / chunks, channel = element() % chunks * CHUNK;
    if (pixel >= 4 * s.n * s.h * s.w) return;
    Corners at = corners_of(s, pixel);
    x += channel;
    Eight ff = load8(x + at.far_far), fn = load8(x + at.far_near), nf = load8(x + at.near_far),
          nn = load8(x + at.near_near);
#pragma unroll
    for (uint32_t i = 0; i < CHUNK; i++) nn.v[i] = blend(ff.v[i], fn.v[i], nf.v[i], nn.v[i]);
    store8(y + pixel * s.c + channel, nn);
}
REGISTER_KERNEL(upsample2_bf16)

// As upsample2_grad, then dx *= S(slope_of) if slope_of is not null, and one rounding. dy: [N,2H,2W,C] bf16; dx,
// slope_of: [N,H,W,C] bf16, len elements. sloped: 1 if there is a slope, else 0.
// FLOPs: 32 len. Bytes: 8 len + 2 (1 + adds + sloped) len.
KERNEL __launch_bounds__(256)
    upsample2_grad_bf16(const bf16* __restrict__ dy, bf16* __restrict__ dx, uint32_t blank,
                        const bf16* __restrict__ slope_of, uint32_t activation, UpsampleSpec s) {
    uint32_t chunks = s.c / CHUNK, pixel = element() / chunks, channel = element() % chunks * CHUNK;
    if (pixel >= s.n * s.h * s.w) return;
    uint32_t column = pixel % s.w, row = pixel / s.w % s.h, top = pixel / s.w / s.h * 2 * s.h,
             target = pixel * s.c + channel;
    Eight sum = blank ? Eight{} : load8(dx + target);
#pragma unroll
    for (uint32_t tap = 0; tap < 16; tap++) {
        uint32_t from = (top + reader(row, tap / 4, s.h)) * 2 * s.w + reader(column, tap % 4, s.w);
        float weight = reader_weight(tap / 4) * reader_weight(tap % 4);
        Eight part = load8(dy + from * s.c + channel);
#pragma unroll
        for (uint32_t i = 0; i < CHUNK; i++) sum.v[i] += weight * part.v[i];
    }
    if (slope_of) multiply_slope(sum, activation, load8(slope_of + target));
    store8(dx + target, sum);
}
REGISTER_KERNEL(upsample2_grad_bf16)

// As upsample2, one thread per output element.
// FLOPs: 6 len. Bytes: 5 len.
KERNEL __launch_bounds__(256) upsample2_naive(const float* __restrict__ x, float* __restrict__ y, UpsampleSpec s) {
    uint32_t i = element();
    if (i >= 4 * s.n * s.h * s.w * s.c) return;
    Corners at = corners_of(s, i / s.c);
    x += i % s.c;
    y[i] = blend(x[at.far_far], x[at.far_near], x[at.near_far], x[at.near_near]);
}
REGISTER_KERNEL(upsample2_naive)

// Weight of input i in output o along one axis.
DEVICE float entry_weight(uint32_t o, uint32_t i, uint32_t extent) {
    return (o / 2 == i ? 0.75f : 0.0f) + (far_input(o, extent) == i ? 0.25f : 0.0f);
}

// As upsample2_grad, one thread per element of dx, computed from the weights of the forward map.
// FLOPs: 32 len. Bytes: 24 len.
KERNEL __launch_bounds__(256)
    upsample2_grad_naive(const float* __restrict__ dy, float* __restrict__ dx, UpsampleSpec s) {
    uint32_t i = element(), channel = i % s.c, column = i / s.c % s.w, row = i / s.c / s.w % s.h,
             image = i / s.c / s.w / s.h;
    if (image >= s.n) return;
    float sum = 0.0f;
    for (uint32_t p = max(2 * row, 1u) - 1; p < min(2 * row + 3, 2 * s.h); p++) {
        for (uint32_t q = max(2 * column, 1u) - 1; q < min(2 * column + 3, 2 * s.w); q++) {
            float weight = entry_weight(p, row, s.h) * entry_weight(q, column, s.w);
            sum += weight * dy[((image * 2 * s.h + p) * 2 * s.w + q) * s.c + channel];
        }
    }
    dx[i] += sum;
}
REGISTER_KERNEL(upsample2_grad_naive)
