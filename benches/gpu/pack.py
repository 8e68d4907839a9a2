"""Builds what the machine with a GPU needs and checks that it can be carried there and will start."""
import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from shared import ROOT, TARGET

MAX_BYTES = 64 << 20
# NVRTC of the CUDA version that `.ci/run` tests with, and the newest C library that may be needed: that of Ubuntu 22.04.
NVRTC, MAX_GLIBC = "13.0", (2, 35)
# Target, its kind, and how cargo builds it.
PROGRAMS = (
    ("orthoscope", "bin", ["build", "--release", "--bin", "orthoscope"]),
    ("calibrate", "example", ["build", "--release", "--example", "calibrate"]),
    ("ops", "test", ["test", "--no-run", "--test", "ops"]),
)
SCRIPTS = ("benches/gpu.py", "benches/shared.py", "benches/torch_bench.py")
# Python packages that scripts import, copied beside them.
PACKAGES = ("benches/gpu", "src/python/orthoscope")
# What a program needs of the C library, and what the driver's library needs, for a machine with an older one.
LIBRARIES = ("ld-linux-x86-64.so.2", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1")


class Unpacked(Exception):
    """Why there is no complete pack, as one sentence."""


def pack(folder, arch):
    """Fills `folder` anew; prints the sizes. Raises Unpacked if anything is missing."""
    if folder.exists() and any(folder.iterdir()) and not (folder / "pack.json").exists():
        raise Unpacked(f"{folder} has other files in it")
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    for name, kind, command in PROGRAMS:
        build(name, kind, command, folder / "bin")
    scripts(folder)
    nvrtc = kernels(folder, arch)
    libraries(folder / "lib")
    commit = run("git", "describe", "--always", "--dirty", "--abbrev=12").strip()
    (folder / "commit").write_text(commit + "\n")
    glibc = {name: needed_glibc(folder / "bin" / name) for name, *_ in PROGRAMS}
    facts = {"commit": commit, "arch": arch, "nvrtc": nvrtc, "glibc": glibc, "sha256": hashes(folder / "bin")}
    (folder / "pack.json").write_text(json.dumps(facts, indent=1) + "\n")
    check(folder, glibc)


def run(*command, **options):
    """Output of a command that must succeed."""
    done = subprocess.run(list(map(str, command)), cwd=ROOT, text=True, stdout=subprocess.PIPE, **options)
    if done.returncode:
        raise Unpacked(f"`{' '.join(map(str, command))}` failed with status {done.returncode}")
    return done.stdout


def build(name, kind, command, into):
    """Builds one program and copies the file that cargo names for this target, without debug symbols."""
    messages = map(json.loads, run("cargo", command[0], "--locked", *command[1:], "--message-format=json").splitlines())
    wanted = lambda message: message.get("executable") and (message["target"]["name"], message["target"]["kind"]) == (name, [kind])
    made = [message["executable"] for message in messages if wanted(message)]
    if len(made) != 1:
        raise Unpacked(f"cargo made {len(made)} programs {name} instead of one")
    shutil.copy(made[0], into / name)
    subprocess.run(["strip", into / name], check=False)


def scripts(folder):
    """The scripts and the packages that they import, side by side."""
    for script in SCRIPTS:
        shutil.copy(ROOT / script, folder)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / Path(package).name, ignore=shutil.ignore_patterns("__pycache__"))


def kernels(folder, arch):
    """Compiles the kernels; returns the version of NVRTC, which must be the tested one."""
    environment = {**os.environ, "ORTHOSCOPE_CACHE_DIR": str(folder / "cache")}
    if not environment.get("ORTHOSCOPE_NVRTC_DIR"):
        environment["ORTHOSCOPE_NVRTC_DIR"] = str(next((TARGET / "nvrtc").glob("**/nvidia/cu13/lib"), ""))
    advice = f"`pip install 'nvidia-cuda-nvrtc=={NVRTC}.*'` and set ORTHOSCOPE_NVRTC_DIR to its folder nvidia/cu13/lib"
    try:
        run(folder / "bin" / "orthoscope", "kernels", "--arch", arch, "--out", folder / "kernels", env=environment)
    except Unpacked as error:
        raise Unpacked(f"the kernels were not compiled: {error}; {advice}") from None
    finally:
        shutil.rmtree(folder / "cache", ignore_errors=True)
    versions = {entry["nvrtc"] for entry in json.loads((folder / "kernels" / "kernels.json").read_text())["images"]}
    if not versions or not all(version.startswith(NVRTC + ".") or version == NVRTC for version in versions):
        raise Unpacked(f"the kernels were compiled by NVRTC {', '.join(sorted(versions))}, not {NVRTC}: {advice}")
    return sorted(versions)[0]


def libraries(into):
    """Copies the loader and the C library of this machine, as far as they are found."""
    into.mkdir()
    for name in LIBRARIES:
        places = (Path(place) / name for place in ("/lib64", "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib64"))
        if found := next((place for place in places if place.exists()), None):
            shutil.copy(found.resolve(), into / name)


def needed_glibc(program):
    """The newest version of the C library whose symbols a program needs, as (2, 35); None where objdump is missing."""
    if not shutil.which("objdump"):
        return None
    return max((tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([\d.]+)", run("objdump", "-T", program))), default=(0, 0))


def hashes(folder):
    """SHA-256 of every program."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def check(folder, glibc):
    """Prints the size of every part; refuses a pack that cannot be carried, or that an Ubuntu 22.04 could not start in any way."""
    size = lambda path: sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())
    for path in sorted(folder.iterdir()):
        print(f"{size(path) / 2**20:8.2f} MiB  {path.name}")
    for name, version in glibc.items():
        print(f"{name} needs glibc {'.'.join(map(str, version)) if version else 'of unknown version'}")
    total = size(folder)
    print(f"{folder}: {total / 2**20:.1f} of {MAX_BYTES >> 20} MiB")
    new = [name for name, version in glibc.items() if version and version > MAX_GLIBC]
    if new and not (folder / "lib" / LIBRARIES[0]).exists():
        raise Unpacked(f"{', '.join(new)} need a C library newer than {'.'.join(map(str, MAX_GLIBC))}, and there is none to pack")
    if total > MAX_BYTES:
        raise Unpacked(f"{folder} has {total} bytes, more than the {MAX_BYTES} that can be carried")
