// Every header of the standard library that the emulator and the kernels use. The observed kernels are compiled
// inside a namespace (build.rs), which must not contain these.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <cwchar>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <ucontext.h>
#include <unordered_map>
#include <utility>
#include <vector>
#include <xmmintrin.h>
