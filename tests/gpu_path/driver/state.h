// The things of a driver (contexts, memory, streams, events, graphs, modules) and the frame of every call.
#pragma once
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "rules.h"
#include "settings.h"

// Whatever has a handle. Handles are never reused, so that one used after its end is always recognised.
struct Object {
    explicit Object(const char* kind, Context* context) : kind(kind), context(context) {}
    virtual ~Object() = default;
    const char* kind;
    Context* context;
};

struct Context : Object {
    explicit Context(int device) : Object("a context", this), device(device) {}
    int device;
    unsigned retained = 0;
    CUresult lost = SUCCESS;  // the error that every call returns since the device was lost
};

// Device memory. `number` is never reused, unlike its address.
struct Block { uintptr_t address; size_t bytes; uint64_t number; Context* context; };
// Host memory that the driver made.
struct Pinned { uintptr_t address; size_t bytes; Context* context; };

// Work submitted to a stream.
struct Operation {
    std::string name;
    std::vector<uint64_t> blocks;      // numbers of the memory that it uses
    Module* module = nullptr;          // of its kernel
    uintptr_t host = 0;                // pinned or pageable memory that it still uses, with its length
    size_t host_bytes = 0;
    std::function<std::string()> run;  // returns a message if it fails
};

struct Stream : Object {
    explicit Stream(Context* context) : Object("a stream", context) {}
    std::deque<Operation> queue;  // submitted, not yet run; shared by no other stream
    bool capturing = false, broken = false;
    int mode = 0;
    std::thread::id captured_by;
    std::vector<Operation> captured;
};

struct Event : Object {
    Event(Context* context, bool timed) : Object("an event", context), timed(timed) {}
    bool timed, recorded = false, in_capture = false;
    Stream* stream = nullptr;      // of the last record
    uint64_t records = 0, run = 0;  // submitted, and run
    std::chrono::steady_clock::time_point at;
};

struct Graph : Object {
    explicit Graph(Context* context) : Object("a graph", context) {}
    std::vector<Operation> steps;
};
struct GraphExec : Object {
    explicit GraphExec(Context* context) : Object("an executable graph", context) {}
    std::vector<Operation> steps;
};
struct Module : Object {
    explicit Module(Context* context) : Object("a module", context) {}
    std::set<std::string> kernels;
    std::map<std::string, Function*> functions;
};
struct Function : Object {
    Function(Module* module, std::string name) : Object("a kernel", module->context), module(module), name(std::move(name)) {}
    Module* module;
    std::string name;
    unsigned dynamic_shared = 48 << 10;
};

struct State {
    std::mutex lock;
    bool initialised = false;
    std::set<const void*> alive;            // handles
    std::map<int, Context*> primary;        // by device
    std::map<uintptr_t, Block> blocks;      // by address
    std::map<uintptr_t, size_t> freed;      // ranges of device memory that were freed and not allocated again
    std::map<uintptr_t, Pinned> pinned;     // by address
    std::vector<Stream*> streams;           // in the order of their making; with those that were destroyed but have work left
    std::set<uint64_t> block_numbers;       // of allocated blocks
    uint64_t last_number = 0, random = 0;
};
State& state();
Context*& current();
uint64_t draw(uint64_t below);

enum Needs { NOTHING, INITIALISED, CONTEXT };
// Checks what every call needs, and the failures and omissions of the settings. True if the call is to be carried out.
bool enter(const char* name, Needs needs, CUresult& result);
// The frame of every call: one at a time, with the checks of `enter`; refusals become errors.
template <class Body> CUresult call(const char* name, Needs needs, Body body) {
    std::lock_guard<std::mutex> guard(state().lock);
    try {
        CUresult result = SUCCESS;
        if (!enter(name, needs, result)) return result;
        body();
        return needs == CONTEXT ? current()->lost : SUCCESS;
    } catch (const Refused& refused) {
        return refused.code;
    }
}

template <class T, class... A> T* make(A... arguments) {
    T* made = new T(arguments...);
    state().alive.insert(made);
    return made;
}
// The thing itself, if the handle is one of a living thing of this kind in the current context.
template <class T> T* living(T* handle) {
    if (!state().alive.count(handle)) refuse(DEAD_HANDLE);
    T* found = dynamic_cast<T*>((Object*)handle);
    if (!found) refuse(DEAD_HANDLE, ((Object*)handle)->kind);
    if (found->context != current()) refuse(OTHER_CONTEXT, found->kind);
    return found;
}
// Ends a handle. The thing stays in memory, and its handle is not used again.
inline void end(Object* object) { state().alive.erase(object); }

// Counts an event that the settings may ask to fail, `name` itself or one of the kind `any`. Returns the error to fail with.
CUresult planned_failure(const char* name, bool is_any);

// Loses the device of a context: every later call returns `code`.
void lose(Context* context, CUresult code, const std::string& message);
