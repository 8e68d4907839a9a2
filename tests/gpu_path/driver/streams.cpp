// Streams and events.
#include <algorithm>

#include "memory.h"

CUresult cuStreamCreate(CUstream* stream, unsigned) {
    return call("cuStreamCreate", CONTEXT, [=] { state().streams.push_back(*stream = make<Stream>(current())); });
}
// Work that is left still runs.
CUresult cuStreamDestroy_v2(CUstream handle) {
    return call("cuStreamDestroy_v2", CONTEXT, [=] { end(stream_of(handle)); });
}
CUresult cuStreamSynchronize(CUstream handle) {
    return call("cuStreamSynchronize", CONTEXT, [=] {
        Stream* stream = stream_of(handle);
        not_in_capture(stream, WAIT_IN_CAPTURE);
        finish(stream);
    });
}

CUresult cuEventCreate(CUevent* event, unsigned flags) {
    return call("cuEventCreate", CONTEXT, [=] { *event = make<Event>(current(), !(flags & EVENT_DISABLE_TIMING)); });
}
CUresult cuEventDestroy_v2(CUevent event) {
    return call("cuEventDestroy_v2", CONTEXT, [=] { end(living(event)); });
}
CUresult cuEventRecord(CUevent handle, CUstream stream_handle) {
    return call("cuEventRecord", CONTEXT, [=] {
        Stream* stream = stream_of(stream_handle);
        Event* event = living(handle);
        event->in_capture = stream->capturing;
        event->recorded = true;
        event->stream = stream;
        if (stream->capturing) return;
        uint64_t number = ++event->records;
        Operation record{"an event", {}, nullptr, 0, 0, nullptr};
        record.run = [=] { event->run = number; event->at = std::chrono::steady_clock::now(); return std::string(); };
        submit(stream, std::move(record));
    });
}
CUresult cuEventSynchronize(CUevent handle) {
    return call("cuEventSynchronize", CONTEXT, [=] {
        Event* event = living(handle);
        if (event->in_capture) refuse(EVENT_OF_CAPTURE);
        if (!event->recorded) return;
        Stream* stream = event->stream;
        not_in_strict_capture("a wait for an event");
        run_until(stream, [=] { return event->run == event->records; });
    });
}
CUresult cuEventElapsedTime(float* milliseconds, CUevent from_handle, CUevent to_handle) {
    return call("cuEventElapsedTime", CONTEXT, [=] {
        Event* events[] = {living(from_handle), living(to_handle)};
        for (Event* event : events) {
            if (event->in_capture) refuse(EVENT_OF_CAPTURE);
            if (!event->recorded || !event->timed) refuse(NEVER_RECORDED);
        }
        for (Event* event : events) if (event->run != event->records) refuse(TOO_EARLY);
        *milliseconds = std::chrono::duration<float, std::milli>(events[1]->at - events[0]->at).count();
    });
}
