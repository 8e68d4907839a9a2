// The arithmetic of mma m16n8k16 on bf16 operands with f32 sums.
//
// In order: products and sums in f32, each rounded to nearest, one after another.
//
// As on a tensor core: the products of a chunk of the depth are exact. They and the sum so far are shifted to the
// largest of their exponents, cut off (towards zero) below a fixed number of fraction bits, added exactly, and the
// total is cut off to f32. The exponent of a product is the sum of those of its factors; its significand is below 4.
//   Ampere: chunks of 8, 24 fraction bits. Hopper: one chunk of 16, 25 fraction bits.
// Sources: Fasi, Higham, Mikaitis and Pranesh, Numerical behavior of NVIDIA tensor cores, PeerJ Computer Science
// 7:e330 (2021), up to Ampere; Xie, Wang, Yang and Yang, MMA-Sim, arXiv 2511.10909 (2025), and Khattak and Mikaitis,
// Accurate models of NVIDIA tensor cores, arXiv 2512.07004 (2025), bit by bit and for Hopper. No GPU of ours has
// confirmed it.
#pragma once
#include "machine.h"

namespace emu {
constexpr unsigned MMA_ROWS = 16, MMA_COLUMNS = 8, MMA_DEPTH = 16;

struct Chunks { unsigned length; int fraction_bits; };
inline Chunks chunks_of(MatrixUnit unit) { return unit == AMPERE ? Chunks{8, 24} : Chunks{16, 25}; }

// A finite number as significand * 2^(exponent - fraction bits of its type), with the exponent that the type stores.
struct Parts { int64_t significand; int exponent; };
inline bool is_finite(float x) { return (std::bit_cast<uint32_t>(x) & 0x7F800000u) != 0x7F800000u; }
inline Parts parts(float x) {
    uint32_t bits = std::bit_cast<uint32_t>(x), exponent = bits >> 23 & 0xFF;
    int64_t significand = (bits & 0x7FFFFF) | (exponent ? 0x800000 : 0);
    return {bits >> 31 ? -significand : significand, int(exponent ? exponent : 1) - 127};
}

// value * 2^shift, cut off towards zero.
inline int64_t shifted(int64_t value, int shift) {
    int64_t size = value < 0 ? -value : value;
    size = shift >= 0 ? size << shift : shift > -64 ? size >> -shift : 0;
    return value < 0 ? -size : size;
}

// total * 2^exponent as f32, cut off towards zero; infinite from 2^128 on.
inline float cut_to_float(int64_t total, int exponent) {
    if (!total) return 0.0f;
    uint64_t size = total < 0 ? -(uint64_t)total : (uint64_t)total;
    int leading = 63 - std::countl_zero(size), biased = leading + exponent + 127;  // the exponent that an f32 stores
    if (biased >= 255) return total < 0 ? -INFINITY : INFINITY;
    int lowest = std::max(biased, 1) - 127 - 23;  // the exponent of the last place, also of a subnormal number
    auto significand = (uint32_t)shifted((int64_t)size, exponent - lowest);
    uint32_t bits = biased >= 1 ? (uint32_t)biased << 23 | (significand & 0x7FFFFF) : significand;
    return std::bit_cast<float>(bits | (total < 0 ? 0x80000000u : 0u));
}

// A bf16 value: its 8 significant bits, of which 7 are fraction bits.
struct Factor { int32_t significand; int32_t exponent; };
inline Factor factor(float x) {
    Parts all = parts(x);
    return {int32_t(all.significand / 65536), all.exponent};  // the 16 bits below are zero
}

// sum + Σ a[k] b[k] over one chunk.
inline float add_chunk(float sum, const Factor* a, const Factor* b, Chunks chunks) {
    constexpr int FLOAT_BITS = 23, PRODUCT_BITS = 14;  // fraction bits of an f32, and of a product of two bf16
    Factor products[MMA_DEPTH];
    Parts start = parts(sum);
    int largest = start.exponent;
    for (unsigned k = 0; k < chunks.length; k++) {
        products[k] = {a[k].significand * b[k].significand, a[k].exponent + b[k].exponent};
        if (products[k].significand) largest = std::max(largest, products[k].exponent);
    }
    int64_t total = shifted(start.significand, start.exponent - largest + chunks.fraction_bits - FLOAT_BITS);
    for (unsigned k = 0; k < chunks.length; k++)
        total += shifted(products[k].significand, products[k].exponent - largest + chunks.fraction_bits - PRODUCT_BITS);
    return cut_to_float(total, largest - chunks.fraction_bits);
}

template <size_t R, size_t C> bool all_finite(const float (&x)[R][C]) {
    bool all = true;
    for (auto& row : x) for (float value : row) all &= is_finite(value);
    return all;
}

using Left = float[MMA_ROWS][MMA_DEPTH];
using Right = float[MMA_DEPTH][MMA_COLUMNS];
using Sums = float[MMA_ROWS][MMA_COLUMNS];

// d += a b, one product after another.
inline void multiply_in_sequence(Sums& d, const Left& a, const Right& b) {
    for (unsigned m = 0; m < MMA_ROWS; m++)
        for (unsigned k = 0; k < MMA_DEPTH; k++)
            for (unsigned n = 0; n < MMA_COLUMNS; n++) d[m][n] += a[m][k] * b[k][n];
}

// d += a b, chunk by chunk, for finite operands.
inline void multiply_in_chunks(Sums& d, const Left& a, const Right& b, Chunks chunks) {
    Factor rows[MMA_ROWS][MMA_DEPTH], columns[MMA_COLUMNS][MMA_DEPTH];
    for (unsigned k = 0; k < MMA_DEPTH; k++) {
        for (unsigned m = 0; m < MMA_ROWS; m++) rows[m][k] = factor(a[m][k]);
        for (unsigned n = 0; n < MMA_COLUMNS; n++) columns[n][k] = factor(b[k][n]);
    }
    for (unsigned m = 0; m < MMA_ROWS; m++)
        for (unsigned n = 0; n < MMA_COLUMNS; n++)
            for (unsigned k = 0; k < MMA_DEPTH && is_finite(d[m][n]); k += chunks.length)
                d[m][n] = add_chunk(d[m][n], rows[m] + k, columns[n] + k, chunks);
}

// d += a b. Infinities and NaNs, among them unwritten memory, follow the rules of IEEE 754.
inline void multiply_add(Sums& d, const Left& a, const Right& b, MatrixUnit unit) {
    if (unit == IN_SEQUENCE || !all_finite(d) || !all_finite(a) || !all_finite(b)) return multiply_in_sequence(d, a, b);
    multiply_in_chunks(d, a, b, chunks_of(unit));
}
}  // namespace emu
