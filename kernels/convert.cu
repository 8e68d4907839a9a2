// Conversions between f32 and bf16. One thread per eight values; bound by memory.
#include "bf16.cuh"
#include "elements.cuh"

// y = x, rounded to nearest even. x: [len] f32, y: [len] bf16; len is a multiple of 8.
// FLOPs: 0. Bytes: 6 len.
KERNEL __launch_bounds__(256) round_to_bf16(const float* __restrict__ x, bf16* __restrict__ y, uint32_t len) {
    uint32_t i = element() * CHUNK;
    if (i >= len) return;
    float4 low = load4(x + i), high = load4(x + i + 4);
    store8(y + i, {{low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w}});
}
REGISTER_KERNEL(round_to_bf16)

// y = x, exactly. x: [len] bf16, y: [len] f32; len is a multiple of 8.
// FLOPs: 0. Bytes: 6 len.
KERNEL __launch_bounds__(256) widen_to_f32(const bf16* __restrict__ x, float* __restrict__ y, uint32_t len) {
    uint32_t i = element() * CHUNK;
    if (i >= len) return;
    Eight e = load8(x + i);
    store4(y + i, make_float4(e.v[0], e.v[1], e.v[2], e.v[3]));
    store4(y + i + 4, make_float4(e.v[4], e.v[5], e.v[6], e.v[7]));
}
REGISTER_KERNEL(widen_to_f32)
