// Captures and graphs.
#include "memory.h"

namespace {
Stream* capturing(CUstream handle) {
    Stream* stream = stream_of(handle);
    if (!stream->capturing) refuse(NO_CAPTURE);
    return stream;
}
}  // namespace

CUresult cuStreamBeginCapture_v2(CUstream handle, int mode) {
    return call("cuStreamBeginCapture_v2", CONTEXT, [=] {
        Stream* stream = stream_of(handle);
        if (stream->capturing) refuse(CAPTURE_IN_CAPTURE);
        stream->capturing = true;
        stream->broken = false;
        stream->mode = mode;
        stream->captured_by = std::this_thread::get_id();
        stream->captured.clear();
    });
}
CUresult cuStreamEndCapture(CUstream handle, CUgraph* graph) {
    return call("cuStreamEndCapture", CONTEXT, [=] {
        *graph = nullptr;
        Stream* stream = capturing(handle);
        if (stream->mode != CAPTURE_RELAXED && stream->captured_by != std::this_thread::get_id()) refuse(WRONG_THREAD);
        stream->capturing = false;
        if (stream->broken) refuse(BROKEN_CAPTURE);
        *graph = make<Graph>(current());
        (*graph)->steps.swap(stream->captured);
    });
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec* executable, CUgraph graph, unsigned long long) {
    return call("cuGraphInstantiateWithFlags", CONTEXT, [=] {
        Graph* from = living(graph);
        *executable = make<GraphExec>(current());
        (*executable)->steps = from->steps;
    });
}
CUresult cuGraphDestroy(CUgraph graph) {
    return call("cuGraphDestroy", CONTEXT, [=] { end(living(graph)); });
}
// A graph that is running still ends its work.
CUresult cuGraphExecDestroy(CUgraphExec executable) {
    return call("cuGraphExecDestroy", CONTEXT, [=] { end(living(executable)); });
}
// The steps of a graph run one after another, but not necessarily at once.
CUresult cuGraphLaunch(CUgraphExec handle, CUstream stream_handle) {
    return call("cuGraphLaunch", CONTEXT, [=] {
        Stream* stream = stream_of(stream_handle);
        not_in_capture(stream, GRAPH_IN_CAPTURE);
        for (const Operation& step : living(handle)->steps) submit(stream, step);
    });
}
