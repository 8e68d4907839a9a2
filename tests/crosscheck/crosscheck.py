"""Scores the maps that `orthoscope evaluate --maps` wrote with scikit-learn and adeval, and compares with metrics.json.

    orthoscope evaluate --model M --data ROOT/CATEGORY --out OUT --maps MAPS
    python crosscheck.py --data ROOT/CATEGORY --maps MAPS --metrics OUT/metrics.json

Needs requirements.txt and adeval. The exit code is 1 if a number differs by more than its tolerance.

Images: AUROC and AP from the scores in metrics.json, which were computed at working resolution. The saved maps have the size of the
images, where the same scores can rank differently; that difference is shown and not judged unless --same-size is given.
Pixels: AUROC and AP over all pixels of the saved maps, so `evaluate` must have run at native resolution.
AU-PRO: adeval.au_pro, which is the code of MVTec. It takes K thresholds at equal distances in the ranking of the normal pixels, where
orthoscope takes every distinct value. Both curves are monotone and adeval's points lie on orthoscope's, so the trapezoids differ by at most
half a step of the false-positive rate times the rise of the curve: 1/(2 K) before the division by 0.3. Normal pixels of equal value are
counted one by one by adeval, together by orthoscope; the largest group of equal values, as a share of the normal pixels, is added.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import tifffile
from adeval.au_pro import calculate_au_pro
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

LIMIT = 0.3
ROUNDING = 1e-9  # sums of f64 in another order


def mask_of(data, kind, name, shape):
    """The ground truth of an image: True where the mask exceeds half of white."""
    if kind == "good":
        return np.zeros(shape, bool)
    folder = data / "ground_truth" / kind
    found = [path for stem in (f"{name}_mask", name) for path in folder.glob(f"{stem}.*")]
    if not found:
        sys.exit(f"{folder}: there is no mask of {name}")
    mask = np.asarray(Image.open(found[0]).convert("L")) > 127
    if mask.shape != shape:
        sys.exit(f"{found[0]}: the mask has {mask.shape} pixels, the map {shape}")
    return mask


def read(data, maps, images):
    """Maps and masks in the order of metrics.json."""
    found = []
    for image in images:
        name = Path(image["path"]).stem
        path = maps / data.resolve().name / "test" / image["kind"] / f"{name}.tiff"
        values = tifffile.imread(path)
        if values.dtype != np.float32 or values.ndim != 2:
            sys.exit(f"{path}: must be float32 [h, w], got {values.dtype} {values.shape}")
        if found and values.shape != found[0][0].shape:
            sys.exit(f"{path}: has {values.shape} pixels, the first map {found[0][0].shape}; adeval needs maps of one size")
        found.append((values, mask_of(data, image["kind"], name, values.shape)))
    return [values for values, _ in found], [mask for _, mask in found]


def largest_tie(values):
    """The largest number of equal values, as a share of all."""
    values = np.sort(values)
    starts = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1], [True]]))
    return np.diff(starts).max() / len(values)


class Comparison:
    """Prints one line per number and remembers whether one differs."""

    def __init__(self):
        self.failed = False

    def judge(self, name, ours, theirs, tolerance):
        agrees = abs(ours - theirs) <= tolerance
        self.failed |= not agrees
        verdict = "agrees" if agrees else "DIFFERS"
        print(f"{name:28} {ours:.12f} {theirs:.12f}  {abs(ours - theirs):.1e}  {tolerance:.1e}  {verdict}")

    def show(self, name, ours, theirs):
        print(f"{name:28} {ours:.12f} {theirs:.12f}  {abs(ours - theirs):.1e}        -  not judged")


def compare_images(lines, metrics, maps, same_size):
    labels = [image["kind"] != "good" for image in metrics["images"]]
    reduced = {"max": np.max, "sum": lambda values: values.sum(dtype=np.float64)}
    for score, reduce in reduced.items():
        ours = metrics[f"image_auroc_{score}"]
        scores = [image[f"score_{score}"] for image in metrics["images"]]
        lines.judge(f"image AUROC ({score})", ours, roc_auc_score(labels, scores), ROUNDING)
        if ours == metrics["image_auroc"] and f"image score {'maximum' if score == 'max' else score}" in metrics["protocol"]:
            lines.judge(f"image AP ({score})", metrics["image_ap"], average_precision_score(labels, scores), ROUNDING)
        of_maps = roc_auc_score(labels, [float(reduce(values)) for values in maps])
        if same_size:
            lines.judge(f"image AUROC ({score}, maps)", ours, of_maps, ROUNDING)
        else:
            lines.show(f"image AUROC ({score}, maps)", ours, of_maps)


def compare_pixels(lines, metrics, maps, masks, count):
    values = np.concatenate([own.ravel() for own in maps])
    labels = np.concatenate([own.ravel() for own in masks])
    lines.judge("pixel AUROC", metrics["pixel_auroc"], roc_auc_score(labels, values), ROUNDING)
    lines.judge("pixel AP", metrics["pixel_ap"], average_precision_score(labels, values), ROUNDING)
    normal = values[~labels]
    count = min(count, len(normal))
    area, _ = calculate_au_pro([own.astype(np.uint8) for own in masks], maps, LIMIT, count)
    tolerance = (0.5 / (count - 1) + 1 / len(normal) + largest_tie(normal)) / LIMIT
    lines.judge(f"AU-PRO ({count} thresholds)", metrics["au_pro"], area, tolerance)
    coarse, _ = calculate_au_pro([own.astype(np.uint8) for own in masks], maps, LIMIT, 200)
    lines.show("AU-PRO (200 thresholds)", metrics["au_pro"], coarse)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="ROOT/CATEGORY")
    parser.add_argument("--maps", type=Path, required=True, help="folder given to evaluate --maps")
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.json of the same evaluation")
    parser.add_argument("--thresholds", type=int, default=20000, help="thresholds of adeval [20000]")
    parser.add_argument("--same-size", action="store_true", help="the images have the working resolution: judge scores of the maps too")
    arguments = parser.parse_args()
    metrics = json.loads(arguments.metrics.read_text())
    if "at native resolution" not in metrics["protocol"]:
        sys.exit(f"{arguments.metrics}: must come from an evaluation at native resolution")
    maps, masks = read(arguments.data, arguments.maps, metrics["images"])
    print(metrics["protocol"])
    print(f"{'':28} {'orthoscope':14} {'other':14}  {'apart':7}  {'allowed':7}")
    lines = Comparison()
    compare_images(lines, metrics, maps, arguments.same_size)
    compare_pixels(lines, metrics, maps, masks, arguments.thresholds)
    sys.exit(1 if lines.failed else 0)


if __name__ == "__main__":
    main()
