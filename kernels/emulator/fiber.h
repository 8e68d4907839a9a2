// Fibers, one per CUDA thread: each has its own stack, and a switch between stacks saves the callee-saved registers.
#pragma once
#include "std.h"

namespace emu {
constexpr size_t STACK_BYTES = 64 << 10;  // per fiber; pages are committed on first use
constexpr size_t PAGE_BYTES = 4096;

#if defined(__x86_64__)
// Saves the current stack pointer in *save and continues on the stack `to`.
__attribute__((naked, noinline, noipa, no_sanitize("thread"))) inline void swap_stack(void** /*save*/, void* /*to*/) {
    asm volatile("pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
                 "movq %rsp,(%rdi); movq %rsi,%rsp\n"
                 "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp; ret");
}
// A stack on which the first swap_stack enters `entry`.
inline void* fresh_stack(char* top, void (*entry)()) {
    void** p = (void**)((uintptr_t)top & ~uintptr_t(15));
    *--p = nullptr;
    *--p = (void*)entry;  // return address; the stack pointer is 16n+8 at entry, as the ABI requires
    for (int i = 0; i < 6; i++) *--p = nullptr;
    return p;
}
#else
#error "The emulator switches stacks in x86-64 assembly; write a swap_stack for this processor."
#endif

// The stacks of one OS thread, reused from launch to launch.
class Stacks {
public:
    ~Stacks() { release(); }
    void reserve(unsigned count) {
        if (count <= count_) return;
        release();
        void* fresh = mmap(nullptr, count * STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (fresh == MAP_FAILED) return;
        base_ = (char*)fresh;
        count_ = count;
        for (unsigned i = 0; i < count; i++) mprotect(base_ + i * STACK_BYTES, PAGE_BYTES, PROT_NONE);  // an overflow traps
    }
    unsigned count() const { return count_; }
    // Staggered, because stack tops that map to the same cache set would thrash the L1 cache.
    char* top(unsigned i) const { return base_ + (i + 1) * STACK_BYTES - (i % 16) * 192; }

private:
    void release() {
        if (base_) munmap(base_, count_ * STACK_BYTES);
        base_ = nullptr;
        count_ = 0;
    }
    char* base_ = nullptr;
    unsigned count_ = 0;
};
}  // namespace emu
