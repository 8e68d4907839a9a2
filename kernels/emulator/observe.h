// What the machine tells the observer of a launch (hooks.cpp). Only the observed set of kernels has one: the same
// files compiled again with -DOBSERVED and instructions that report every load and store.
#pragma once
#include "std.h"

namespace emu {
// A buffer that is an argument of the launch.
struct Region { uintptr_t begin, end; };

namespace observe {
#ifdef OBSERVED
// How many blocks of the grid this block stands for; 0 if it does not run. `sample` blocks run, or all of them if it
// is 0.
uint64_t weight(uint64_t block, uint64_t blocks, uint64_t sample);
void forget();                          // what the last launch recorded
// With a sample of the blocks, accesses are counted but their order is not checked.
void begin_launch(const std::vector<Region>& regions, unsigned threads, bool is_sample);
void end_launch();
void begin_block(uint64_t block, uint64_t weight);
void end_block();
void shared_array(const void* begin, size_t bytes);
void block_barrier();                   // all threads of the block have arrived
void warp_fence(unsigned warp);         // all living lanes have arrived at __syncwarp
void lanes_met(unsigned warp);          // all living lanes have arrived at a collective, which is no fence
void copy_issued(const void* target, const void* source, unsigned valid, unsigned bytes);
void copy_landed(const void* target, unsigned bytes);
void matrix_row(const void* row);       // of ldmatrix, 16 bytes that this lane addresses
void count_matrix(unsigned count);      // products of 16 x 8 x 16 by one warp
void count_shuffles(unsigned count);    // of one warp
// While it exists, loads and stores do not count.
class Quiet {
public:
    Quiet();
    ~Quiet();

private:
    bool was_;
};
constexpr bool ACTIVE = true;
#else
inline uint64_t weight(uint64_t, uint64_t, uint64_t) { return 1; }
inline void forget() {}
inline void begin_launch(const std::vector<Region>&, unsigned, bool) {}
inline void end_launch() {}
inline void begin_block(uint64_t, uint64_t) {}
inline void end_block() {}
inline void shared_array(const void*, size_t) {}
inline void block_barrier() {}
inline void warp_fence(unsigned) {}
inline void lanes_met(unsigned) {}
inline void copy_issued(const void*, const void*, unsigned, unsigned) {}
inline void copy_landed(const void*, unsigned) {}
inline void matrix_row(const void*) {}
inline void count_matrix(unsigned) {}
inline void count_shuffles(unsigned) {}
struct Quiet { Quiet() {} };
constexpr bool ACTIVE = false;
#endif
}  // namespace observe
}  // namespace emu
