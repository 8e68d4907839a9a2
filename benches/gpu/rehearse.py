"""Rehearses `gpu.py run` without a GPU: with programs that fail on purpose, or with a packed folder and a driver library that needs no GPU.

Everything runs as on a container that was given away for one call: another user where that is possible, no home folder, no variables of the
environment, no network where that is possible.
"""
import dataclasses
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable

from shared import TARGET

from .pack import scripts
from .record import BEGIN, END, MAX_FILE_BYTES, MAX_FILES
from .stages import stages

NOBODY = "65534"
# The factor of all time limits where a program is to be ended, so that a minute becomes 3 s.
SHORT = 0.05
# What the programs of a GPU machine do when all is well, as shell scripts. `mark` makes processes that outlive a test recognisable.
HEALTHY = {
    "bin/orthoscope": """#!/bin/sh
case "$1" in
--version) echo orthoscope 0.1.0 ;;
doctor) echo '{"cuda": "CUDA 13.0", "missing": []}' ;;
profile)
  while [ $# -gt 1 ]; do shift; if [ "$1" = --json ]; then
    echo '{"device": "cuda (none)", "step_ms": 2.0, "steps": {"plain": {"median": 2.0}}, "kernels": []}' > "$2"; fi; done ;;
esac
""",
    "bin/ops": """#!/bin/sh
echo 'test cuda::repeat::gpu::x ... ok'
echo 'test result: ok. 1 passed; 0 failed; 0 ignored'
""",
    "bin/calibrate": """#!/bin/sh
while [ $# -gt 1 ]; do if [ "$1" = --json ]; then echo '{"dram_gb_s": 1.0}' > "$2"; fi; shift; done
""",
    "tools/nvidia-smi": "#!/bin/sh\necho 'No GPU, 580.1, 1 MiB, 9.0, 1, 1, 1, 1, on'\n",
    "tools/compute-sanitizer": """#!/bin/sh
while [ $# -gt 0 ]; do case "$1" in */ops) "$@"; echo '========= ERROR SUMMARY: 0 errors'; exit ;; esac; shift; done
""",
    "tools/ncu": """#!/bin/sh
while [ $# -gt 0 ]; do if [ "$1" = -o ]; then echo report > "$2.ncu-rep"; fi; shift; done
""",
    "torch_bench.py": """import json, sys
from pathlib import Path
Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps({"ms": [3.0, 1.0, 2.0], "torch": "0"}))
""",
    "python/torch.py": """from types import SimpleNamespace as Of
__version__, version, backends = "0", Of(cuda="0"), Of(cudnn=Of(version=lambda: 0))
cuda = Of(is_available=lambda: False)
""",
}


@dataclasses.dataclass
class Fault:
    """A planted failure: files that are different, which stages to run, and what must be true of the run."""

    name: str
    files: dict
    only: tuple
    wrong: Callable
    options: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Seen:
    """What a run did."""

    status: int
    seconds: float
    output: str
    record: dict
    out: Path

    def state(self, stage):
        """The state of a stage, or None."""
        return self.record["stages"].get(stage, {}).get("state")

    def reason(self, stage):
        """Why a stage did not pass."""
        return self.record["stages"].get(stage, {}).get("reason", "")


def planted(names):
    """Runs every planted failure, or those of these names. The exit status: 0 if everything was as it must be."""
    bad = 0
    for fault in faults():
        if names and fault.name not in names:
            continue
        with tempfile.TemporaryDirectory(prefix="gpu-rehearsal-") as place:
            seen = plant(Path(place), fault)
            words = valid(seen) or fault.wrong(seen)
            end_all(place)
        bad += bool(words)
        print(f"{fault.name:24} {seen.seconds:5.1f} s  {f'WRONG: {words}' if words else 'as it must be'}", flush=True)
        if words:
            print(seen.output)
    return 1 if bad else 0


def plant(place, fault):
    """Makes a folder as `pack` does, with one fault in it, and runs it."""
    folder = place / "pack"
    folder.mkdir()
    scripts(folder)
    for name, text in {**HEALTHY, **fault.files}.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if text is None:
            path.unlink(missing_ok=True)
            continue
        path.write_text(text.replace("MARK", str(place)))
        path.chmod(fault.options.get("mode", 0o755))
    out = place / fault.options.get("out", "results")
    (place / "file").write_text("no folder")
    options = ["--deadline", fault.options.get("deadline", 600), "--scale", fault.options.get("scale", 1)]
    only = [word for name in fault.only for word in ("--only", name)]
    command = [sys.executable, folder / "gpu.py", "run", folder, "--out", out, *options, *only]
    environment = {"PATH": f"{folder / 'tools'}:/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": str(folder / "python"), "TMPDIR": str(place)}
    start = time.monotonic()
    process = subprocess.Popen(
        list(map(str, command)), env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        preexec_fn=fault.options.get("before"),
    )
    if number := fault.options.get("signal"):
        wait_for(lambda: "headline-ours-1" in (place / "begun").read_text(), place)
        process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    return Seen(process.returncode, time.monotonic() - start, output, found_record(out, output), out)


def wait_for(ready, place):
    """Waits until a program of the run has written that it began."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            if ready():
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise TimeoutError(f"nothing began in {place}")


def found_record(out, output):
    """The record: in its folder, in the folder that the output names, or in the output itself."""
    places = [out, *(Path(line.rpartition("results are in ")[2]) for line in output.splitlines() if "results are in " in line)]
    for place in places:
        try:
            return json.loads((place / "record.json").read_text())
        except (OSError, ValueError):
            continue
    return json.loads(output.partition(BEGIN)[2].partition(END)[0] or "null")


def valid(seen):
    """What is wrong with any record; None if it is a record of stages whose files can be brought back."""
    if not isinstance(seen.record, dict) or not seen.record.get("stages"):
        return "there is no record"
    files = [path for path in seen.out.iterdir() if path.is_file()] if seen.out.is_dir() else []
    if len(files) > MAX_FILES or any(path.stat().st_size > MAX_FILE_BYTES for path in files):
        return f"{len(files)} files cannot be brought back"
    end = time.monotonic() + 2
    while (left := processes_with(str(seen.out.parent))) and time.monotonic() < end:
        time.sleep(0.05)
    return f"processes are left: {[*left.values()]}" if left else None


def processes_with(text):
    """Numbers and command lines of the processes that have this text in them."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found[int(path.parent.name)] = line
    return found


def end_all(place):
    """Ends what a wrong run left behind, with the groups that it is in."""
    for pid in processes_with(place):
        try:
            os.killpg(os.getpgid(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass


def unless(holds, words):
    """`words` and what was seen instead, if something does not hold."""
    return None if holds else words


def faults():
    """Every planted failure."""
    hang = HEALTHY["bin/orthoscope"].replace("profile)", "profile) echo \"$*\" > MARK/begun; exec sleep 1000 ;;\nnever)")
    begin = {"bin/orthoscope": hang}
    stubborn = "#!/bin/sh\n[ \"$1\" = --list ] && exit\ntrap '' TERM\nsh -c 'sleep 1000; : MARK' &\nsetsid sh -c 'trap \"\" TERM; sleep 1000; : MARK' &\n" \
        "while :; do sleep 0.1; done\n"
    noisy = HEALTHY["bin/orthoscope"].replace("doctor) ", "doctor) echo '[WARN] {no simd}'; ").replace("[]}' ;;\nprofile", "[]}'; echo 'bye {' ;;\nprofile")
    torn = HEALTHY["bin/orthoscope"].replace('"kernels": []}', '"kernels": [')
    flood = "#!/bin/sh\n[ \"$1\" = --list ] && exit\nexec yes flood\n"
    small = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (256, 256))
    names = [stage.name for stage in stages()]
    passed = lambda seen: {name for name in names if seen.state(name) == "passed"}
    return [
        Fault("nothing", {}, (), lambda seen: unless(
            [*seen.record["stages"]] == names and passed(seen) == set(names) and seen.status == 0 and seen.record["finished"]
            and len(seen.record["files"]) <= MAX_FILES and seen.record["headline"]["ratios"]["torch / ours"] == [1.0, 1.0], f"not all stages passed: {set(names) - passed(seen)}")),
        Fault("a stage that hangs", {"bin/orthoscope": hang}, ("headline-ours", "tests"), lambda seen: unless(
            seen.state("headline-ours-1") == "timed out" and seen.state("tests") == "passed" and seen.status == 1, "the hang was not ended"), {"scale": SHORT}),
        Fault("SIGTERM is ignored", {"bin/ops": stubborn}, ("tests", "rates"), lambda seen: unless(
            seen.state("tests") == "timed out" and seen.state("rates") == "passed", "the children were not ended"), {"scale": SHORT}),
        Fault("not executable", {}, ("doctor", "tests"), lambda seen: unless(
            passed(seen) >= {"start-orthoscope", "doctor", "tests"} and seen.status == 0, "no copy was started"), {"mode": 0o644}),
        Fault("no program", {"bin/orthoscope": "\x7fELF of no machine"}, ("doctor", "tests"), lambda seen: unless(
            seen.state("doctor") == "not started" and seen.reason("doctor") and seen.state("tests") == "passed", "the run did not go on")),
        Fault("unwritable results", {}, ("doctor",), lambda seen: unless(
            seen.state("doctor") == "passed" and any("results are in" in words for words in seen.record["problems"]) and seen.status == 1,
            "the results are nowhere"), {"out": "file/results"}),
        Fault("full disk", {}, ("doctor",), lambda seen: unless(
            seen.state("doctor") == "passed" and BEGIN in seen.output and seen.status == 1, "the record was not printed"), {"before": small}),
        Fault("no PyTorch", {"python/torch.py": None, "torch_bench.py": "import torch"}, ("facts-torch", "headline"), lambda seen: unless(
            seen.state("headline-torch-1") == "skipped" and "PyTorch" in seen.reason("headline-torch-1")
            and seen.state("headline-ours-2") == "passed" and seen.status == 0, "PyTorch was not missed")),
        Fault("no sanitizer", {"tools/compute-sanitizer": None}, ("sanitizer", "ncu"), lambda seen: unless(
            seen.state("sanitizer-racecheck") == "skipped" and "not found" in seen.reason("sanitizer-racecheck")
            and seen.state("ncu") == "passed" and seen.status == 0, "the sanitizer was not missed")),
        Fault("warnings in the JSON", {"bin/orthoscope": noisy}, ("doctor",), lambda seen: unless(
            seen.record["stages"]["doctor"].get("doctor") == {"cuda": "CUDA 13.0", "missing": []}, "the JSON was not found")),
        Fault("half a profile", {"bin/orthoscope": torn}, ("headline-ours", "tests"), lambda seen: unless(
            seen.state("headline-ours-1") == "failed" and seen.state("tests") == "passed", "half a file was taken for a result")),
        Fault("endless output", {"bin/ops": flood}, ("tests", "rates"), lambda seen: unless(
            seen.state("tests") in ("failed", "timed out") and seen.state("rates") == "passed", "it was not ended"), {"scale": SHORT}),
        Fault("the deadline passes", {"bin/orthoscope": hang}, ("headline-ours", "tests"), lambda seen: unless(
            seen.state("headline-ours-1") == "timed out" and "were left" in seen.reason("tests") and seen.seconds < 12 and seen.record["finished"],
            "the deadline was not kept"), {"deadline": 4, "scale": 0.1}),
        Fault("no test", {"bin/ops": "#!/bin/sh\necho 'test result: ok. 0 passed; 0 failed; 9 filtered out'\n"}, ("tests",), lambda seen: unless(
            seen.state("tests") == "failed" and seen.status == 1, "nothing was taken for a success")),
        Fault("SIGTERM to the run", begin, ("headline", "tests"), lambda seen: unless(
            seen.state("headline-ours-1") == "stopped" and not seen.record["finished"] and seen.state("start-ops") == "passed",
            "the results were lost"), {"signal": signal.SIGTERM}),
        Fault("SIGKILL to the run", begin, ("headline", "tests"), lambda seen: unless(
            seen.state("start-ops") == "passed" and not seen.record["finished"], "the results were lost"), {"signal": signal.SIGKILL}),
    ]


def newest_driver():
    """The folder of the false driver that was built last; None without one."""
    found = TARGET.glob("tmp/false-driver-*")
    return max(found, key=lambda folder: folder.stat().st_mtime, default=None)


def packed(folder, driver, out, deadline):
    """Runs a packed folder as another user without home and network, on the false driver. The exit status of that run.

    `driver` is what the test `gpu_path` built. It computes with its own kernels, so only those are not the packed ones.
    """
    with tempfile.TemporaryDirectory(prefix="gpu-rehearsal-") as place:
        Path(place).chmod(0o777)
        copy = Path(place) / "pack"
        shutil.copytree(folder, copy, ignore=lambda at, names: ["kernels"] if Path(at) == folder else [])
        shutil.copytree(driver / "kernels", copy / "kernels")
        shutil.copytree(driver / "lib", Path(place) / "driver")
        start = container()
        print(f"started by: {' '.join(start)}", flush=True)
        command = [*start, copy / "gpu.py", "run", copy, "--out", f"{place}/results", "--deadline", deadline, "--least"]
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "TMPDIR": place, "ORTHOSCOPE_PEAK_EFFORT": "least",
                       "LD_LIBRARY_PATH": f"{place}/driver", "ORTHOSCOPE_FALSE_DRIVER": "seed=1 gpus=1"}
        status = subprocess.run(list(map(str, command)), env=environment).returncode
        shutil.copytree(f"{place}/results", out, dirs_exist_ok=True)
    print(f"the results are in {out}")
    return status


def container():
    """The words that start Python without a network and as another user, as far as that is possible here."""
    network = ["unshare", "--net"]
    user = ["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]
    pythons = [sys.executable, "/usr/bin/python3"]
    words = [[*wrap, python] for wrap in ([*network, *user], user, network) for python in pythons if os.geteuid() == 0]
    return next(filter(starts, words), [sys.executable])


def starts(words):
    """Whether these words start a Python that can start itself again."""
    again = "import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', '']))"
    try:
        return subprocess.run([*words, "-c", again], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False
