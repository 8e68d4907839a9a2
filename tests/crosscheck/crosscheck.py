"""Scores saved anomaly maps with scikit-learn and adeval, and compares the results with those of orthoscope.

    orthoscope evaluate --model M --data ROOT/CATEGORY --out OUT --maps MAPS
    orthoscope metrics --data ROOT/CATEGORY --maps MAPS/CATEGORY/test --json > saved.json
    python crosscheck.py --data ROOT/CATEGORY --maps MAPS --metrics OUT/metrics.json --saved saved.json

It reads the TIFF files as MVTec's evaluation code does, and nothing of orthoscope but the three outputs above. Exit code 1 if a value that
must agree does not. README.md explains the values that differ.
"""

import argparse
import json
import re
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tifffile
from adeval import auroc_aupr_aupro
from adeval.au_pro import calculate_au_pro
from PIL import Image
from scipy.ndimage import label
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

LIMIT = 0.3
# Sums of millions of f64 terms in another order differ by less than this.
ROUNDING = 1e-9
BINS = (1000, 10_000, 100_000)
RANKS = (100, 1000)


class Report:
    """Rows of two values, and whether all that must agree do."""

    def __init__(self):
        self.failed = 0

    def row(self, name, ours, theirs, tolerance=None):
        difference = theirs - ours
        verdict = "differs by definition"
        if tolerance is not None:
            agrees = abs(difference) <= tolerance
            self.failed += not agrees
            verdict = f"within {tolerance:.1e}" if agrees else f"FAILS: may differ by {tolerance:.1e}"
        print(f"{name:<58} {ours:.9f}  {theirs:.9f}  {difference:+.1e}  {verdict}")

    def check(self, name, agrees):
        self.failed += not agrees
        print(f"{name:<58} {'yes' if agrees else 'NO'}")


def files(category):
    """(kind, file) of every test image, in the order of orthoscope's `images`."""
    kinds = sorted(folder for folder in (category / "test").iterdir() if folder.is_dir())
    return [(kind.name, path) for kind in kinds for path in sorted(kind.iterdir()) if path.suffix.lower() in (".png", ".jpg", ".jpeg")]


def mask_of(category, kind, path, shape):
    if kind == "good":
        return np.zeros(shape, bool)
    # An image may have several masks, NAME_mask.png, NAME_mask_1.png and so on, which are united.
    name = re.compile(re.escape(path.stem) + r"(_mask(_\d+)?)?\.(png|jpe?g)", re.IGNORECASE)
    found = [own for own in (category / "ground_truth" / kind).iterdir() if name.fullmatch(own.name)]
    return np.any([np.asarray(Image.open(own).convert("L")) > 127 for own in found], axis=0)


class Curves:
    """The ROC and PRO curves of the pixels: sorted scores of normal pixels, and of anomalous ones with the weights 1 and 1 / (area of the
    region), each divided by its sum."""

    def __init__(self, masks, maps):
        normal, anomalous, weights = [], [], []
        for mask, values in zip(masks, maps):
            labelled, count = label(mask, np.ones((3, 3)))
            area = np.bincount(labelled.ravel(), minlength=count + 1)
            normal.append(values[~mask])
            anomalous.append(values[mask])
            weights.append(1 / area[labelled[mask]])
        self.normal = np.sort(np.concatenate(normal))
        anomalous, weights = np.concatenate(anomalous), np.concatenate(weights)
        order = np.argsort(anomalous, kind="stable")
        self.anomalous = anomalous[order]
        # Sums of the weights below each rank, so that a share above a threshold is one look-up.
        self.below = np.concatenate([[0], np.cumsum(weights[order])]) / weights.sum()

    def points(self, thresholds, side="left"):
        """FPR, TPR and PRO: the shares at or above each threshold, or with side="right" above it."""
        rank = np.searchsorted(self.anomalous, thresholds, side)
        fpr = 1 - np.searchsorted(self.normal, thresholds, side) / len(self.normal)
        return fpr, 1 - rank / len(self.anomalous), 1 - self.below[rank]

    def au_pro(self):
        """With every distinct score as a threshold, cut at LIMIT by interpolation."""
        fpr, _, pro = self.points(np.unique(np.concatenate([self.normal, self.anomalous]))[::-1])
        fpr, pro = np.append(0, fpr), np.append(0, pro)
        inside = fpr < LIMIT
        return np.trapezoid(np.append(pro[inside], np.interp(LIMIT, fpr, pro)), np.append(fpr[inside], LIMIT)) / LIMIT

    def au_pro_linear(self, count):
        """The common approximation: equidistant thresholds, the curve cut at the last point below LIMIT and stretched to it."""
        ends = [self.normal[[0, -1]], self.anomalous[[0, -1]]]
        thresholds = np.linspace(float(np.min(ends)), float(np.max(ends)), count)
        fpr, _, pro = (values[::-1] for values in self.points(thresholds, "right"))
        inside = fpr <= LIMIT
        return np.trapezoid(pro[inside], fpr[inside]) / fpr[inside].max()

    def edges(self, bins):
        """The thresholds of adeval's bins, in f32 as there."""
        low, high = (float(end(self.normal[at], self.anomalous[at])) for end, at in ((min, 0), (max, -1)))
        return np.linspace(0, 1, bins + 1, dtype=np.float32) * (high - low) + low

    def ranks(self, count):
        """The scores of equidistant ranks of normal pixels."""
        return self.normal[np.linspace(0, len(self.normal) - 1, count, dtype=int)]

    def bounds(self, thresholds):
        """By how much AUROC and AU-PRO can differ if the curves are known at these thresholds only. Both curves rise, so between two points
        they stay inside a box with these corners, and the straight line through it is off by at most half its area."""
        fpr, tpr, pro = (np.concatenate([[1], values, [0]]) for values in self.points(thresholds))
        width, left = -np.diff(fpr), fpr[1:]
        area = lambda curve, within: float((width * -np.diff(curve))[within].sum()) / 2 + ROUNDING
        return area(tpr, left >= 0), area(pro, left < LIMIT) / LIMIT


def ranking(labels, scores):
    precision, recall, _ = precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return {"auroc": roc_auc_score(labels, scores), "ap": average_precision_score(labels, scores), "f1_max": f1.max()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "maps", "metrics", "saved"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    arguments = parser.parse_args()
    ours, saved = (json.loads(path.read_text()) for path in (arguments.metrics, arguments.saved))
    folder = arguments.maps / arguments.data.resolve().name / "test"
    tests = files(arguments.data)
    report = Report()

    libraries = ("numpy", "scikit-learn", "adeval", "tifffile")
    print(", ".join(f"{name} {version(name)}" for name in libraries))
    print(f"orthoscope: {ours['protocol']}\n")

    maps = [tifffile.imread(folder / kind / f"{path.stem}.tiff") for kind, path in tests]
    copies = [np.load(folder / kind / f"{path.stem}.npy") for kind, path in tests]
    masks = [mask_of(arguments.data, kind, path, values.shape) for (kind, path), values in zip(tests, maps)]
    report.check("every .tiff is f32 and has the bits of its .npy", all(
        a.dtype == np.float32 and a.shape == b.shape and a.tobytes() == b.tobytes() for a, b in zip(maps, copies)))
    report.check("every map has the size of its image and mask", all(
        values.shape == mask.shape == Image.open(path).size[::-1] for (_, path), values, mask in zip(tests, maps, masks)))
    report.check("the images are those of metrics.json, in this order", [image["path"] for image in ours["images"]] == [
        f"{kind}/{path.name}" for kind, path in tests])
    pixel_keys = ["pixel_auroc", "pixel_ap", "pixel_f1_max", "au_pro", "au_pro_200"]
    report.check("`metrics` on the saved maps gives the pixel metrics of `evaluate`", all(ours[key] == saved[key] for key in pixel_keys))

    pixels, truth = np.concatenate([v.ravel() for v in maps]), np.concatenate([m.ravel() for m in masks])
    shared = np.intersect1d(pixels[truth], pixels[~truth])
    print(f"\n{len(tests)} images, {len(pixels)} pixels, {truth.sum()} anomalous; {len(np.unique(pixels))} distinct scores, "
          f"{len(shared)} of them in both classes\n")
    print(f"{'':<58} {'orthoscope':<11}  {'other':<11}  difference")

    labels = [kind != "good" for kind, _ in tests]
    for name in ("max", "sum"):
        scores = [image[f"score_{name}"] for image in ours["images"]]
        report.row(f"image AUROC ({name}), scikit-learn", ours[f"image_auroc_{name}"], ranking(labels, scores)["auroc"], ROUNDING)
        if ours["image_auroc"] == ours[f"image_auroc_{name}"] and f"image score {'maximum' if name == 'max' else 'sum'}" in ours["protocol"]:
            report.row("image AP, scikit-learn", ours["image_ap"], ranking(labels, scores)["ap"], ROUNDING)
            report.row("image F1-max, scikit-learn", ours["image_f1_max"], ranking(labels, scores)["f1_max"], ROUNDING)
    for name, score in (("max", np.max), ("sum", lambda values: values.sum(dtype=np.float64))):
        native = roc_auc_score(labels, [score(values) for values in maps])
        report.row(f"image AUROC ({name}) of the saved maps, scikit-learn", saved[f"image_auroc_{name}"], native, ROUNDING)
        report.row("... and of the heatmaps at working resolution", ours[f"image_auroc_{name}"], native)
    of_pixels = ranking(truth, pixels)
    curves = Curves(masks, maps)
    for name, key in (("AUROC", "auroc"), ("AP", "ap"), ("F1-max", "f1_max")):
        report.row(f"pixel {name}, scikit-learn", ours[f"pixel_{key}"], of_pixels[key], ROUNDING)
    report.row("AU-PRO, every distinct score, from the definition", ours["au_pro"], curves.au_pro(), ROUNDING)
    report.row("AU-PRO, 200 linear thresholds, from the definition", ours["au_pro_200"], curves.au_pro_linear(200), ROUNDING)

    regions = [mask.astype(np.uint8) for mask in masks]
    for bins in BINS:
        auroc, area, au_pro = auroc_aupr_aupro(maps, regions, nstrips=bins)
        bound, bound_pro = curves.bounds(curves.edges(bins))
        report.row(f"pixel AUROC, adeval, {bins} bins", ours["pixel_auroc"], auroc, bound)
        report.row(f"AU-PRO, adeval, {bins} bins", ours["au_pro"], au_pro, bound_pro)
        report.row(f"pixel AP, adeval (trapezoids), {bins} bins", ours["pixel_ap"], area)
    if len({values.shape for values in maps}) == 1:
        for count in RANKS:
            au_pro, _ = calculate_au_pro(regions, maps, num_thresholds=count)
            report.row(f"AU-PRO, adeval, {count} ranks of normal pixels", ours["au_pro"], au_pro, curves.bounds(curves.ranks(count))[1])
    else:
        print("AU-PRO, adeval by ranks of normal pixels: needs images of one size, these have several")

    print(f"\n{report.failed} values that must agree do not" if report.failed else "\neverything that must agree does")
    return int(report.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
