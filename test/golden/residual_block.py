"""Makes the golden of test/residual-block.ts: a residual block of a ResNet with its gradients, by PyTorch in float64.

    python test/golden/residual_block.py        # writes test/golden/models/residual-block.json
"""

import json
import math

import torch
import torch.nn.functional as F

from make import HERE, tensor_of

SHAPES = {
    "x": [2, 6, 9, 10],
    "weight1": [8, 6, 3, 3],
    "scale1": [8],
    "shift1": [8],
    "weight2": [8, 8, 3, 3],
    "bias2": [8],
    "scale2": [8],
    "shift2": [8],
    "shortcut": [8, 6, 1, 1],
}


def main():
    values = {name: tensor_of(f"residualBlock/{name}/0", {"shape": shape, "dtype": "float32", "fill": "unit"}) for name, shape in SHAPES.items()}
    for value in values.values():
        value.requires_grad_()
    v = values
    norm = lambda x, scale, shift: F.batch_norm(x, None, None, scale, shift, training=True)
    inner = F.relu(norm(F.conv2d(v["x"], v["weight1"], stride=2, padding=1), v["scale1"], v["shift1"]))
    branch = norm(F.conv2d(inner, v["weight2"], v["bias2"], padding=1), v["scale2"], v["shift2"])
    out = F.relu(branch + F.conv2d(v["x"], v["shortcut"], stride=2))
    incoming = tensor_of("residualBlock/dout/0", {"shape": list(out.shape), "dtype": "float32", "fill": "normal"})
    grads = torch.autograd.grad(out, list(values.values()), incoming)
    written = lambda tensor: [float(f"{number:.9g}") for number in tensor.detach().flatten().tolist()]
    golden = {"inputs": SHAPES, "out": written(out), "grads": {name: written(grad) for name, grad in zip(values, grads)}}
    assert all(math.isfinite(number) for number in golden["out"])
    (HERE / "models" / "residual-block.json").write_text(json.dumps(golden, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
