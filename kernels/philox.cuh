// Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011). Must give the same numbers as src/rng.rs.
#pragma once
#include "dev.cuh"

enum : uint32_t { PURPOSE_CORRUPTION = 3 };  // Purpose

struct Random { uint32_t lane[4]; };

// 128 random bits for a key of 64 bits and a counter of 128 bits.
DEVICE Random philox(const uint32_t (&key)[2], uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
    uint32_t k0 = key[0], k1 = key[1];
#pragma unroll
    for (int round = 0; round < 10; round++) {
        uint32_t high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
        uint32_t high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
        c0 = high1 ^ c1 ^ k0;
        c1 = low1;
        c2 = high0 ^ c3 ^ k1;
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return {{c0, c1, c2, c3}};
}

// Uniform in [0, 1), a multiple of 2^-24.
DEVICE float uniform(uint32_t bits) { return (float)(bits >> 8) * (1.0f / 16777216.0f); }

// Uniform integer in [0, n).
DEVICE uint32_t below(uint32_t bits, uint32_t n) { return __umulhi(bits, n); }
