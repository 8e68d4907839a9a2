// The registered kernels by name. They take their arguments as void**, as cuLaunchKernel does.
#pragma once
#include "machine.h"

namespace emu {
struct Entry {
    std::string (*launch)(dim3, dim3, size_t, const Options&, void**);
    std::vector<size_t> sizes;  // of the parameters
};
inline std::map<std::string, Entry>& registry() { static std::map<std::string, Entry> kernels; return kernels; }

template <class A> A argument(const void* p) { A a; memcpy((void*)&a, p, sizeof a); return a; }  // at any alignment
template <auto K, class... A, size_t... I> void call(void (*)(A...), void* p, std::index_sequence<I...>) { void** a = (void**)p; K(argument<A>(a[I])...); }
template <class... A> constexpr size_t arity(void (*)(A...)) { return sizeof...(A); }
template <class... A> std::vector<size_t> sizes(void (*)(A...)) { return {sizeof(A)...}; }
template <auto K> void thunk(void* p) { call<K>(K, p, std::make_index_sequence<arity(K)>()); }
template <auto K> std::string entry(dim3 g, dim3 b, size_t shared, const Options& o, void** a) {
    return launch(g, b, shared, o, thunk<K>, a);
}
struct Register { Register(const char* name, Entry e) { registry()[name] = e; } };

}  // namespace emu

#define REGISTER_KERNEL(k) static emu::Register emu_register_##k(#k, {emu::entry<k>, emu::sizes(k)});

// Called by the generated link.cpp, so that the linker discards no object file.
#ifdef KERNEL_FILE
#define EMU_PASTE(a, b) a##b
#define EMU_LINK(file) void EMU_PASTE(emu_link_, file)() {}
EMU_LINK(KERNEL_FILE)
#endif
