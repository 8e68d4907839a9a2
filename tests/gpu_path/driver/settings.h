// What one run of the false driver is like, from the variable ORTHOSCOPE_FALSE_DRIVER: words `key=value`, separated by spaces. Without
// the variable the driver finds no device, so that nobody computes on it by accident.
#pragma once
#include <cstdint>
#include <string>

struct Settings {
    bool allowed = false;
    uint64_t seed = 1;           // of the deferral of work and of the order of threads and blocks
    int version = 13000;         // CUDA version of the driver
    int gpus = 2;
    int major = 9, minor = 0;    // compute capability
    bool pageable = false;       // whether the GPU reads pageable host memory by itself, and so perhaps late
    size_t memory = 4ull << 30;  // bytes per GPU
    // `fail=CALL:N:CODE`: call number N of that name, counted from 1, fails. CALL may be `any`, a call that needs a context, or `work`,
    // submitted work when it runs.
    std::string fail_call;
    uint64_t fail_number = 0;
    int fail_code = 0;
    // `omit=CALL` or `omit=CALL@PREVIOUS`: the call does nothing and succeeds, as if the engine had forgotten it; with PREVIOUS only
    // directly after that call in the same thread.
    std::string omit_call, omit_after;
    // `count=CALL`: says at the end of the process how often it was called; CALL as for `fail`.
    std::string count_call;
};

const Settings& settings();
