// The address space of the observed device's memory: one range, so that one comparison tells whether an address
// belongs to it, and no address is used twice, so that an access after the end of a buffer's life is found.
#pragma once
#include "fiber.h"

namespace emu {
constexpr size_t ARENA_BYTES = size_t(32) << 40;

class Arena {
public:
    bool has(uintptr_t address) const { return address - begin_ < ARENA_BYTES; }
    // Unused pages, or null. Their bytes are zero and take no memory until they are touched.
    void* take(size_t bytes) {
        if (bytes > ARENA_BYTES - used_) return nullptr;
        void* pages = (void*)(begin_ + used_);
        if (mprotect(pages, bytes, PROT_READ | PROT_WRITE)) return nullptr;
        used_ += bytes;
        return pages;
    }
    // Gives the memory back to the host and keeps the addresses.
    static void give_back(void* pages, size_t bytes) {
        mmap(pages, bytes, PROT_NONE, UNTOUCHED | MAP_FIXED, -1, 0);
    }

private:
    static constexpr int UNTOUCHED = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    uintptr_t begin_ = (uintptr_t)mmap(nullptr, ARENA_BYTES, PROT_NONE, UNTOUCHED, -1, 0);
    size_t used_ = 0;
};
inline Arena arena;
}  // namespace emu
