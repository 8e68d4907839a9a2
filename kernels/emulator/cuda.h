// The built-ins of CUDA C++ that kernels use, implemented on the emulated machine. Included by dev.cuh only.
#pragma once
#include "matrix_unit.h"
#include "registry.h"

#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __restrict__ __restrict
#define KERNEL static void
#define DEVICE inline __attribute__((always_inline))  // inline as on the device; also lets two files define different functions with the same name
#define SHARED(type, name, ...) alignas(16) static thread_local type name __VA_ARGS__; { static thread_local uint64_t emu_seen; emu::poison(name, emu_seen); }
#define DYN_SHARED(type, name) type* name = (type*)emu::shared_base()

#define threadIdx (emu::M->current->tid)
#define blockIdx (emu::M->block)
#define blockDim (emu::M->block_dim)
#define gridDim (emu::M->grid_dim)
#define __syncthreads() emu::barrier({__FILE__, __LINE__})

struct alignas(8) float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
static inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

namespace emu {
template <class X> inline uint32_t bits(X v) { static_assert(sizeof(X) == 4); uint32_t u; memcpy(&u, &v, 4); return u; }
template <class X> inline X from(uint32_t u) { X v; memcpy(&v, &u, 4); return v; }
template <class X> inline X shuffle(unsigned mask, X v, unsigned source, Site at) {
    static_assert(sizeof(X) == 4 || sizeof(X) == 8);
    uint32_t in[3] = {0, 0, source};
    memcpy(in, &v, sizeof v);
    Warp& w = collective(mask, in, sizeof in, [mask](Warp& w) {
        for (unsigned m = mask; m; m &= m - 1) {
            int l = __builtin_ctz(m);
            unsigned s = w.in[l][2] & 31;
            for (int i = 0; i < 2; i++) w.out[l][i] = mask >> s & 1 ? w.in[s][i] : POISON;
        }
        observe::count_shuffles(sizeof(X) / 4);
    }, at);
    memcpy(&v, w.out[lane()], sizeof v);
    return v;
}
}  // namespace emu

template <class X> inline X __shfl_sync(unsigned m, X v, int src, emu::Site at = HERE) { return emu::shuffle(m, v, src, at); }
template <class X> inline X __shfl_xor_sync(unsigned m, X v, int x, emu::Site at = HERE) { return emu::shuffle(m, v, emu::lane() ^ x, at); }
template <class X> inline X __shfl_up_sync(unsigned m, X v, unsigned d, emu::Site at = HERE) { unsigned l = emu::lane(); return emu::shuffle(m, v, l >= d ? l - d : l, at); }
template <class X> inline X __shfl_down_sync(unsigned m, X v, unsigned d, emu::Site at = HERE) { unsigned s = emu::lane() + d; return emu::shuffle(m, v, s < 32 ? s : emu::lane(), at); }
inline void __syncwarp(unsigned mask = ~0u, emu::Site at = HERE) { emu::fence_warp(mask, at); }
inline unsigned __float_as_uint(float f) { return emu::bits(f); }
inline float __uint_as_float(unsigned u) { return emu::from<float>(u); }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
template <class X> inline X min(X a, X b) { return b < a ? b : a; }
template <class X> inline X max(X a, X b) { return a < b ? b : a; }
