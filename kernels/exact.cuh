// Functions of numbers whose results must equal those of src/data/corruption/ bit for bit, most of them in exact.rs
// there, so only + - * / and square root are used, in the same order.
#pragma once
#include "philox.cuh"
#include "spec.cuh"

// low + u (high - low).
DEVICE float between(float u, float low, float high) { return low + u * (high - low); }
DEVICE float cut(float v) { return v < 0.0f ? 0.0f : v > 1.0f ? 1.0f : v; }
DEVICE float norm2(float a, float b) { return sqrtf(a * a + b * b); }

// One of n items, for u in [0, 1).
DEVICE uint32_t choose_item(float u, uint32_t n) {
    uint32_t item = (uint32_t)(u * (float)n);
    return item < n ? item : n - 1;
}

// low (high / low)^u by repeated square roots, one per binary digit of u.
DEVICE float log_uniform(float u, float low, float high) {
    uint32_t digits = (uint32_t)(u * 16777216.0f);
    float root = high / low, power = 1.0f;
    for (int digit = 23; digit >= 0; digit--) {
        root = sqrtf(root);
        if (digits >> digit & 1) power *= root;
    }
    return low * power;
}

// The number at fraction u of a distribution over [low, high).
DEVICE float draw_from(uint32_t distribution, float u, float low, float high) {
    return distribution == LOG_UNIFORM ? log_uniform(u, low, high) : between(u, low, high);
}

// Cosine and sine of 2πu, by half angles, one per binary digit of u.
DEVICE void direction(float u, float (&unit)[2]) {
    uint32_t digits = (uint32_t)(u * 16777216.0f);
    float cosine = digits >> 23 & 1 ? -1.0f : 1.0f, sine = 0.0f, c = 0.0f, s = 1.0f;
    for (int digit = 22; digit >= 0; digit--) {
        if (digits >> digit & 1) {
            float turned = cosine * c - sine * s;
            sine = sine * c + cosine * s;
            cosine = turned;
        }
        float half = sqrtf((1.0f + c) * 0.5f);
        s = s / (2.0f * half);
        c = half;
    }
    unit[0] = cosine;
    unit[1] = sine;
}

// exp(-z) for z >= 0; 0 from 87 on.
DEVICE float exp_of_negative(float z) {
    if (!(z < 87.0f)) return 0.0f;
    uint32_t n = (uint32_t)(z * 1.44269504f);
    float r = (z - (float)n * 0.693359375f) - (float)n * -2.12194440e-4f, sum = 1.0f;
    for (int k = 9; k >= 1; k--) sum = 1.0f - r * sum / (float)k;
    return sum * __uint_as_float((127 - n) << 23);
}

// 1 / (1 + exp(-z)).
DEVICE float logistic(float z) {
    float e = exp_of_negative(fabsf(z));
    return z < 0.0f ? e / (1.0f + e) : 1.0f / (1.0f + e);
}

// -ln v for v in [2^-126, 1].
DEVICE float negative_log(float v) {
    uint32_t bits = __float_as_uint(v);
    int32_t exponent = (int32_t)(bits >> 23) - 127;
    float m = __uint_as_float((bits & 0x7FFFFFu) | 0x3F800000u);
    if (m > 1.41421356f) {
        m *= 0.5f;
        exponent++;
    }
    float s = (m - 1.0f) / (m + 1.0f), q = s * s;
    float series = s * (2.0f + q * (0.6666667f + q * (0.4f + q * (0.2857143f + q * 0.2222222f))));
    return -((float)exponent * 0.693147181f + series);
}

// Nearly normal, mean 0, variance 1: the sum of eight 16-bit numbers, centred and scaled.
DEVICE float normal(Random random) {
    uint32_t sum = 0;
#pragma unroll
    for (int lane = 0; lane < 4; lane++) sum += (random.lane[lane] & 0xFFFFu) + (random.lane[lane] >> 16);
    return ((float)sum - 262140.0f) * (1.0f / 53509.92f);
}

// The mask at a depth inside the shape: the smoothstep of depth / fade.
DEVICE float fade_in(float depth, float fade) {
    if (depth <= 0.0f) return 0.0f;
    if (depth >= fade) return 1.0f;
    float t = depth / fade;
    return t * t * (3.0f - 2.0f * t);
}
