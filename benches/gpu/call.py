"""Runs one program with a time limit, in a process group of its own, and leaves none of its processes behind."""
import ctypes
import dataclasses
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

# Seconds between SIGTERM and SIGKILL, and seconds after which a process that SIGKILL does not end is left alone.
GRACE, PATIENCE = 3.0, 5.0
# Characters of each stream that a record keeps, bytes of each that are read, and bytes that a program may write to one file.
TAIL, READ_BYTES, FILE_BYTES = 2000, 8 << 20, 256 << 20
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
# Loaded before any process is forked.
LIBC = ctypes.CDLL(None)


@dataclasses.dataclass
class Done:
    """What a program did. `state` is passed, failed, timed out or not started."""

    state: str
    status: int = None
    seconds: float = 0.0
    out: str = ""
    err: str = ""
    reason: str = ""

    def record(self):
        """What the record keeps: both streams only of a program that did not pass."""
        kept = {"state": self.state, "seconds": round(self.seconds, 2)}
        if self.status is not None:
            kept["status"] = self.status
        if self.reason:
            kept["reason"] = self.reason
        if self.state != "passed":
            kept.update(stdout_tail=self.out[-TAIL:], stderr_tail=self.err[-TAIL:])
        return kept


def adopt_orphans():
    """Makes processes whose parent ends children of this one, so that `clear` finds those that left their group. Only Linux can do that."""
    _control(PR_SET_CHILD_SUBREAPER, 1)


def _control(option, value):
    """Sets a property of this process, where the system has it."""
    if hasattr(LIBC, "prctl"):
        LIBC.prctl(option, value, 0, 0, 0)


def call(command, limit, logs, name, environment=None, cwd=None, grace=GRACE):
    """Runs a command for at most `limit` seconds, and `grace` more to end by itself. Its output goes straight to `logs/NAME.out` and `.err`, so nothing is lost if it is ended."""
    start = time.monotonic()
    with _sink(logs / f"{name}.out") as out, _sink(logs / f"{name}.err") as err:
        try:
            process = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment, cwd=cwd,
                start_new_session=True, preexec_fn=_bind,
            )
        except OSError as error:
            return Done("not started", seconds=time.monotonic() - start, reason=f"{command[0]}: {error.strerror or error}")
        try:
            state = _wait(process, limit, grace)
        finally:
            seconds, left = time.monotonic() - start, clear()
        texts = [_text(stream) for stream in (out, err)]
    reasons = [f"ended after {limit:.3g} s"] if state == "timed out" else []
    reasons += [f"{left} processes could not be ended"] if left else []
    return Done(state, process.returncode, seconds, *texts, "; ".join(reasons))


def clear():
    """Ends every descendant of this process; returns how many cannot be ended."""
    end = time.monotonic() + PATIENCE
    while found := _descendants():
        for pid in found:
            _signal(os.kill, pid, signal.SIGKILL)
        _reap()
        if time.monotonic() > end:
            return len(found)
        time.sleep(0.02)
    return 0


def _wait(process, limit, grace):
    """Waits for a process; after its limit asks its group to end, and then ends it."""
    try:
        return "passed" if process.wait(limit) == 0 else "failed"
    except subprocess.TimeoutExpired:
        _signal(os.killpg, process.pid, signal.SIGTERM)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        _signal(os.killpg, process.pid, signal.SIGKILL)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pass  # a process inside the driver; `clear` counts it
    return "timed out"


def _signal(send, pid, number):
    try:
        send(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _bind():
    """The child ends with this process. No core dumps, and no endless output: writing more than FILE_BYTES to a file fails."""
    _control(PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    bytes_ = FILE_BYTES if hard == resource.RLIM_INFINITY else min(FILE_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, hard))


def _descendants():
    """Process numbers of all descendants that still run. Empty where there is no /proc."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            continue
        if state != "Z":
            parents[int(entry.parent.name)] = int(parent)
    found, more = set(), {os.getpid()}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - found
        found |= more
    return found


def _reap():
    """Collects adopted processes that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _sink(path):
    """A file for the output of a program; in memory if the disk takes none."""
    try:
        return path.open("w+b")
    except OSError:
        return os.fdopen(os.memfd_create(path.name), "w+b")


def _text(stream):
    """The end of what was written."""
    stream.seek(max(stream.seek(0, os.SEEK_END) - READ_BYTES, 0))
    return stream.read().decode(errors="replace")
