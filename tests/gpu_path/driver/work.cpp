#include "work.h"

#include <algorithm>

namespace {
constexpr uint64_t MOODS = 4, CALLS_PER_MOOD = 40;

// How likely work is to run before it must: never for a while, then rarely, often, at once.
uint64_t mood() {
    static uint64_t calls = 0, chosen = 0;
    if (calls++ % CALLS_PER_MOOD == 0) chosen = draw(MOODS);
    return chosen;
}

void run_first(Stream* stream) {
    Operation operation = std::move(stream->queue.front());
    stream->queue.pop_front();
    run(stream->context, operation);
}

// A stream with work, chosen at random; null if there is none.
Stream* busy_stream() {
    std::vector<Stream*> busy;
    for (Stream* stream : state().streams) if (!stream->queue.empty()) busy.push_back(stream);
    return busy.empty() ? nullptr : busy[draw(busy.size())];
}
}  // namespace

void run(Context* context, const Operation& operation) {
    if (context->lost) return;
    if (CUresult planned = planned_failure("work", false)) return lose(context, planned, "as asked for, in " + operation.name);
    try {
        for (uint64_t number : operation.blocks)
            if (!state().block_numbers.count(number)) refuse(USED_AFTER_FREE, operation.name);
        std::string message = operation.run();
        if (!message.empty()) lose(context, LAUNCH_FAILED, operation.name + ": " + message);
    } catch (const Refused& refused) {
        // The call during which it happens to run is not to blame.
        lose(context, refused.code, operation.name);
    }
}

void submit(Stream* stream, Operation operation) {
    if (!stream->capturing) return stream->queue.push_back(std::move(operation));
    if (stream->broken) refuse(BROKEN_CAPTURE, operation.name);
    stream->captured.push_back(std::move(operation));
}

void not_in_capture(Stream* stream, Rule rule) {
    if (!stream->capturing) return;
    stream->broken = true;
    refuse(rule);
}

void not_in_strict_capture(const char* what) {
    for (Stream* stream : state().streams) {
        bool here = stream->captured_by == std::this_thread::get_id();
        if (!stream->capturing || stream->mode == CAPTURE_RELAXED || (stream->mode == CAPTURE_THREAD_LOCAL && !here)) continue;
        stream->broken = true;
        refuse(UNSAFE_IN_CAPTURE, what);
    }
}

void run_until(Stream* stream, const std::function<bool()>& test) {
    while (!stream->queue.empty() && !test()) run_first(stream);
}
void finish(Stream* stream) { run_until(stream, [] { return false; }); }

void run_some() {
    uint64_t often[MOODS] = {0, 1, 8, 16};
    if (draw(16) >= often[mood()]) return;
    Stream* stream = busy_stream();
    if (!stream) return;
    for (uint64_t left = 1 + draw(stream->queue.size()); left; left--) run_first(stream);
}

bool is_waiting(const std::function<bool(const Operation&)>& test) {
    auto in = [&](Stream* stream) { return std::any_of(stream->queue.begin(), stream->queue.end(), test); };
    return std::any_of(state().streams.begin(), state().streams.end(), in);
}
