"""What the scripts of this folder share."""
import argparse
import datetime
import json
import os
import platform
import statistics
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAM = TARGET / "release" / "orthoscope"


def parser(doc):
    """A command line whose help is the script's docstring."""
    return argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)


def positive(text):
    """A whole number of at least 1, for an option."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {text}")
    return int(text)


def summary(values, digits=None):
    """Median, minimum and maximum; None if there are no values."""
    if not values:
        return None
    found = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return found if digits is None else {name: round(value, digits) for name, value in found.items()}


def processor():
    """The name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def now():
    """The time in UTC, as 2026-11-26T12:00:00+00:00."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def today():
    """The date, as 2026-11-26."""
    return datetime.date.today().isoformat()


def write(path, record):
    """Writes a record as JSON, or prints it if there is no path."""
    text = json.dumps(record, indent=1, ensure_ascii=False)
    if path is None:
        return print(text)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, text + "\n")


def replace(path, text):
    """Writes a file as a whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)
