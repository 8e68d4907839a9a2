// The functions that the engine and the false driver of the tests call. Each is there twice: as emu_NAME with the plain kernels, and as
// observed_NAME with the observed ones.
#pragma once
#include "machine.h"

#ifdef OBSERVED
#define API(name) observed_##name
#else
#define API(name) emu_##name
#endif

// Memory that ends at a guard page, or null. It is poisoned; or, if `sparse`, zero and takes no memory of the host
// until it is touched.
extern "C" void* API(alloc)(size_t bytes, bool sparse);
// Poisons a part of a block, which is a buffer of its own from now on. If `sparse`, its contents stay.
extern "C" void API(poison)(void* data, size_t bytes, bool sparse);
// Fills with zero bytes. If `sparse`, gives whole pages back to the host, which replaces them by zeros when they are
// touched.
extern "C" void API(zero)(void* data, size_t bytes, bool sparse);
extern "C" void API(free)(void* data);
// Launches a kernel. Returns 0, or 1 with a message in `error`. After a fault, `trail` has TRAIL instructions that it
// may have come from, the nearest first; otherwise zeros.
extern "C" int API(launch)(const char* name, const unsigned* grid, const unsigned* block, size_t shared, const emu::Options* options,
                           void** arguments, const size_t* sizes, size_t count, char* error, size_t capacity, uint64_t* trail);
// Makes this OS thread skip the barrier or wait at file:line; line 0 skips nothing. Returns how often the previous
// one was skipped.
extern "C" uint64_t API(omit)(const char* file, int line);

#ifndef OBSERVED
// Writes the fields of the spec `name`, as kernels read them from its bytes, as a JSON object of up to `capacity`
// bytes to `text`. Returns the length of the object, or 0 if no spec has this name and size.
extern "C" size_t emu_read_spec(const char* name, const void* bytes, size_t size, char* text, size_t capacity);
// The name of kernel number `index` in alphabetical order, or null past the last one.
extern "C" const char* emu_kernel(size_t index);
// Σ a[k] b[k] over the depth of one mma, added to `sum` as the matrix unit adds. For tests of the arithmetic.
extern "C" float emu_matrix_unit(float sum, const float* a, const float* b, uint32_t unit);
#endif
