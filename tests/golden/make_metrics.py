"""Golden numbers for the metrics: python make_metrics.py > metrics.json

AUROC, AP and F1-max are scikit-learn's. AU-PRO is written out below from its definition, with SciPy's components and
without any sorting trick; AU-PRO-200 is the form in common use, with scikit-learn's `auc`. Resized planes are PyTorch's.
All inputs are exact in float32. Made with Python 3.11, NumPy 2.4, SciPy 1.17, scikit-learn 1.9, PyTorch 2.15.
"""

import json

import numpy as np
import torch
from scipy.ndimage import label
from sklearn.metrics import auc, average_precision_score, precision_recall_curve, roc_auc_score

LIMIT = 0.3


def ranking_metrics(labels, scores):
    precision, recall, thresholds = precision_recall_curve(labels, scores)
    f1 = (2 * precision * recall / np.maximum(precision + recall, 1e-300))[:-1]
    # Of several best thresholds the highest; equal fractions may differ in the last bit.
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)[-1]
    return {
        "auroc": float(roc_auc_score(labels, scores)),
        "ap": float(average_precision_score(labels, scores)),
        "f1_max": float(f1.max()),
        "f1_threshold": float(thresholds[best]),
    }


def regions(masks):
    for index, mask in enumerate(masks):
        labelled, count = label(mask, structure=np.ones((3, 3)))
        for number in range(1, count + 1):
            yield index, labelled == number


def pro_and_fpr(masks, marked):
    pro = np.mean([marked[index][region].mean() for index, region in regions(masks)])
    return pro, marked[~masks].mean()


def au_pro(masks, maps):
    points = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        pro, fpr = pro_and_fpr(masks, maps >= threshold)
        points.append((fpr, pro))
    area = 0.0
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x0 >= LIMIT or x1 == x0:
            continue
        end = min(x1, LIMIT)
        area += (end - x0) * (y0 + (y0 + (y1 - y0) * (end - x0) / (x1 - x0))) / 2
    return float(area / LIMIT)


def au_pro_200(masks, maps):
    maps = maps.astype(np.float64)
    points = [pro_and_fpr(masks, maps > threshold) for threshold in np.linspace(maps.min(), maps.max(), 200)]
    pro, fpr = np.array([point for point in points if point[1] <= LIMIT]).T
    return float(auc(fpr / fpr.max(), pro))


def image_case(name, rng, count, scores):
    labels = rng.random(count) < 0.4
    labels[:2] = [True, False]
    values = scores(rng, count) + 0.5 * labels
    values = values.astype(np.float32).astype(np.float64)
    return {"name": name, "labels": labels.tolist(), "scores": values.tolist(), **ranking_metrics(labels, values)}


def pixel_case(name, rng, shape, scores):
    masks = rng.random(shape) < 0.2
    masks[0] = False
    maps = (scores(rng, shape) * (1 + masks)).astype(np.float32)
    return {
        "name": name,
        "shape": shape,
        "masks": masks.astype(int).ravel().tolist(),
        "maps": maps.astype(np.float64).ravel().tolist(),
        **ranking_metrics(masks.ravel(), maps.ravel()),
        "au_pro": au_pro(masks, maps),
        "au_pro_200": au_pro_200(masks, maps),
    }


def resize_case(rng, size, target):
    plane = rng.random(size).astype(np.float32)
    tensor = torch.from_numpy(plane)[None, None]
    bilinear = torch.nn.functional.interpolate(tensor, target, mode="bilinear", align_corners=False)
    nearest = torch.nn.functional.interpolate(tensor, target, mode="nearest-exact")
    return {
        "from": size,
        "to": target,
        "values": plane.ravel().tolist(),
        "bilinear": bilinear.ravel().tolist(),
        "nearest": nearest.ravel().tolist(),
    }


def tied(rng, shape):
    return rng.integers(1, 7, shape) / 4


def smooth(rng, shape):
    return rng.random(shape)


def heavy_tailed(rng, shape):
    return np.exp(1.5 * rng.standard_normal(shape))


def main():
    rng = np.random.default_rng(2206)
    kinds = {"tied": tied, "smooth": smooth, "heavy_tailed": heavy_tailed}
    sizes = [((5, 7), (3, 4)), ((3, 4), (5, 9)), ((1, 6), (4, 2)), ((7, 1), (3, 3)), ((4, 6), (4, 3))]
    golden = {
        "images": [image_case(name, rng, 37, scores) for name, scores in kinds.items()],
        "pixels": [pixel_case(name, rng, (4, 9, 11), scores) for name, scores in kinds.items()],
        "resize": [resize_case(rng, size, target) for size, target in sizes],
    }
    groups = [f' "{key}": [\n  ' + ",\n  ".join(map(json.dumps, cases)) + "\n ]" for key, cases in golden.items()]
    print("{\n" + ",\n".join(groups) + "\n}")


main()
