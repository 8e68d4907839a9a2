// The elements that a thread processes (one element, or up to four adjacent channels), and functions that load and
// store them.
#pragma once
#include "dev.cuh"

// Index of this thread's element in a grid with one thread per element.
DEVICE uint32_t element() { return blockIdx.x * blockDim.x + threadIdx.x; }

// Up to four adjacent channels of one pixel.
struct Quad {
    uint32_t pixel, channel;  // its pixel and its first channel
    uint32_t count;           // 1 to 4
    bool whole;               // it has four channels and starts at a multiple of 16 bytes
};

// Number of quads per pixel.
DEVICE uint32_t quads_of(uint32_t channels) { return (channels + 3) / 4; }

// Quad i of a buffer [pixels, channels].
DEVICE Quad quad_at(uint32_t i, uint32_t channels) {
    uint32_t quads = quads_of(channels), channel = i % quads * 4;
    return {i / quads, channel, min(channels - channel, 4u), channels % 4 == 0};
}

// The quad that starts with element i, a multiple of 4, of an array of len elements: one pixel with len channels.
DEVICE Quad quad_of_array(uint32_t i, uint32_t len) { return {0, i, min(len - i, 4u), len - i >= 4}; }

// The values of a quad that starts at p, followed by zeros.
DEVICE float4 load_quad(const float* p, Quad q) {
    if (q.whole) return load4(p);
    return make_float4(p[0], q.count > 1 ? p[1] : 0.0f, q.count > 2 ? p[2] : 0.0f, q.count > 3 ? p[3] : 0.0f);
}

DEVICE void store_quad(float* p, float4 v, Quad q) {
    if (q.whole) return store4(p, v);
    p[0] = v.x;
    if (q.count > 1) p[1] = v.y;
    if (q.count > 2) p[2] = v.z;
    if (q.count > 3) p[3] = v.w;
}

// a + weight b.
DEVICE float4 add_scaled(float4 a, float weight, float4 b) {
    return make_float4(a.x + weight * b.x, a.y + weight * b.y, a.z + weight * b.z, a.w + weight * b.w);
}
