// What the false driver refuses, with the error that CUDA's driver returns for it. Where a real driver may crash or compute nonsense
// instead, the false one returns the nearest error, so that the mistake is always seen.
#pragma once
#include <string>

#include "api.h"

#define RULES(rule) \
    rule(BEFORE_INIT, NOT_INITIALIZED, "a call before cuInit") \
    rule(NO_SUCH_DEVICE, INVALID_DEVICE, "a device that does not exist") \
    rule(NO_SUCH_ATTRIBUTE, INVALID_VALUE, "an attribute that the false driver does not know") \
    rule(WITHOUT_CONTEXT, INVALID_CONTEXT, "a call without a current context") \
    rule(DEAD_CONTEXT, CONTEXT_IS_DESTROYED, "a context that was released") \
    rule(RELEASED_TWICE, INVALID_CONTEXT, "a context released more often than retained") \
    rule(DEAD_HANDLE, INVALID_HANDLE, "a handle that is not, or no longer, of this kind") \
    rule(OTHER_CONTEXT, INVALID_HANDLE, "a handle or memory of another context") \
    rule(LEFT_BEHIND, SUCCESS, "a context released while things in it were never freed") \
    rule(EMPTY_ALLOCATION, INVALID_VALUE, "an allocation of no bytes") \
    rule(FREED_TWICE, INVALID_VALUE, "memory freed that is not allocated") \
    rule(FREED_IN_USE, ILLEGAL_ADDRESS, "memory freed while submitted work uses it") \
    rule(USED_AFTER_FREE, ILLEGAL_ADDRESS, "work on memory that was freed") \
    rule(OUTSIDE, INVALID_VALUE, "a copy or fill outside of allocated memory") \
    rule(HOST_CHANGED, ILLEGAL_ADDRESS, "host memory changed or freed while it was being copied") \
    rule(NULL_STREAM, NOT_SUPPORTED, "the null stream, which cannot be captured") \
    rule(WAIT_IN_CAPTURE, STREAM_CAPTURE_UNSUPPORTED, "a wait for a stream that is being captured") \
    rule(HOST_IN_CAPTURE, STREAM_CAPTURE_UNSUPPORTED, "a copy to or from pageable host memory in a capture") \
    rule(UNSAFE_IN_CAPTURE, STREAM_CAPTURE_UNSUPPORTED, "memory or a module made or freed in a capture that is not relaxed") \
    rule(CAPTURE_IN_CAPTURE, ILLEGAL_STATE, "a capture begun inside another") \
    rule(NO_CAPTURE, ILLEGAL_STATE, "a capture ended that never began") \
    rule(BROKEN_CAPTURE, STREAM_CAPTURE_INVALIDATED, "a capture that was broken by an earlier call") \
    rule(WRONG_THREAD, STREAM_CAPTURE_WRONG_THREAD, "a capture that is not relaxed, ended by another thread") \
    rule(GRAPH_IN_CAPTURE, NOT_SUPPORTED, "a graph launched in a capture") \
    rule(EVENT_OF_CAPTURE, CAPTURED_EVENT, "an event that was recorded in a capture, waited for or timed") \
    rule(NEVER_RECORDED, INVALID_HANDLE, "an event timed that was never recorded, or records no times") \
    rule(TOO_EARLY, NOT_READY, "an event timed before it has happened") \
    rule(NO_CUBIN, INVALID_IMAGE, "a module that is no CUBIN") \
    rule(OTHER_GPU, NO_BINARY_FOR_GPU, "a CUBIN for another GPU, or none that the false driver was given") \
    rule(NO_KERNEL, NOT_FOUND, "a kernel that its module does not have") \
    rule(UNLOADED_IN_USE, INVALID_HANDLE, "a module unloaded while its kernels are waiting to run") \
    rule(LAUNCH_SIZE, INVALID_VALUE, "a grid or block that no GPU takes") \
    rule(TOO_MUCH_SHARED, INVALID_VALUE, "more shared memory than the kernel was allowed") \
    rule(NO_ARGUMENT, INVALID_VALUE, "a launch with an argument missing") \
    rule(BAD_MAP, INVALID_VALUE, "an array that the copy engine cannot read, or that the emulator does not model")

enum Rule {
#define NAME(name, code, reason) name,
    RULES(NAME)
#undef NAME
    RULE_COUNT
};

// Thrown by `refuse` and returned to the caller by `call`.
struct Refused { CUresult code; };

// Counts the refusal and says it on standard error.
void complain(Rule rule, const std::string& detail = "");
// Complains and ends the call with the error of the rule.
[[noreturn]] void refuse(Rule rule, const std::string& detail = "");
// The error that a rule returns.
CUresult code_of(Rule rule);
