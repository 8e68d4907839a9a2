// Values stored as bf16, eight in 16 bytes. Buffers of bf16 have a multiple of eight channels, so eight values at a
// multiple of eight are adjacent and aligned.
#pragma once
#include "dev.cuh"

constexpr uint32_t CHUNK = 8;  // values of 16 bytes

// The two values of a word.
DEVICE float low_value(uint32_t pair) { return __uint_as_float(pair << 16); }
DEVICE float high_value(uint32_t pair) { return __uint_as_float(pair & 0xFFFF0000u); }

struct Eight { float v[CHUNK]; };

DEVICE Eight unpack8(uint4 bits) {
    return {{low_value(bits.x), high_value(bits.x), low_value(bits.y), high_value(bits.y),
             low_value(bits.z), high_value(bits.z), low_value(bits.w), high_value(bits.w)}};
}
// Rounds each value to nearest even.
DEVICE uint4 pack8(const Eight& e) {
    return make_uint4(to_bf16_pair(e.v[0], e.v[1]), to_bf16_pair(e.v[2], e.v[3]), to_bf16_pair(e.v[4], e.v[5]),
                      to_bf16_pair(e.v[6], e.v[7]));
}
DEVICE Eight load8(const bf16* p) { return unpack8(load16(p)); }
DEVICE void store8(bf16* p, const Eight& e) { store16(p, pack8(e)); }
