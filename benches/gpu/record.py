"""The record of a run: on disk after every stage, in at most a few files of limited size, and on standard output if no disk takes it."""
import json
import shutil
import tarfile
import tempfile
from pathlib import Path

from shared import replace

# What a machine gives back.
MAX_FILES, MAX_FILE_BYTES = 8, 16 << 20
# Bytes that the archive keeps of the end of a log.
MAX_LOG_BYTES = 1 << 20
# Encloses the record on standard output.
BEGIN, END = "----- record.json -----", "----- end of record.json -----"


class Record:
    """What is known so far. A folder that cannot be written is replaced by a temporary one; a record that cannot be written is printed."""

    def __init__(self, out, facts):
        self.data = {**facts, "finished": False, "stages": {}, "problems": []}
        self.out = _writable(out, self.problem)
        self.work = Path(tempfile.mkdtemp(prefix="gpu-run-", dir=_roomy()))
        self.saved = False
        self.save()

    def problem(self, words):
        """Notes what is wrong with the run itself, once."""
        if words not in self.data["problems"]:
            self.data["problems"].append(words)
            print(f"PROBLEM: {words}", flush=True)

    def note(self, stage, result):
        """Keeps the result of a stage, at once."""
        self.data["stages"][stage] = result
        self.save()

    def save(self):
        """Writes the record whole or not at all."""
        try:
            replace(self.out / "record.json", self.text())
            self.saved = True
        except OSError as error:
            self.saved = False
            (self.out / "record.json.part").unlink(missing_ok=True)
            self.problem(f"{self.out / 'record.json'} cannot be written: {error.strerror or error}")

    def text(self):
        """As JSON."""
        return json.dumps(self.data, indent=1, ensure_ascii=False, default=str) + "\n"

    def finish(self, finished):
        """Packs logs, profiles and other files next to the record, which lists them."""
        self.data["finished"] = finished
        for name in ("profiles", "logs"):
            self._pack(name)
        for path in sorted(self.work.glob("*.ncu-rep")) + sorted(self.work.glob("*.json")):
            self._keep(path)
        self.data["files"] = {path.name: path.stat().st_size for path in sorted(self.out.iterdir()) if path.is_file()}
        self.save()
        if not self.saved:
            print(f"{BEGIN}\n{self.text()}{END}", flush=True)
        shutil.rmtree(self.work, ignore_errors=True)

    def _pack(self, name):
        """One archive of a folder; a file that makes it too large is left out and named."""
        folder, archive = self.work / name, self.out / f"{name}.tar.gz"
        if not folder.is_dir():
            return
        files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        while files:
            try:
                with tarfile.open(archive, "w:gz") as tar:
                    for path in files:
                        _shorten(path) if name == "logs" else None
                        tar.add(path, path.relative_to(self.work))
            except OSError as error:
                archive.unlink(missing_ok=True)
                return self.problem(f"{archive.name} cannot be written: {error.strerror or error}")
            if archive.stat().st_size <= MAX_FILE_BYTES:
                return
            self.problem(f"{archive.name} would be too large with {files.pop().name}")
        archive.unlink(missing_ok=True)

    def _keep(self, path):
        """Copies one file to the results, if there is room for it."""
        if path.stat().st_size > MAX_FILE_BYTES:
            return self.problem(f"{path.name} has {path.stat().st_size} bytes, more than {MAX_FILE_BYTES}")
        if sum(1 for other in self.out.iterdir() if other.is_file()) >= MAX_FILES:
            return self.problem(f"{path.name} would be one file too many")
        try:
            shutil.copyfile(path, self.out / path.name)
        except OSError as error:
            (self.out / path.name).unlink(missing_ok=True)
            self.problem(f"{path.name} cannot be copied: {error.strerror or error}")


def _shorten(path):
    """Drops the beginning of a log that is too long."""
    if path.stat().st_size > MAX_LOG_BYTES:
        with path.open("rb") as log:
            log.seek(-MAX_LOG_BYTES, 2)
            end = log.read()
        path.write_bytes(b"[the beginning is left out]\n" + end)


def _writable(out, problem):
    """The folder for results, or a temporary one if it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            return out
    except OSError as error:
        instead = Path(tempfile.mkdtemp(prefix="gpu-results-"))
        problem(f"{out} cannot be written: {error.strerror or error}; results are in {instead}")
        return instead


def _roomy():
    """The temporary folder with the most room."""
    places = [place for place in map(Path, (tempfile.gettempdir(), "/var/tmp", "/dev/shm")) if _is_writable(place)]
    return max(places, key=lambda place: shutil.disk_usage(place).free, default=None)


def _is_writable(place):
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False
