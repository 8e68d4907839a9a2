#include "settings.h"

#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace {
[[noreturn]] void misused(const std::string& word) {
    fprintf(stderr, "false driver: ORTHOSCOPE_FALSE_DRIVER has the word `%s`, which means nothing\n", word.c_str());
    abort();
}

void parse_fail(Settings& s, const std::string& value) {
    char call[64];
    unsigned long number;
    if (sscanf(value.c_str(), "%63[^:]:%lu:%d", call, &number, &s.fail_code) != 3) misused("fail=" + value);
    s.fail_call = call;
    s.fail_number = number;
}

void parse_omit(Settings& s, const std::string& value) {
    size_t at = value.find('@');
    s.omit_call = value.substr(0, at);
    if (at != std::string::npos) s.omit_after = value.substr(at + 1);
}

void parse_word(Settings& s, const std::string& word) {
    size_t equals = word.find('=');
    if (equals == std::string::npos) misused(word);
    std::string key = word.substr(0, equals), value = word.substr(equals + 1);
    uint64_t number = strtoull(value.c_str(), nullptr, 10);
    if (key == "seed") s.seed = number;
    else if (key == "version") s.version = int(number);
    else if (key == "gpus") s.gpus = int(number);
    else if (key == "pageable") s.pageable = number != 0;
    else if (key == "memory") s.memory = number;
    else if (key == "capability") { s.major = int(number / 10); s.minor = int(number % 10); }
    else if (key == "fail") parse_fail(s, value);
    else if (key == "omit") parse_omit(s, value);
    else if (key == "count") s.count_call = value;
    else misused(word);
}

Settings read() {
    Settings s;
    const char* text = getenv("ORTHOSCOPE_FALSE_DRIVER");
    s.allowed = text && *text;
    std::istringstream words(text ? text : "");
    for (std::string word; words >> word;) parse_word(s, word);
    return s;
}
}  // namespace

const Settings& settings() {
    static const Settings read_once = read();
    return read_once;
}
