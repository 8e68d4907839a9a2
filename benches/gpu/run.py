"""Runs the stages until the deadline. Nothing else ends a run: a stage that fails, hangs or cannot be started is a line of the record."""
import json
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from shared import now

from .call import GRACE, adopt_orphans, call, clear
from .record import Record
from .stages import compared, find_tool, stages

# Seconds kept back for ending the last program and packing the results.
RESERVE = 20.0
# The smallest work, for a rehearsal.
LEAST = {"width": 2, "size": 8, "batch": 1, "steps": 2, "warmup": 1}
LOADER = "ld-linux-x86-64.so.2"
# Where containers keep the driver's libraries, in case a packed loader does not know them.
DRIVER_FOLDERS = ("/usr/local/nvidia/lib64", "/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu")


class Stopped(Exception):
    """Somebody asked this script to end."""


class Run:
    """One run: where the programs and results are, what is missing, and how much time is left."""

    def __init__(self, folder, out, deadline, device="cuda", scale=1.0, least=False):
        self.end, self.scale = time.monotonic() + deadline, scale
        self.folder, self.device, self.least, self.missing = folder, device, least, {}
        self.record = Record(out, {
            "commit": _text(folder / "commit"), "date": now(), "deadline_s": deadline, "device": device, "least_work": least,
            "host": {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
            "packed": _text(folder / "pack.json"),
        })
        self.work = self.record.work
        self.logs, self.profiles = self.work / "logs", self.work / "profiles"
        self.logs.mkdir()
        self.profiles.mkdir()
        self.started = {}
        self.scratch = Path(tempfile.mkdtemp(dir=self.work))
        self.environment = _environment(folder, self.scratch)
        for tool in ("compute-sanitizer", "ncu"):
            if find_tool(tool) is None:
                self.missing[tool] = f"{tool} was not found"

    def left(self):
        """Seconds for stages."""
        return self.end - RESERVE * self.scale - time.monotonic()

    def sized(self, options):
        """The options of a piece of work as words; those of the smallest work in a rehearsal."""
        if self.least:
            options = re.sub(r"--(\w+) \d+", lambda found: f"--{found[1]} {LEAST.get(found[1], 1)}", options)
        return options.split()

    def tool(self, name):
        """The path of a tool that is not missing."""
        return find_tool(name)

    def program(self, name):
        """The words that start a packed program, in the way in which it could be started."""
        return self.started.get(name) or [self.folder / "bin" / name]

    def first_start(self, name, flag):
        """The words that start a program for the first time: directly, else from a copy, else through the packed loader."""
        path = self.folder / "bin" / name
        ways = (lambda: [path], lambda: [_copy(path, self.scratch)], lambda: self._loaded(path))
        starts = lambda words: call([*words, flag], 15 * self.scale, self.logs, f"try-{name}", self.environment).state == "passed"
        self.started[name] = next((words for words in (way() for way in ways) if words[0] and starts(words)), [path])
        return [*self.started[name], flag]

    def _loaded(self, path):
        """Through the C library that was packed, for a machine whose own is older."""
        library = self.folder / "lib"
        loader = _copy(library / LOADER, self.scratch)
        folders = [str(library), *filter(None, [os.environ.get("LD_LIBRARY_PATH")]), *DRIVER_FOLDERS]
        return [loader, "--library-path", ":".join(folders), path]

    def do(self, stage):
        """One stage, or the reason why it is left out."""
        if reason := self.missing.get(stage.needs):
            return {"state": "skipped", "reason": reason}
        if (left := self.left()) < stage.least * self.scale:
            return {"state": "skipped", "reason": f"only {max(left, 0):.0f} s were left, at least {stage.least * self.scale:.0f} s are needed"}
        began, command = time.monotonic(), stage.command(self)
        limit = max(min(stage.limit * self.scale, self.left()), 0.1)
        done = call(command, limit, self.logs, stage.name, self.environment, self.scratch, GRACE * self.scale)
        result = {**done.record(), **({"state": "absent"} if stage.optional and done.state != "passed" else {})}
        result = {**result, "command": " ".join(map(str, command))[:1500]}
        try:
            result.update(stage.read(self, done))
        except Exception as error:  # whatever a program wrote, the run goes on
            result.update(state="failed" if done.state == "passed" else result["state"], unreadable=f"{type(error).__name__}: {error}")
        result["seconds"] = round(time.monotonic() - began, 2)
        return result


def run(folder, out, deadline, only=(), device="cuda", scale=1.0, least=False):
    """All stages, or those whose names begin with one of `only`. Returns the exit status: 1 if any failed."""
    adopt_orphans()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _stop)
    own, finished = Run(folder, out, deadline, device, scale, least), False
    try:
        for stage in stages():
            if not only or stage.name.startswith((*only, "start-")):
                _one(own, stage)
        finished = True
    except Stopped as stopped:
        own.record.problem(f"stopped by signal {stopped}")
    finally:
        clear()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        own.record.data["headline"] = compared(own.record.data["stages"])
        own.record.finish(finished)
    return summary(own.record)


def _one(own, stage):
    """Runs and notes one stage; an error of this script itself is noted, too."""
    print(f"[{own.left():4.0f} s left] {stage.name}", flush=True)
    try:
        result = own.do(stage)
    except Stopped:
        own.record.note(stage.name, {"state": "stopped"})
        raise
    except Exception as error:
        result = {"state": "failed", "reason": f"{type(error).__name__}: {error}"}
    own.record.note(stage.name, result)


def summary(record):
    """Prints a line for each stage; 1 if a stage failed."""
    found = record.data["stages"]
    for name, result in found.items():
        ms = (result.get("plain_ms") or {}).get("median")
        words = [result.get("reason", ""), f"{ms:.3f} ms" if ms else "", f"{result['passed']} passed" if "passed" in result else ""]
        words += [f"FAILED: {', '.join(result['failed'][:5])}"] if result.get("failed") else []
        print(f"{name:38} {result['state']:11} {result.get('seconds', 0):7.1f} s  {'; '.join(filter(None, words))}")
    print(json.dumps(record.data["headline"]))
    print(f"{record.out}: {', '.join(record.data['files'])}")
    bad = [name for name, result in found.items() if result["state"] not in ("passed", "skipped", "absent")]
    print(f"{len(bad)} of {len(found)} stages failed" + (f": {', '.join(bad)}" if bad else ""))
    return 1 if bad or record.data["problems"] else 0


def _stop(number, _):
    raise Stopped(signal.Signals(number).name)


def _environment(folder, scratch):
    """The variables of every program. Caches are new ones; the home folder may not exist."""
    own = {
        "XDG_CACHE_HOME": scratch / "cache", "TMPDIR": scratch, "CUDA_CACHE_PATH": scratch / "cuda",
        "TORCHINDUCTOR_CACHE_DIR": scratch / "inductor", "TRITON_CACHE_DIR": scratch / "triton",
        "ORTHOSCOPE_CACHE_DIR": scratch / "orthoscope", "ORTHOSCOPE_REQUIRE_CUDA": "1", "RUST_BACKTRACE": "0",
        # So that the program finds NVRTC and NVTX of the Python environment that has PyTorch, though nobody activated it.
        "VIRTUAL_ENV": os.environ.get("VIRTUAL_ENV", sys.prefix),
        "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
    }
    if not os.access(os.environ.get("HOME", ""), os.W_OK):
        own["HOME"] = scratch
    if (folder / "kernels").is_dir():
        own["ORTHOSCOPE_KERNELS_DIR"] = folder / "kernels"
    return {**os.environ, **{name: str(value) for name, value in own.items()}}


def _copy(path, scratch):
    """An executable copy, for a folder that lost the permission to execute; None if it cannot be made."""
    try:
        copy = shutil.copyfile(path, scratch / path.name)
        copy.chmod(0o755)
    except OSError:
        return None
    return copy


def _text(path):
    try:
        return path.read_text().strip()
    except OSError:
        return None
