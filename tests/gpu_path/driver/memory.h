// Where addresses of device memory lead.
#pragma once
#include "state.h"
#include "work.h"

// The block that the address lies in; null if there is none.
const Block* block_at(uintptr_t address);
// Whether the address lies in memory that was freed.
bool is_freed(uintptr_t address);
// The stream of a handle.
inline Stream* stream_of(CUstream handle) {
    if (!handle) refuse(NULL_STREAM);
    return living(handle);
}
