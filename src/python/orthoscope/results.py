"""Readers for what the program writes: maps, verdicts, metrics."""

import json
from pathlib import Path

import numpy as np


def read_map(path):
    """An anomaly map, float32 [h, w]: NAME_map.npy of `orthoscope detect` or NAME.npy of `orthoscope evaluate --maps`.

    An array of another type is converted. ValueError if it is not two-dimensional.
    """
    anomaly_map = np.load(path, allow_pickle=False)
    if anomaly_map.ndim != 2:
        raise ValueError(f"{path}: holds an array of shape {anomaly_map.shape}; an anomaly map is [h, w]")
    return anomaly_map.astype(np.float32, copy=False)


def read_metrics(path):
    """The contents of metrics.json, in the output folder of `orthoscope evaluate` or given itself."""
    path = Path(path)
    return json.loads((path / "metrics.json" if path.is_dir() else path).read_text(encoding="utf-8"))


def detections(folder):
    """For each image in an output folder of `orthoscope detect` whose map was saved: name, contents of NAME.json, map [h, w]."""
    for path in sorted(Path(folder).rglob("*_map.npy")):
        name = path.name.removesuffix("_map.npy")
        verdict = json.loads((path.parent / f"{name}.json").read_text(encoding="utf-8"))
        yield str(path.parent.relative_to(folder) / name), verdict, read_map(path)
