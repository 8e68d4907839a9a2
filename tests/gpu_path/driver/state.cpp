#include "state.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "work.h"

State& state() {
    static State* all = new State;  // never destroyed, because threads may call until the process ends
    return *all;
}
Context*& current() {
    static thread_local Context* context = nullptr;
    return context;
}
uint64_t draw(uint64_t below) {
    uint64_t& x = state().random;
    if (!x) x = settings().seed * 0x9E3779B97F4A7C15ull + 1;
    x ^= x << 13; x ^= x >> 7; x ^= x << 17;
    return (x >> 11) % below;
}

void lose(Context* context, CUresult code, const std::string& message) {
    if (context->lost) return;
    context->lost = code;
    fprintf(stderr, "false driver, device lost with error %d: %s\n", code, message.c_str());
}

namespace {
// Errors after which a context is of no more use.
bool is_fatal(CUresult code) { return (code >= ILLEGAL_ADDRESS && code < NOT_SUPPORTED) || code == UNKNOWN; }

bool is_omitted(const char* name) {
    static thread_local const char* previous = "";
    const Settings& s = settings();
    bool omitted = s.omit_call == name && (s.omit_after.empty() || s.omit_after == previous);
    previous = name;
    return omitted;
}
}  // namespace

CUresult planned_failure(const char* name, bool is_any) {
    static uint64_t to_fail = 0, counted = 0;
    const Settings& s = settings();
    auto is_meant = [=](const std::string& call) { return call == name || (is_any && call == "any"); };
    if (is_meant(s.count_call) && !counted++) atexit([] { fprintf(stderr, "false driver counted %lu calls\n", counted); });
    return is_meant(s.fail_call) && ++to_fail == s.fail_number ? s.fail_code : SUCCESS;
}

bool enter(const char* name, Needs needs, CUresult& result) {
    if (is_omitted(name)) return false;
    if (needs >= INITIALISED && !state().initialised) refuse(BEFORE_INIT, name);
    if (needs == CONTEXT) {
        if (!current()) refuse(WITHOUT_CONTEXT, name);
        if (!state().alive.count(current())) refuse(DEAD_CONTEXT, name);
        run_some();
        if ((result = current()->lost)) return false;
    }
    result = planned_failure(name, needs == CONTEXT);
    if (is_fatal(result) && current()) lose(current(), result, std::string("as asked for, in ") + name);
    return result == SUCCESS;
}
