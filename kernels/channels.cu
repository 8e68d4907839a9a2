// Copies of channel ranges: target[r, target_start + i] = source[r, source_start + i] for i below count, or +=.
// Bound by memory. One thread per row and up to four channels.
#include "elements.cuh"
#include "spec.cuh"

// The quad of a thread within the copied range.
DEVICE Quad moved_quad(ChannelsSpec s) {
    Quad quad = quad_at(element(), s.count);
    quad.whole = (s.count | s.source | s.source_start | s.target | s.target_start) % 4 == 0;
    return quad;
}
DEVICE uint32_t source_of(ChannelsSpec s, uint32_t row, uint32_t i) { return row * s.source + s.source_start + i; }
DEVICE uint32_t target_of(ChannelsSpec s, uint32_t row, uint32_t i) { return row * s.target + s.target_start + i; }

// target = source in the range; the rest of target is unchanged. source: [rows,source]; target: [rows,target].
// FLOPs: 0. Bytes: 8 rows count.
KERNEL __launch_bounds__(256)
    channels_copy(const float* __restrict__ source, float* __restrict__ target, ChannelsSpec s) {
    Quad quad = moved_quad(s);
    if (quad.pixel >= s.rows) return;
    float4 moved = load_quad(source + source_of(s, quad.pixel, quad.channel), quad);
    store_quad(target + target_of(s, quad.pixel, quad.channel), moved, quad);
}
REGISTER_KERNEL(channels_copy)

// target += source in the range. source: [rows,source]; target: [rows,target].
// FLOPs: rows count. Bytes: 12 rows count.
KERNEL __launch_bounds__(256)
    channels_add(const float* __restrict__ source, float* __restrict__ target, ChannelsSpec s) {
    Quad quad = moved_quad(s);
    if (quad.pixel >= s.rows) return;
    float4 moved = load_quad(source + source_of(s, quad.pixel, quad.channel), quad);
    float* sum = target + target_of(s, quad.pixel, quad.channel);
    store_quad(sum, add_scaled(load_quad(sum, quad), 1.0f, moved), quad);
}
REGISTER_KERNEL(channels_add)

// As channels_copy, one thread per element.
// FLOPs: 0. Bytes: 8 rows count.
KERNEL __launch_bounds__(256)
    channels_copy_naive(const float* __restrict__ source, float* __restrict__ target, ChannelsSpec s) {
    uint32_t row = element() / s.count, i = element() % s.count;
    if (row < s.rows) target[target_of(s, row, i)] = source[source_of(s, row, i)];
}
REGISTER_KERNEL(channels_copy_naive)

// As channels_add, one thread per element.
// FLOPs: rows count. Bytes: 12 rows count.
KERNEL __launch_bounds__(256)
    channels_add_naive(const float* __restrict__ source, float* __restrict__ target, ChannelsSpec s) {
    uint32_t row = element() / s.count, i = element() % s.count;
    if (row < s.rows) target[target_of(s, row, i)] += source[source_of(s, row, i)];
}
REGISTER_KERNEL(channels_add_naive)
