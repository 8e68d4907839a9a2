// Turns processor traps into error messages that name the instruction: an out-of-bounds access (SIGSEGV), arithmetic
// on poison or an integer division by zero (SIGFPE). Where only the result of an instruction shows the fault, it is
// single-stepped (SIGTRAP).
#pragma once
#include "machine.h"

namespace emu {
std::string describe_address(uintptr_t address);  // how far before or past which buffer; empty if it is next to none

constexpr greg_t STEP = 0x100;  // the processor's trap flag: stop after one instruction
inline std::map<int, struct sigaction>& previous_actions() { static std::map<int, struct sigaction> all; return all; }

// These run at the top of the fiber's stack and overwrite it, because the fiber does not continue.
inline void bad_access() { fail("an access outside of memory" + describe_address(M->fault_address)); }
inline void bad_operand() { fail("arithmetic on memory that was never written"); }
inline void bad_division() { fail("an integer division by zero"); }
inline void bad_write() { fail("wrote past the end of argument " + std::to_string(M->watched->argument)); }

// Continues with `report`. Records the instruction and the words on the stack that may be return addresses, because
// the instruction itself may be in libm.
inline void divert(ucontext_t* context, uint64_t instruction, void (*report)()) {
    greg_t* registers = context->uc_mcontext.gregs;
    auto top = (uintptr_t)M->current->top, stack = (uintptr_t)registers[REG_RSP] & ~uintptr_t(7);
    M->trail[0] = instruction;
    bool readable = stack < top && top - stack < STACK_BYTES / 2;
    for (unsigned i = 1; i < TRAIL && readable && stack + 8 * i <= top; i++) M->trail[i] = ((uint64_t*)stack)[i - 1];
    registers[REG_RSP] = ((top - 256) & ~uintptr_t(15)) - 8;
    registers[REG_RIP] = (greg_t)report;
    registers[REG_EFL] &= ~STEP;
    M->stepping = 0;
}
inline void step(ucontext_t* context) {
    M->stepping = context->uc_mcontext.gregs[REG_RIP];
    context->uc_mcontext.gregs[REG_EFL] |= STEP;
}
inline bool within(const Slack& s, uintptr_t address) { return address >= (uintptr_t)s.end - PAGE_BYTES && address < (uintptr_t)s.end; }

// Gives the signal to the previous handler: calls it, as it may be that of the other set of kernels, or restores it,
// and the signal recurs.
inline void pass_on(int signal, siginfo_t* info, void* raw) {
    const struct sigaction& previous = previous_actions()[signal];
    if (previous.sa_flags & SA_SIGINFO) previous.sa_sigaction(signal, info, raw);
    else sigaction(signal, &previous, nullptr);
}
inline void on_signal(int signal, siginfo_t* info, void* raw) {
    auto* context = (ucontext_t*)raw;
    auto& flags = context->uc_mcontext.fpregs->mxcsr;
    uint64_t instruction = context->uc_mcontext.gregs[REG_RIP];
    // Not caused by a kernel of this machine.
    if (!M || !M->current || (signal == SIGTRAP && !M->stepping)) return pass_on(signal, info, raw);
    if (signal == SIGSEGV) {
        M->fault_address = (uintptr_t)info->si_addr;
        if (!M->watched || !within(*M->watched, M->fault_address)) return divert(context, instruction, bad_access);
        protect(*M->watched, PROT_READ | PROT_WRITE);
        return step(context);
    }
    if (signal == SIGFPE) {
        if (info->si_code == FPE_INTDIV) return divert(context, instruction, bad_division);
        flags |= _MM_MASK_INVALID;
        return step(context);
    }
    flags &= ~(_MM_MASK_INVALID | _MM_EXCEPT_MASK);
    if (M->watched && overrun(*M->watched)) return divert(context, M->stepping, bad_write);
    if (M->watched) protect(*M->watched, PROT_NONE);
    auto* vectors = (const uint32_t*)context->uc_mcontext.fpregs->_xmm;
    for (unsigned i = 0; i < 64; i++) if (is_quiet_poison(vectors[i])) return divert(context, M->stepping, bad_operand);
    M->stepping = 0;
    context->uc_mcontext.gregs[REG_EFL] &= ~STEP;
}

inline void catch_signals() {
    static std::once_flag once;
    std::call_once(once, [] {
        struct sigaction action{};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
        for (int signal : {SIGSEGV, SIGFPE, SIGTRAP}) sigaction(signal, &action, &previous_actions()[signal]);
    });
}
}  // namespace emu
