"""Models I and II as PyTorch modules, with the weights that orthoscope trained."""

import json

import torch
import torch.nn.functional as F
from torch import nn

DILATIONS = (1, 2, 4, 8, 16, 32)
ARCHITECTURE, DETECTION = "orthoscope.architecture", "orthoscope.detection"


class SDC(nn.ModuleList):
    """Stacked dilated convolutions: one 3x3 convolution per dilation, concatenated, then ELU."""

    def __init__(self, channels, width, dilations):
        super().__init__(nn.Conv2d(channels, width, 3, padding=d, dilation=d) for d in dilations)

    def forward(self, x):
        return F.elu(torch.cat([conv(x) for conv in self], 1))


class CCM(nn.Module):
    """Convex combination module: every output value lies between the skip s and the upsampled u."""

    def __init__(self, channels):
        super().__init__()
        self.mix = nn.Conv2d(3 * channels, channels, 1)
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, s, u):
        beta = torch.sigmoid(self.gate(F.elu(self.mix(torch.cat([s, u, (s - u) ** 2], 1)))))
        return beta * s + (1 - beta) * u


class Pair(nn.ModuleList):
    """Two 3x3 convolutions, each followed by ELU."""

    def __init__(self, channels, first, second):
        super().__init__([nn.Conv2d(channels, first, 3, padding=1), nn.Conv2d(first, second, 3, padding=1)])

    def forward(self, x):
        return F.elu(self[1](F.elu(self[0](x))))


class Autoencoder(nn.Module):
    """Model I (`model=1`, no skips) or Model II (`model=2`, skips through CCMs) of paper/method.md, section 4.

    Parameter names and shapes are those of orthoscope's weight files. Input and output: [N, 3, H, W] in [0, 1], H and W
    divisible by 8.
    """

    def __init__(self, model=2, width=64, dilations=DILATIONS):
        super().__init__()
        w, branches = width, len(dilations) * width
        self.model = model
        self.e1, self.e2, self.e3 = Pair(3, w, w), Pair(w, 2 * w, 2 * w), Pair(2 * w, 4 * w, 4 * w)
        self.sdc = nn.Sequential(*(SDC(channels, w, dilations) for channels in (4 * w, branches, branches, branches)))
        self.b = nn.Conv2d(branches, 4 * w, 1)
        self.u3, self.u2, self.u1 = (nn.Conv2d(channels, channels, 3, padding=1) for channels in (4 * w, 2 * w, w))
        if model == 2:
            self.ccm3, self.ccm2, self.ccm1 = CCM(4 * w), CCM(2 * w), CCM(w)
        self.d3, self.d2, self.d1 = Pair(4 * w, 2 * w, 2 * w), Pair(2 * w, w, w), Pair(w, w, w)
        self.out = nn.Conv2d(w, 3, 1)

    def forward(self, x):
        s1 = self.e1(x)
        s2 = self.e2(F.max_pool2d(s1, 2))
        s3 = self.e3(F.max_pool2d(s2, 2))
        z = F.elu(self.b(self.sdc(F.max_pool2d(s3, 2))))
        for level, skip in ((3, s3), (2, s2), (1, s1)):
            up = F.interpolate(z, scale_factor=2, mode="bilinear", align_corners=False)
            z = F.elu(getattr(self, f"u{level}")(up))
            if self.model == 2:
                z = getattr(self, f"ccm{level}")(skip, z)
            z = getattr(self, f"d{level}")(z)
        return torch.sigmoid(self.out(z))


def load(path):
    """The network of a weight file, and the file's settings: `detection`, `thresholds`, `preparation` and `provenance`.

    The settings are empty for weights that `orthoscope train` did not write. Needs the package safetensors.
    """
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
        metadata = file.metadata() or {}
    architecture = json.loads(metadata[ARCHITECTURE])["autoencoder"] if ARCHITECTURE in metadata else recognise(weights)
    net = Autoencoder(**architecture)
    net.load_state_dict(weights)
    return net.eval(), json.loads(metadata.get(DETECTION, "{}"))


def recognise(weights):
    """The arguments of `Autoencoder`, from the names and shapes of a state dict."""
    branches = sum(name.startswith("sdc.0.") and name.endswith(".weight") for name in weights)
    model = 2 if "ccm1.mix.weight" in weights else 1
    return {"model": model, "width": weights["e1.0.weight"].shape[0], "dilations": DILATIONS[:branches]}


def save(net, settings, path):
    """Writes a weight file that orthoscope reads, with the settings that `load` returned."""
    from safetensors.torch import save_file

    dilations = [conv.dilation[0] for conv in net.sdc[0]]
    architecture = {"autoencoder": {"model": net.model, "width": net.e1[0].out_channels, "dilations": dilations}}
    metadata = {ARCHITECTURE: json.dumps(architecture)}
    if settings:
        metadata[DETECTION] = json.dumps(settings)
    save_file({name: value.contiguous() for name, value in net.state_dict().items()}, path, metadata)


def heatmap(x, f_x, window=13, repeats=3, residual=None, **_):
    """Squared error, mean over channels, averaged `repeats` times over `window` x `window` pixels: [N, H, W].

    At the border the mean is over the pixels inside the image (paper/method.md, section 6). Other settings of `detection` do not change
    the map of images that are seen as a whole; tiles are not computed here. ValueError if `residual` is not the squared error alone.
    """
    weights = {name: (residual or {}).get(name, 0) for name in ("root", "gradient", "ssim", "chroma")}
    if any(weights.values()) or (residual or {}).get("squared", 1) != 1:
        raise ValueError(f"only the squared error with weight 1 is computed here, and the model has the residual {residual}")
    error = ((x - f_x) ** 2).mean(1, keepdim=True)
    for _ in range(repeats):
        error = F.avg_pool2d(error, window, stride=1, padding=window // 2, count_include_pad=False)
    return error[:, 0]
