// Helpers that kernels use beyond plain CUDA C++. On the device each is inline PTX; on the host each is ordinary C++ or
// a warp collective of the emulator. No CUDA header is needed.
#pragma once
#ifdef __CUDACC__
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
#define KERNEL extern "C" __global__ void
#define DEVICE __device__ __forceinline__
#define REGISTER_KERNEL(k)
#define SHARED(type, name, ...) __shared__ __align__(16) type name __VA_ARGS__
#define DYN_SHARED(type, name)                                    \
    extern __shared__ __align__(1024) unsigned char name##_raw[]; \
    type* name = (type*)name##_raw
#else
#include "emulator/cuda.h"
#endif

constexpr uint32_t WARP = 32;
constexpr uint32_t ALL_LANES = 0xFFFFFFFFu;

struct bf16 { uint16_t bits; };
DEVICE float to_f32(bf16 x) { return __uint_as_float((uint32_t)x.bits << 16); }

#ifdef __CUDACC__
// Four floats at once; the address must be a multiple of 16 bytes.
DEVICE float4 load4(const float* p) { return *(const float4*)p; }
DEVICE void store4(float* p, float4 v) { *(float4*)p = v; }
// 16 bytes at once; the address must be a multiple of 16 bytes.
DEVICE uint4 load16(const void* p) { return *(const uint4*)p; }
DEVICE void store16(void* p, uint4 v) { *(uint4*)p = v; }
// 8 bytes at once, likewise.
DEVICE uint2 load8_bytes(const void* p) { return *(const uint2*)p; }
DEVICE void store8_bytes(void* p, uint2 v) { *(uint2*)p = v; }
DEVICE bool finite(float x) { return (__float_as_uint(x) & 0x7F800000u) != 0x7F800000u; }

DEVICE uint32_t shared_address(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }
// Round to nearest even.
DEVICE bf16 to_bf16(float x) { bf16 r; asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r.bits) : "f"(x)); return r; }
// Two values rounded to nearest even, in one word: `low` comes first in memory.
DEVICE uint32_t to_bf16_pair(float low, float high) {
    uint32_t r;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
    return r;
}
// D += A B with A 16x16 and B 16x8 in the fragment layout of the PTX manual, m16n8k16.
DEVICE void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// Loads four 8x8 matrices of 16-bit values; lane l passes the address of row l % 8 of matrix l / 8.
DEVICE void ldmatrix4(uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
// The same, with each matrix transposed.
DEVICE void ldmatrix4_transposed(uint32_t (&r)[4], const void* row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(row)) : "memory");
}
// Copies 16 bytes from global to shared memory asynchronously, or zeros if !valid.
DEVICE void cp_async16(void* target, const void* source, bool valid) {
    int n = valid ? 16 : 0;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(target)), "l"(source), "r"(n)
                 : "memory");
}
// Reads four floats through L2 alone, and through L1; never left out or moved.
DEVICE float4 load4_past_l1(const float* p) {
    float4 v;
    asm volatile("ld.global.cg.v4.f32 {%0,%1,%2,%3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(p));
    return v;
}
DEVICE float4 load4_through_l1(const float* p) {
    float4 v;
    asm volatile("ld.global.ca.v4.f32 {%0,%1,%2,%3}, [%4];" : "=f"(v.x), "=f"(v.y), "=f"(v.z), "=f"(v.w) : "l"(p));
    return v;
}
// The multiprocessor's clock, modulo 2^32.
DEVICE uint32_t cycles() { uint32_t c; asm volatile("mov.u32 %0, %%clock;" : "=r"(c) :: "memory"); return c; }
DEVICE void cp_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most N groups of this thread are in flight.
template <int N> DEVICE void cp_wait() { asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory"); }
#else
// As vectors, so that each is one access, as on the device.
typedef float Vector4 __attribute__((vector_size(16)));
DEVICE float4 load4(const float* p, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    emu::check_aligned(p, 16, "load4", {file, line});
    Vector4 v = *(const Vector4*)p;
    return {v[0], v[1], v[2], v[3]};
}
DEVICE void store4(float* p, float4 v, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    emu::check_aligned(p, 16, "store4", {file, line});
    *(Vector4*)p = Vector4{v.x, v.y, v.z, v.w};
}
typedef unsigned Words4 __attribute__((vector_size(16)));
typedef unsigned Words2 __attribute__((vector_size(8)));
DEVICE uint4 load16(const void* p, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    emu::check_aligned(p, 16, "load16", {file, line});
    Words4 v = *(const Words4*)p;
    return {v[0], v[1], v[2], v[3]};
}
DEVICE void store16(void* p, uint4 v, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    emu::check_aligned(p, 16, "store16", {file, line});
    *(Words4*)p = Words4{v.x, v.y, v.z, v.w};
}
DEVICE uint2 load8_bytes(const void* p, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    emu::check_aligned(p, 8, "load8_bytes", {file, line});
    Words2 v = *(const Words2*)p;
    return {v[0], v[1]};
}
DEVICE void store8_bytes(void* p, uint2 v, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    emu::check_aligned(p, 8, "store8_bytes", {file, line});
    *(Words2*)p = Words2{v.x, v.y};
}
inline float4 load4_past_l1(const float* p) { return load4(p); }
inline float4 load4_through_l1(const float* p) { return load4(p); }
inline uint32_t cycles() { return (uint32_t)__builtin_ia32_rdtsc(); }
inline bool finite(float x) { return (emu::bits(x) & 0x7F800000u) != 0x7F800000u; }
inline bf16 to_bf16(float x) {
    uint32_t u = emu::bits(x);
    if ((u & 0x7FFFFFFF) > 0x7F800000) return {0x7FFF};
    return {uint16_t((u + 0x7FFF + (u >> 16 & 1)) >> 16)};
}
inline uint32_t to_bf16_pair(float low, float high) { return to_bf16(low).bits | uint32_t(to_bf16(high).bits) << 16; }
inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], emu::Site at = HERE) {
    struct { uint32_t a[4], b[2]; float d[4]; } in;
    memcpy(in.a, a, 16); memcpy(in.b, b, 8); memcpy(in.d, d, 16);
    emu::Warp& w = emu::collective(~0u, &in, sizeof in, [](emu::Warp& w) {
        emu::observe::count_matrix(1);
        emu::multiply_fragments(w, emu::M->matrix_unit);
    }, at);
    memcpy(d, w.out[emu::lane()], 16);
}
namespace emu {
inline void load_matrices(uint32_t (&r)[4], const void* row, bool transposed, Site s) {
    check_aligned(row, 16, "ldmatrix", s);
    Warp& w = collective(~0u, &row, 8, [transposed](Warp& w) {
        for (int l = 0; l < 32; l++) for (int i = 0; i < 4; i++) for (int half = 0; half < 2; half++) {
            int line = l >> 2, column = (l & 3) * 2 + half;  // of the fragment
            const char* p;
            memcpy(&p, w.in[i * 8 + (transposed ? column : line)], 8);
            memcpy((char*)&w.out[l][i] + half * 2, p + (transposed ? line : column) * 2, 2);
        }
    }, s);
    memcpy(r, w.out[lane()], 16);
}
}  // namespace emu
DEVICE void ldmatrix4(uint32_t (&r)[4], const void* row, emu::Site at = HERE) {
    emu::observe::matrix_row(row);
    emu::load_matrices(r, row, false, at);
}
DEVICE void ldmatrix4_transposed(uint32_t (&r)[4], const void* row, emu::Site at = HERE) {
    emu::observe::matrix_row(row);
    emu::load_matrices(r, row, true, at);
}
// The copy completes immediately or as late as the waits allow, depending on the seed.
DEVICE void cp_async16(void* target, const void* source, bool valid, emu::Site at = HERE) {
    emu::check_aligned(target, 16, "cp.async", at);
    emu::check_aligned(source, 16, "cp.async", at);
    emu::observe::copy_issued(target, source, valid ? 16u : 0u, 16u);
    emu::start_copy({target, source, valid ? 16u : 0u, 16u, emu::M->current->group, at});
}
inline void cp_commit() { emu::M->current->group++; }
template <int N> inline void cp_wait(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    if (!emu::omit({file, line})) emu::finish_copies(emu::M->current, emu::M->current->group - N - 1);
}
#endif
