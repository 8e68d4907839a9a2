"""Runs an ONNX file of `orthoscope model export` in onnxruntime, and compares the results with those of `orthoscope detect`.

    orthoscope model export --model M.safetensors --onnx M.onnx
    orthoscope detect --model M.safetensors --out FOUND IMAGES
    python onnx_parity.py --case M.onnx FOUND IMAGES

Needs onnxruntime, numpy and pillow. Images of one size go in together, up to 4 at a time. Scores are compared relative to the
score of `detect`, maps relative to its largest value, and so is the distance from the pixel threshold of pixels whose masks differ.
Exit code 1 if one of them is more than --limit, or a verdict differs.
"""

import argparse
import json
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

BATCH = 4


def image(path):
    """f32 [3, H, W] in [0, 1] of a picture of 8 bits."""
    with Image.open(path) as picture:
        if picture.mode not in ("L", "RGB"):
            raise SystemExit(f"{path}: mode {picture.mode}; only grey and RGB pictures of 8 bits are compared")
        return np.asarray(picture.convert("RGB"), np.float32).transpose(2, 0, 1) / np.float32(255)


class Findings:
    """What `detect` wrote for one image."""

    def __init__(self, stem):
        beside = lambda ending: stem.with_name(stem.name + ending)
        self.json = json.loads(beside(".json").read_text())
        self.map = np.load(beside("_map.npy"))
        with Image.open(beside("_reconstruction.png")) as picture:
            self.reconstruction = np.asarray(picture.convert("RGB"), np.float32).transpose(2, 0, 1) / 255
        with Image.open(beside("_mask.png")) as picture:
            self.mask = np.asarray(picture.convert("L")) > 127


class Case:
    """One ONNX file on one folder of images."""

    def __init__(self, model, found, images):
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
        metadata = self.session.get_modelmeta().custom_metadata_map
        number = lambda key: float(metadata[key]) if key in metadata else np.inf
        self.image_threshold, self.pixel_threshold = number("orthoscope.image_threshold"), number("orthoscope.pixel_threshold")
        self.found, self.images = Path(found), Path(images)
        self.worst = dict(images=0, anomalous=0, score=0.0, score_absolute=0.0, map=0.0, map_absolute=0.0, reconstruction=0.0)
        self.worst |= dict(verdicts=0, pixels=0, differing_pixels=0, mask=0.0)

    def paths(self):
        """Every image, those of one size together."""
        named = [path for path in sorted(self.images.rglob("*")) if path.suffix.lower() in (".png", ".jpg", ".jpeg")]
        size = lambda path: Image.open(path).size
        for _, group in groupby(sorted(named, key=size), size):
            group = list(group)
            yield from (group[start : start + BATCH] for start in range(0, len(group), BATCH))

    def compare(self):
        """The largest differences."""
        for batch in self.paths():
            given = {"image": np.stack([image(path) for path in batch])}
            outputs = self.session.run(["score", "map", "reconstruction"], given)
            for path, *own in zip(batch, *outputs):
                self.add(Findings(self.found / path.relative_to(self.images).with_suffix("")), *own)
        return self.worst

    def add(self, theirs, score, heatmap, reconstruction):
        """One image."""
        differs = abs(float(score) - theirs.json["score"])
        apart = float(np.abs(heatmap.astype(np.float64) - theirs.map).max())
        self.largest("score", differs / abs(theirs.json["score"]))
        self.largest("score_absolute", differs)
        self.largest("map", apart / float(np.abs(theirs.map).max()))
        self.largest("map_absolute", apart)
        self.largest("reconstruction", float(np.abs(reconstruction - theirs.reconstruction).max()))
        anomalous = float(score) > self.image_threshold
        mask = heatmap.astype(np.float64) > self.pixel_threshold
        self.worst["images"] += 1
        self.worst["anomalous"] += int(bool(theirs.json["anomalous"]))
        self.worst["verdicts"] += int(anomalous != bool(theirs.json["anomalous"]))
        self.worst["pixels"] += mask.size
        differing = mask != theirs.mask
        self.worst["differing_pixels"] += int(differing.sum())
        # How far a pixel is from the pixel threshold on which the masks differ.
        far = np.abs(theirs.map[differing] - self.pixel_threshold)
        self.largest("mask", float(far.max(initial=0.0)) / float(np.abs(theirs.map).max()))

    def largest(self, key, value):
        """A NaN stays."""
        self.worst[key] = value if np.isnan(value) else max(self.worst[key], value)


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", nargs=3, action="append", required=True, metavar=("ONNX", "FOUND", "IMAGES"))
    parser.add_argument("--limit", type=float, default=1e-5, help="largest relative difference [1e-5]")
    parser.add_argument("--json", action="store_true", help="print JSON, and exit with 0 whatever differs")
    arguments = parser.parse_args()
    reports = [Case(*case).compare() for case in arguments.case]
    if arguments.json:
        print(json.dumps(reports))
        return 0
    for (model, *_), report in zip(arguments.case, reports):
        print(model)
        for key, value in report.items():
            print(f"  {key:<18} {value:.2e}" if isinstance(value, float) else f"  {key:<18} {value}")
    agrees = lambda report: all(report[key] <= arguments.limit for key in ("score", "map", "mask")) and report["verdicts"] == 0
    return int(not all(map(agrees, reports)))


if __name__ == "__main__":
    sys.exit(main())
