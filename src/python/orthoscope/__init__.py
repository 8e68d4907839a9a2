"""Models I and II in PyTorch, for weights that orthoscope trained, and readers for the files it writes.

Run a trained network on a batch of images in [0, 1], height and width divisible by 8 (needs torch, safetensors and numpy):

    from orthoscope import heatmap, load, save
    net, settings = load("runs/bottle/model.safetensors")
    with torch.no_grad():
        f_x = net(x)                                           # x, f_x: [N, 3, H, W]
    maps = heatmap(x, f_x, **settings["detection"])            # [N, H, W]
    save(net, settings, "finetuned.safetensors")               # orthoscope reads it back

Read what `orthoscope detect --out found` and `orthoscope evaluate --out test` wrote (needs numpy):

    for name, verdict, anomaly_map in detections("found"):     # str, dict, float32 [h, w]
        print(name, verdict["score"], verdict["anomalous"], anomaly_map.max())
    print(read_metrics("test")["pixel_auroc"], read_map("found/a_map.npy").shape)

The project's tests run the readers on files of the program. What needs torch is not tested automatically:
`python -m orthoscope.check` compares the network with the program. The program itself is the command `orthoscope`. For all of detection without PyTorch: `orthoscope model export --onnx`.
"""

from importlib import import_module

# Where each name comes from; a module, with what it needs, is imported when one of its names is first used.
_HOMES = {
    **dict.fromkeys(("Autoencoder", "CCM", "DILATIONS", "SDC", "heatmap", "load", "save"), "network"),
    **dict.fromkeys(("detections", "read_map", "read_metrics"), "results"),
}
# The extra of pyproject.toml that lists what a module needs.
_EXTRAS = {"network": "torch", "results": "results"}
__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    try:
        return getattr(import_module(f".{home}", __name__), name)
    except ModuleNotFoundError as error:
        needs = f"{__name__}.{name} needs the package {error.name}; `pip install '.[{_EXTRAS[home]}]'` in the checkout installs it"
        raise ModuleNotFoundError(needs, name=error.name) from None


def __dir__():
    return [*__all__, "__doc__", "__name__"]
