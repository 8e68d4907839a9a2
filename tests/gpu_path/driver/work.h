// Submitted work: it runs later, at a random time, in order within its stream and in no order between streams.
#pragma once
#include "state.h"

// Submits work to a stream, or adds it to the stream's capture.
void submit(Stream* stream, Operation operation);
// Refuses work in a capture and breaks the capture.
void not_in_capture(Stream* stream, Rule rule);
// Refuses what only a relaxed capture allows, if any other kind of capture is in progress.
void not_in_strict_capture(const char* what);
// Runs everything submitted to the stream so far.
void finish(Stream* stream);
// Runs work of the stream in order until the test holds or none is left.
void run_until(Stream* stream, const std::function<bool()>& test);
// Runs some of the submitted work, by chance.
void run_some();
// Whether submitted work that has not run passes the test.
bool is_waiting(const std::function<bool(const Operation&)>& test);
// Runs an operation, if the memory that it uses is still there.
void run(Context* context, const Operation& operation);
