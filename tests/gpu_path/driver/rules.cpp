#include "rules.h"

#include <atomic>
#include <cstdio>

namespace {
struct Entry { CUresult code; const char* reason; };
constexpr Entry TABLE[] = {
#define ENTRY(name, code, reason) {code, reason},
    RULES(ENTRY)
#undef ENTRY
};
std::atomic<unsigned long> refusals[RULE_COUNT];
}  // namespace

CUresult code_of(Rule rule) { return TABLE[rule].code; }

void complain(Rule rule, const std::string& detail) {
    refusals[rule]++;
    fprintf(stderr, "false driver: %s%s%s\n", TABLE[rule].reason, detail.empty() ? "" : ": ", detail.c_str());
}

void refuse(Rule rule, const std::string& detail) {
    complain(rule, detail);
    throw Refused{TABLE[rule].code};
}

const char* falseDriverReason(size_t index, unsigned long* count) {
    if (index >= RULE_COUNT) return nullptr;
    *count = refusals[index];
    return TABLE[index].reason;
}
