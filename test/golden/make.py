"""Makes the goldens: what NumPy and PyTorch give for every sample of ops.yaml.

    pip install numpy torch
    npm run build
    python test/golden/make.py            # writes test/golden/*.json

Samples come from ops.yaml (node dist/test/support/dump-samples.js); their elements from the generator that
test/support/samples.ts describes, which stands here a second time. No oracle is made of the op's own definition: each is a
library's function, or a loop written from the operation's published description. Oracles compute in float64 from the
sample's float32 elements. Gradients are PyTorch's, for the incoming gradients that incomingGradient of samples.ts makes.

A golden is one line: the op, the sample's place, the outputs in their order, and the gradients by input. Values have nine
significant digits; NaN and infinities are text. Random ops have goldens only where nothing is random about them.
"""

import json
import math
import pathlib
import subprocess
import sys

import numpy as np
import scipy.special
import torch
import torch.nn.functional as F

from tensor_functions import LINEAR, NUMBERS, PIECES, SPACES, STATISTICS

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
FLOATING = {"float16": 65504.0, "bfloat16": 3.38953139e38, "float32": 3.40282347e38, "float64": math.inf}
COMPLEX = {"complex64": "float32", "complex128": "float64"}
RANGES = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**53) + 1, 2**53 - 1),
}


# ---- The elements of samples (test/support/samples.ts) ----------------------------------------------------------------------


def uniforms(text):
    state = 0x811C9DC5
    for byte in text.encode():
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    while True:
        state = (state + 0x9E3779B9) & 0xFFFFFFFF
        word = ((state ^ (state >> 16)) * 0x85EBCA6B) & 0xFFFFFFFF
        word = ((word ^ (word >> 13)) * 0xC2B2AE35) & 0xFFFFFFFF
        yield ((word ^ (word >> 16)) // 256 + 0.5) / 2**24


def normal(uniform):
    return sum((next(uniform) for _ in range(12)), -6.0)


FILLS = {
    "normal": normal,
    "positive": lambda uniform: 0.5 + 1.5 * next(uniform),
    "unit": lambda uniform: 2 * next(uniform) - 1,
    "integers": lambda uniform: math.floor(next(uniform) * 9) - 4,
    "large": lambda uniform: 1000 * normal(uniform),
}
GREATEST = float(np.finfo(np.float32).max)
SPECIALS = [0.0, -0.0, math.inf, -math.inf, math.nan, -GREATEST, GREATEST, 2.0**-126]
SPECIAL_PERIOD = 12


def element(uniform, place, dtype, fill):
    place %= SPECIAL_PERIOD
    if dtype == "bool":
        return next(uniform) < 0.5
    if dtype not in FLOATING and dtype not in COMPLEX:
        small = math.floor(next(uniform) * 9) - (0 if dtype == "uint8" else 4)
        ends = [0, *RANGES[dtype]]
        return ends[place] if fill == "special" and place < len(ends) else small
    if fill != "special":
        return float(np.float32(FILLS[fill](uniform)))
    return SPECIALS[place] if place < len(SPECIALS) else float(np.float32(normal(uniform)))


def tensor_of(text, data):
    """A sample's input as a tensor, in float64, complex128, int64 or bool; a number as it is."""
    if isinstance(data, (int, float)):
        return data
    if isinstance(data, list):
        return [tensor_of(f"{text}/{place}", item) for place, item in enumerate(data)]
    dtype = data["dtype"]
    values = data.get("values")
    shape = data["shape"] + [2] * (dtype in COMPLEX)
    if values is None:
        uniform = uniforms(text)
        values = [element(uniform, place, dtype, data["fill"]) for place in range(math.prod(shape))]
    kind = torch.bool if dtype == "bool" else torch.float64 if dtype in FLOATING or dtype in COMPLEX else torch.int64
    if kind == torch.float64:
        values = np.asarray(values, np.float32).astype(np.float64)
    tensor = torch.tensor(np.asarray(values), dtype=kind).reshape(shape)
    tensor = torch.view_as_complex(tensor) if dtype in COMPLEX else tensor
    # What an oracle asks for that depends on the width of integers.
    tensor.declared = dtype
    return tensor


# ---- Helpers of the oracles --------------------------------------------------------------------------------------------------

DTYPES = {
    "bool": torch.bool, "uint8": torch.uint8, "int8": torch.int8, "int16": torch.int16, "int32": torch.int32,
    "int64": torch.int64, "float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32,
    "float64": torch.float64, "complex64": torch.complex64, "complex128": torch.complex128,
}  # fmt: skip


def listed(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def per_axis(value, axes):
    return [value] * axes if isinstance(value, int) else value


def axes_of(x, axis):
    return tuple(range(x.dim())) if axis is None else tuple(a % x.dim() for a in listed(axis))


def reduce_by(function):
    """A reduction that takes a tuple of axes."""
    return lambda x, axis, keepdim: function(x, axes_of(x, axis), keepdim) if x.dim() > 0 else function(x.reshape(1), (0,), False)


def one_by_one(function):
    """A reduction that takes one axis at a time."""

    def run(x, axis, keepdim):
        if x.dim() == 0:
            return function(x.reshape(1), 0, False)
        for a in sorted(axes_of(x, axis), reverse=True):
            x = function(x, a, keepdim)
        return x

    return run


def place_of_extremum(function):
    def run(x, axis, keepdim, dtype):
        result = function(x.numpy(), axis=axis)
        if not keepdim:
            return torch.tensor(np.asarray(result))
        return torch.tensor(np.asarray(result)).reshape([1] * x.dim()) if axis is None else torch.tensor(np.expand_dims(result, axis))

    return run


def amounts(padding, sizes, kernel, stride, dilation):
    """Before and after each axis; 'same' as TensorFlow defines it."""
    if padding == "valid":
        return [0, 0] * len(sizes)
    if padding == "same":
        ends = []
        for n, k, s, d in zip(sizes, kernel, stride, dilation):
            total = max(0, (math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n)
            ends += [total // 2, total - total // 2]
        return ends
    axes = len(sizes)
    padding = listed(padding)
    if len(padding) == 1 and axes > 1:
        return padding * 2 * axes
    return [end for p in padding for end in (p, p)] if len(padding) == axes else padding


def transposed_convolution(function, axes):
    def transposed(x, weight, bias, stride, padding, outputPadding, dilation, groups):
        if isinstance(padding, list) and len(padding) == 2 * axes:
            raise NotImplementedError("PyTorch pads both sides alike")
        return function(x, weight, bias, stride, padding, outputPadding, groups, dilation)

    return transposed


def convolution(function, axes):
    def convolve(x, weight, bias, stride, padding, dilation, groups):
        stride, dilation = per_axis(stride, axes), per_axis(dilation, axes)
        ends = amounts(padding, x.shape[2:], weight.shape[2:], stride, dilation)
        last_first = [ends[2 * axis + side] for axis in reversed(range(axes)) for side in (0, 1)]
        return function(F.pad(x, last_first), weight, bias, stride, 0, dilation, groups)

    return convolve


def avg_pool2d(x, kernelSize, stride, padding, ceilMode, exclusive, divisorOverride):
    return F.avg_pool2d(x, kernelSize, stride, padding, ceilMode, not exclusive, divisorOverride)


def cut(x, axes, starts, ends, steps):
    for place, axis in enumerate(axes):
        step = 1 if steps is None else steps[place]
        chosen = np.arange(x.shape[axis])[slice(starts[place], ends[place], step)]
        x = torch.index_select(x, axis, torch.tensor(chosen.copy()))
    return x


def pad(x, padding, value):
    pairs = [padding[2 * axis : 2 * axis + 2] for axis in range(x.dim())]
    return F.pad(x, [amount for ends in reversed(pairs) for amount in ends], value=value) if pairs else x


def coordinates(index):
    return tuple(index.unbind(-1))


def scatter(x, index, updates, overwrite):
    if overwrite:
        return x.index_copy(0, index % len(x), updates)
    return x.index_fill(0, index, 0).index_add(0, index, updates)


def embedding(index, weight, paddingIndex):
    rows = weight[index]
    return rows if paddingIndex is None else rows * (index != paddingIndex % len(weight))[..., None]


def unique(x):
    return [torch.tensor(np.asarray(part)).reshape(-1) for part in np.unique(x.numpy(), True, True, True)]


def bilinear(plane, y, x):
    """As He et al. sample: nothing beyond one pixel outside, the edge's value up to there."""
    h, w = plane.shape
    if y < -1 or y > h or x < -1 or x > w:
        return plane.new_zeros(())
    y, x = min(max(y, 0), h - 1), min(max(x, 0), w - 1)
    result = plane.new_zeros(())
    for row in range(h):
        for column in range(w):
            weight = max(0, 1 - abs(y - row)) * max(0, 1 - abs(x - column))
            if weight > 0:
                result = result + plane[row, column] * weight
    return result


def roi_align(x, rois, image, pooledHeight, pooledWidth, spatialScale, samplingRatio, aligned):
    regions = []
    for roi, number in zip(rois.tolist(), image.tolist()):
        x1, y1, x2, y2 = (c * spatialScale - (0.5 if aligned else 0) for c in roi)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        bin_width, bin_height = width / pooledWidth, height / pooledHeight
        rows = samplingRatio if samplingRatio > 0 else math.ceil(bin_height)
        columns = samplingRatio if samplingRatio > 0 else math.ceil(bin_width)
        for plane in x[number]:
            for i in range(pooledHeight):
                for j in range(pooledWidth):
                    samples = [
                        bilinear(plane, y1 + bin_height * (i + (a + 0.5) / rows), x1 + bin_width * (j + (b + 0.5) / columns))
                        for a in range(rows)
                        for b in range(columns)
                    ]
                    regions.append(torch.stack(samples).mean())
    return torch.stack(regions).reshape(len(rois), x.shape[1], pooledHeight, pooledWidth)


def dropout(x, p, axis, training, mode):
    if training and p not in (0, 1):
        return None
    kept = x * (0 if training and p == 1 else 1)
    return kept * (1 - p) if mode == "downscale_in_infer" and not training else kept


def batch_norm(x, runningMean, runningVariance, weight, bias, training, momentum, epsilon):
    out = F.batch_norm(x, runningMean.clone(), runningVariance.clone(), weight, bias, training, 0.0, epsilon)
    if not training:
        return out, runningMean, runningVariance
    batch = np.moveaxis(x.detach().numpy(), 1, 0).reshape(x.shape[1], -1)
    mean, variance = torch.tensor(batch.mean(1)), torch.tensor(batch.var(1))
    return out, runningMean * momentum + mean * (1 - momentum), runningVariance * momentum + variance * (1 - momentum)


def layer_norm(x, weight, bias, normalizedShape, epsilon):
    return F.layer_norm(x, listed(normalizedShape), weight, bias, epsilon)


def optimizer_step(make, parameters, gradients, state):
    """The parameters, and each part of the state, after one step of an optimizer of PyTorch: lists as those given."""
    tensors = [torch.nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    optimizer = make(tensors)
    for place, (tensor, gradient) in enumerate(zip(tensors, gradients)):
        optimizer.state[tensor] = {name: values[place].clone() for name, values in state.items()}
        tensor.grad = gradient.detach().clone()
    optimizer.step()
    left = [[optimizer.state[tensor][name] for tensor in tensors] for name in state if name != "step"]
    return [[tensor.detach() for tensor in tensors], *left]


def sgd_update(parameters, gradients, learningRate, weightDecay):
    return optimizer_step(lambda ps: torch.optim.SGD(ps, learningRate, weight_decay=weightDecay), parameters, gradients, {})


def momentum_update(parameters, gradients, velocities, learningRate, momentum, weightDecay, nesterov):
    make = lambda ps: torch.optim.SGD(ps, learningRate, momentum, weight_decay=weightDecay, nesterov=nesterov)
    return optimizer_step(make, parameters, gradients, {"momentum_buffer": velocities})


def adam_update(optimizer):
    def run(parameters, gradients, moments1, moments2, learningRate, correction1, correction2, beta1, beta2, epsilon, weightDecay):
        step = round(math.log(1 - correction1) / math.log(beta1))
        make = lambda ps: optimizer(ps, learningRate, (beta1, beta2), epsilon, weightDecay)
        steps = [torch.tensor(step - 1.0) for _ in parameters]
        return optimizer_step(make, parameters, gradients, {"step": steps, "exp_avg": moments1, "exp_avg_sq": moments2})

    return run


def clip_by_norm(x, maxNorm):
    size = math.sqrt(sum(value * value for value in x.detach().reshape(-1).tolist()))
    # The factor stands in the gradient's way only where it is not 1.
    return x * 1.0 if size <= maxNorm else x * (maxNorm / torch.linalg.vector_norm(x))


def median(x, axis, keepdim):
    x = x if x.dtype == torch.float64 else x.double()
    if axis is not None:
        return torch.quantile(x, 0.5, axis, keepdim, interpolation="midpoint")
    middle = torch.quantile(x.reshape(-1), 0.5, interpolation="midpoint")
    return middle.reshape([1] * x.dim()) if keepdim else middle


def histogram(x, bins, min, max):
    if x.numel() == 0:
        return torch.zeros(bins, dtype=torch.int64)
    low, high = (x.min().item(), x.max().item()) if min == 0 == max else (min, max)
    return torch.tensor(np.histogram(x.numpy(), bins, (low - 1, high + 1) if low == high else (low, high))[0])


def cube_root(x):
    """NumPy's where nothing asks for a gradient."""
    return torch.sign(x) * torch.abs(x) ** (1 / 3) if x.requires_grad else torch.tensor(np.cbrt(x.numpy()))


def along(function):
    """A function of one axis; of the flattened tensor where there is none."""
    return lambda x, axis, **rest: function(x.reshape(-1) if axis is None else x, axis or 0, **rest)


def flattened(function):
    """A reduction along one axis, or of all elements."""

    def run(x, axis, keepdim, **rest):
        if axis is not None:
            return function(x, axis, keepdim, **rest)
        result = function(x.reshape(-1), 0, False, **rest)
        return result.reshape([*result.shape, *([1] * x.dim())]) if keepdim else result

    return run


def quantile(x, axis, keepdim, q, interpolation):
    q = torch.tensor(q, dtype=x.dtype) if isinstance(q, list) else q
    return torch.quantile(x, q, axis, keepdim, interpolation=interpolation)


def mode(x, axis, keepdim):
    values = torch.mode(x, axis, True).values
    # PyTorch says nothing about which place it gives.
    places = torch.where(x == values, torch.arange(x.shape[axis]).reshape([-1 if a == axis % x.dim() else 1 for a in range(x.dim())]), -1)
    index = places.max(axis, True).values
    taken = torch.gather(x, axis, index)
    return (taken, index) if keepdim else (taken.squeeze(axis), index.squeeze(axis))


def take(x, index, mode):
    n = x.numel()
    place = index % n if mode == "wrap" else index.clamp(0, n - 1) if mode == "clip" else index
    return torch.take(x, place)


def cartesian_prod(xs):
    product = torch.cartesian_prod(*xs)
    return product.reshape(-1, len(xs))


def in_own_width(function):
    """A function of integers whose width counts; by NumPy, which defines shifts by any number of places."""

    def run(x, y):
        own = np.dtype(x.declared)
        return torch.tensor(function(x.numpy().astype(own), np.asarray(y, own)).astype(np.int64))

    return run


def logical_right_shift(x, y):
    return np.right_shift(x.view(f"u{x.itemsize}"), y.astype(f"u{x.itemsize}")).view(x.dtype)


# ---- The oracles: an op's arguments by name, to its outputs -------------------------------------------------------------------

ARITHMETIC = {
    "add": lambda x, y: torch.add(x, y),
    "subtract": lambda x, y: torch.sub(x, y),
    "multiply": lambda x, y: torch.mul(x, y),
    "divide": lambda x, y: torch.div(x, y),
    "floorDivide": lambda x, y: torch.floor_divide(x, y),
    "mod": lambda x, y: torch.remainder(x, y),
    "pow": lambda x, y: torch.pow(x, y),
    "maximum": lambda x, y: torch.maximum(x, torch.as_tensor(y, dtype=x.dtype)),
    "minimum": lambda x, y: torch.minimum(x, torch.as_tensor(y, dtype=x.dtype)),
    "neg": lambda x: torch.neg(x),
    "abs": lambda x: torch.abs(x),
    "sign": lambda x: torch.sgn(x) if x.is_complex() else torch.tensor(np.sign(x.numpy())),
    "square": lambda x: torch.square(x),
    "sqrt": lambda x: torch.sqrt(x),
    "rsqrt": lambda x: torch.rsqrt(x),
    "reciprocal": lambda x: torch.reciprocal(x),
    "fmod": lambda x, y: torch.fmod(x, y),
    "frac": lambda x: torch.frac(x),
    "lerp": lambda x, y, weight: torch.lerp(*torch.broadcast_tensors(x, y), weight) if not torch.is_tensor(weight) else torch.lerp(
        *torch.broadcast_tensors(x, y, weight)
    ),
    "copysign": lambda x, y: torch.copysign(x, y),
    "heaviside": lambda x, y: torch.heaviside(x.detach(), torch.as_tensor(y, dtype=x.dtype).detach()),
    "fmax": lambda x, y: torch.fmax(x, torch.as_tensor(y, dtype=x.dtype)),
    "fmin": lambda x, y: torch.fmin(x, torch.as_tensor(y, dtype=x.dtype)),
    "hypot": lambda x, y: torch.hypot(x, torch.as_tensor(y, dtype=x.dtype)),
    "nanToNum": lambda x, nan, posinf, neginf: torch.nan_to_num(
        x, nan, GREATEST if posinf is None else posinf, -GREATEST if neginf is None else neginf
    ),
    "scale": lambda x, scale, bias, biasAfterScale: x * scale + bias if biasAfterScale else (x + bias) * scale,
    "clip": lambda x, min, max: x if min is None and max is None else torch.clamp(x, min, max),
}

FUNCTIONS = {
    **{name: (lambda f: lambda x: f(x))(getattr(torch, name)) for name in (
        "exp", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "erf",
        "exp2", "asinh", "acosh", "atanh", "deg2rad", "rad2deg",
    )},
    "cbrt": cube_root,
    "atan2": lambda x, y: torch.atan2(x, torch.as_tensor(y, dtype=x.dtype)),
    **{name: (lambda f: lambda x: f(x))(getattr(torch, name)) for name in (
        "floor", "ceil", "round", "trunc", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "signbit",
    )},
    **{op: (lambda f: lambda x, y: f(x, y))(getattr(torch, name)) for op, name in {
        "equal": "eq", "notEqual": "ne", "lessThan": "lt", "lessEqual": "le", "greaterThan": "gt", "greaterEqual": "ge",
        "logicalAnd": "logical_and", "logicalOr": "logical_or", "logicalXor": "logical_xor",
    }.items()},
    "logicalNot": lambda x: torch.logical_not(x),
    "where": lambda condition, x, y: torch.where(condition, x, y),
    "cast": lambda x, dtype: x.to(DTYPES[dtype]),
}  # fmt: skip

COMPLEX_NUMBERS = {
    "complex": lambda re, im: torch.complex(*torch.broadcast_tensors(re, im)),
    "polar": lambda abs, angle: torch.polar(*torch.broadcast_tensors(abs, angle)),
    "real": lambda x: torch.real(x),
    "imag": lambda x: torch.imag(x) if x.is_complex() else torch.zeros_like(x),
    "conj": lambda x: torch.conj(x),
    "angle": lambda x: torch.angle(x),
    "isReal": lambda x: torch.isreal(x),
    "viewAsReal": lambda x: torch.view_as_real(x),
    "viewAsComplex": lambda x: torch.view_as_complex(x),
}

BITS = {
    "bitwiseNot": lambda x: torch.bitwise_not(x),
    "bitwiseAnd": lambda x, y: torch.bitwise_and(x, y),
    "bitwiseOr": lambda x, y: torch.bitwise_or(x, y),
    "bitwiseXor": lambda x, y: torch.bitwise_xor(x, y),
    "bitwiseLeftShift": in_own_width(np.left_shift),
    "bitwiseRightShift": in_own_width(np.right_shift),
    "logicalRightShift": in_own_width(logical_right_shift),
}

def of_scipy(function):
    return lambda x: torch.as_tensor(np.asarray(function(x.numpy())))


SPECIAL = {
    "erfc": lambda x: torch.special.erfc(x),
    "erfinv": of_scipy(scipy.special.erfinv),
    # SciPy says that the size of the gamma function tends to 0 far below 0, PyTorch and C that it has no end there.
    "lgamma": lambda x: torch.lgamma(x),
    "multigammaln": lambda x, p: torch.special.multigammaln(x, p),
    "digamma": lambda x: torch.digamma(x),
    "polygamma": lambda x, n: of_scipy(lambda values: scipy.special.polygamma(n, values))(x),
    "i0e": of_scipy(scipy.special.i0e),
    "i1e": of_scipy(scipy.special.i1e),
    # SciPy has NaN at the infinities.
    "i0": of_scipy(lambda x: np.where(np.isinf(x), np.abs(x), scipy.special.i0(x))),
    "i1": of_scipy(lambda x: np.where(np.isinf(x), x, scipy.special.i1(x))),
    "sinc": lambda x: torch.special.sinc(x),
    "logit": lambda x, eps: torch.special.logit(x, eps),
    "xlogy": lambda x, y: torch.special.xlogy(x, y),
    "logaddexp": lambda x, y: torch.logaddexp(x, torch.as_tensor(y, dtype=x.dtype)),
}

def root_table(order, step, rows, first, columns, dtype):
    """At least 257 rows come in blocks of 64."""
    rows = rows if rows <= 256 else -(-rows // 64) * 64
    places = np.arange(rows)[:, None] * (first + np.arange(columns)) * step
    roots = np.exp(-2j * np.pi * (places % order) / order)
    return torch.tensor(np.stack([roots.real, roots.imag], 1), dtype=DTYPES[dtype])


def fourier(name, call):
    """PyTorch's, which has the gradients; of no elements NumPy's, as PyTorch's library refuses them."""

    def transform(x, **options):
        return call(getattr(torch.fft, name), x, **options) if x.numel() else torch.as_tensor(call(getattr(np.fft, name), x.numpy(), **options))

    return transform


def along_axis(function, x, n, axis, norm):
    return function(x, n, axis, norm)


def along_axes(function, x, s, axes, norm):
    return function(x, s, axes, norm)


FOURIER = {
    **{name: fourier(name, along_axis) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
    **{name: fourier(name, along_axes) for name in ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn")},
    "fftshift": lambda x, axes: torch.fft.fftshift(x, axes),
    "ifftshift": lambda x, axes: torch.fft.ifftshift(x, axes),
    "rootTable": root_table,
    "fftfreq": lambda n, d, dtype: torch.fft.fftfreq(n, d, dtype=DTYPES[dtype]),
    "rfftfreq": lambda n, d, dtype: torch.fft.rfftfreq(n, d, dtype=DTYPES[dtype]),
}

ACTIVATIONS = {
    "sigmoid": lambda x: torch.special.expit(x),
    "logSigmoid": lambda x: F.logsigmoid(x),
    "relu": lambda x: F.relu(x),
    "relu6": lambda x: F.relu6(x),
    "leakyRelu": lambda x, negativeSlope: F.leaky_relu(x, negativeSlope),
    "elu": lambda x, alpha: F.elu(x, alpha),
    "selu": lambda x, scale, alpha: F.selu(x),
    "gelu": lambda x, approximate: F.gelu(x, approximate="tanh" if approximate else "none"),
    "softplus": lambda x, beta, threshold: F.softplus(x, beta, threshold),
    "softsign": lambda x: F.softsign(x),
    "softshrink": lambda x, threshold: F.softshrink(x, threshold),
    "hardshrink": lambda x, threshold: F.hardshrink(x, threshold),
    "tanhshrink": lambda x: F.tanhshrink(x),
    "hardtanh": lambda x, min, max: F.hardtanh(x, min, max),
    "hardsigmoid": lambda x, slope, offset: F.hardtanh(x * slope + offset, 0.0, 1.0),
    "hardswish": lambda x: F.hardswish(x),
    "thresholdedRelu": lambda x, threshold: F.threshold(x, threshold, 0.0),
    "swish": lambda x: F.silu(x),
    "stanh": lambda x, scaleA, scaleB: scaleB * torch.tanh(scaleA * x),
}

REDUCTIONS = {
    "sum": reduce_by(lambda x, axes, keepdim: torch.sum(x, axes, keepdim)),
    "prod": one_by_one(lambda x, axis, keepdim: torch.prod(x, axis, keepdim)),
    "max": reduce_by(lambda x, axes, keepdim: torch.amax(x, axes, keepdim)),
    "min": reduce_by(lambda x, axes, keepdim: torch.amin(x, axes, keepdim)),
    "any": one_by_one(lambda x, axis, keepdim: torch.any(x, axis, keepdim)),
    "all": one_by_one(lambda x, axis, keepdim: torch.all(x, axis, keepdim)),
    "mean": reduce_by(lambda x, axes, keepdim: torch.mean(x, axes, keepdim)),
    "variance": lambda x, axis, unbiased, keepdim: torch.var(x, axes_of(x, axis), correction=int(unbiased), keepdim=keepdim),
    "std": lambda x, axis, unbiased, keepdim: torch.std(x, axes_of(x, axis), correction=int(unbiased), keepdim=keepdim),
    "logsumexp": reduce_by(lambda x, axes, keepdim: torch.logsumexp(x, axes, keepdim)),
    "argmax": place_of_extremum(np.argmax),
    "argmin": place_of_extremum(np.argmin),
    "softmax": lambda x, axis: torch.softmax(x, axis),
    "logSoftmax": lambda x, axis: torch.log_softmax(x, axis),
    "norm": lambda x, p, axis, keepdim: torch.linalg.vector_norm(x, 2 if p == "fro" else float(p), axes_of(x, axis), keepdim),
    "cumprod": along(torch.cumprod),
    "cummax": along(torch.cummax),
    "cummin": along(torch.cummin),
    "logcumsumexp": along(torch.logcumsumexp),
    "diff": lambda x, n, axis: torch.diff(x, n, axis),
    "trapezoid": lambda y, x, dx, axis: torch.trapezoid(y, dx=dx, dim=axis) if x is None else torch.trapezoid(y, x, dim=axis),
    "nansum": reduce_by(lambda x, axes, keepdim: torch.nansum(x, axes, keepdim)),
    "nanmean": reduce_by(lambda x, axes, keepdim: torch.nanmean(x, axes, keepdim)),
    "countNonzero": lambda x, axis, keepdim: torch.tensor(
        np.asarray(np.count_nonzero(x.numpy(), axis=axes_of(x, axis) if x.dim() else None, keepdims=keepdim))
    ),
    "kthvalue": lambda x, k, axis, keepdim: torch.kthvalue(x, k, axis, keepdim),
    "mode": mode,
    "quantile": flattened(quantile),
    "nanquantile": flattened(lambda x, axis, keepdim, q: torch.nanquantile(x, q, axis, keepdim)),
    "nanmedian": flattened(lambda x, axis, keepdim: torch.nanquantile(x, 0.5, axis, keepdim)),
    "cumsum": lambda x, axis: torch.cumsum(x.reshape(-1) if axis is None else x, axis or 0),
}

CREATION = {
    "full": lambda shape, value, dtype: torch.full(shape, value, dtype=DTYPES[dtype]),
    "zeros": lambda shape, dtype: torch.zeros(shape, dtype=DTYPES[dtype]),
    "ones": lambda shape, dtype: torch.ones(shape, dtype=DTYPES[dtype]),
    "fullLike": lambda x, value, dtype: torch.full_like(x, value, dtype=DTYPES.get(dtype)),
    "zerosLike": lambda x, dtype: torch.zeros_like(x, dtype=DTYPES.get(dtype)),
    "onesLike": lambda x, dtype: torch.ones_like(x, dtype=DTYPES.get(dtype)),
    "arange": lambda start, end, step, dtype: torch.tensor(np.arange(start, end, step) if end is not None else np.arange(start)).to(
        DTYPES.get(dtype)
    ),
    "linspace": lambda start, stop, num, dtype: torch.tensor(np.linspace(start, stop, num)).to(DTYPES[dtype]),
    "eye": lambda numRows, numColumns, dtype: torch.tensor(np.eye(numRows, numColumns)).to(DTYPES[dtype]),
}

MOVEMENT = {
    "detach": lambda x: x.detach(),
    "reshape": lambda x, shape: x.reshape(shape if math.prod(shape) == x.numel() else [x.shape[a] if n == 0 else n for a, n in enumerate(shape)]),
    "squeeze": lambda x, axis: torch.squeeze(x) if axis is None else torch.squeeze(x, tuple(listed(axis))),
    "unsqueeze": lambda x, axis: torch.tensor(np.expand_dims(x.detach().numpy(), axis)) if isinstance(axis, list) else torch.unsqueeze(x, axis),
    "flatten": lambda x, startAxis, stopAxis: torch.flatten(x, startAxis, stopAxis),
    "transpose": lambda x, perm: torch.permute(x, perm),
    "t": lambda x: torch.t(x),
    "broadcastTo": lambda x, shape: torch.broadcast_to(x, shape),
    "expand": lambda x, shape: x.expand(shape),
    "expandAs": lambda x, y: x.expand_as(y),
    "slice": cut,
    "stridedSlice": lambda x, axes, starts, ends, strides: cut(x, axes, starts, ends, strides),
    "flip": lambda x, axis: torch.flip(x, listed(axis)),
    "roll": lambda x, shifts, axis: torch.roll(x, shifts, axis),
    "concat": lambda xs, axis: torch.cat(xs, axis),
    "stack": lambda xs, axis: torch.stack(xs, axis),
    "unstack": lambda x, axis: [torch.unbind(x, axis)],
    "split": lambda x, sections, axis: [torch.tensor_split(x, sections, axis) if isinstance(sections, int) else torch.split(
        x, [x.shape[axis] - sum(s for s in sections if s > 0) if s == -1 else s for s in sections], axis
    )],
    "pad": pad,
    "tile": lambda x, repeats: torch.tile(x, repeats),
    "moveaxis": lambda x, source, destination: torch.movedim(x, source, destination),
    "swapaxes": lambda x, axis1, axis2: torch.swapaxes(x, axis1, axis2),
    "rot90": lambda x, k, axes: torch.rot90(x, k, axes),
    "fliplr": lambda x: torch.fliplr(x),
    "flipud": lambda x: torch.flipud(x),
    "atleast1d": lambda x: torch.atleast_1d(x),
    "atleast2d": lambda x: torch.atleast_2d(x),
    "atleast3d": lambda x: torch.atleast_3d(x),
    "hstack": lambda xs: torch.hstack(xs),
    "vstack": lambda xs: torch.vstack(xs),
    "dstack": lambda xs: torch.dstack(xs),
    "columnStack": lambda xs: torch.column_stack(xs),
    "tensorSplit": lambda x, sections, axis: [torch.tensor_split(x, sections, axis)],
    "unflatten": lambda x, axis, shape: torch.unflatten(x, axis, shape),
    "slidingWindows": lambda x, axis, size, step: x.unfold(axis, size, step),
    "broadcastTensors": lambda xs: [torch.broadcast_tensors(*xs)],
    "cartesianProd": cartesian_prod,
    "diagEmbed": lambda x, offset, axis1, axis2: torch.diag_embed(x, offset, axis1, axis2),
    "diagflat": lambda x, offset: torch.diagflat(x, offset),
    "blockDiag": lambda xs: torch.block_diag(*xs),
    "vander": lambda x, n, increasing: torch.vander(x.detach(), n, increasing),
    "trilIndices": lambda rows, columns, offset: torch.tril_indices(rows, columns, offset),
    "triuIndices": lambda rows, columns, offset: torch.triu_indices(rows, columns, offset),
}  # fmt: skip

INDEXING = {
    "gather": lambda x, index: x[index],
    "indexSelect": lambda x, index, axis: torch.index_select(x, axis, index % x.shape[axis]),
    "gatherNd": lambda x, index: x[coordinates(index)],
    "scatterNdAdd": lambda x, index, updates: x.index_put(coordinates(index), updates, accumulate=True),
    "scatterNd": lambda index, updates, shape: updates.new_zeros(shape).index_put(coordinates(index), updates, accumulate=True),
    "scatter": scatter,
    "takeAlongAxis": lambda x, index, axis: torch.gather(x, axis, index % x.shape[axis]),
    "putAlongAxis": lambda x, index, values, axis, reduce: (torch.scatter_add if reduce == "add" else torch.scatter)(
        x, axis, index % x.shape[axis], values
    ),
    "embedding": embedding,
    "oneHot": lambda x, numClasses, dtype: F.one_hot(x, numClasses).to(DTYPES[dtype]),
    "nonzero": lambda x: torch.nonzero(x),
    "maskedSelect": lambda x, mask: torch.masked_select(x, mask),
    "sort": lambda x, axis, descending: torch.sort(x, stable=True, dim=axis, descending=descending).values,
    "argsort": lambda x, axis, descending: torch.sort(x, stable=True, dim=axis, descending=descending).indices,
    "topk": lambda x, k, axis, largest: torch.topk(x, k, axis, largest),
    "unique": unique,
    "searchsorted": lambda sorted, values, right: torch.searchsorted(sorted, values, right=right),
    "bucketize": lambda x, boundaries, right: torch.bucketize(x, boundaries, right=right),
    "take": take,
    "indexAdd": lambda x, index, values, axis: torch.index_add(x, axis, index % x.shape[axis], values),
    "indexFill": lambda x, index, value, axis: torch.index_fill(x, axis, index, value),
    "indexPut": lambda x, indices, values, accumulate: torch.index_put(x, tuple(indices), values, accumulate),
    "maskedFill": lambda x, mask, value: torch.masked_fill(x, mask, value),
    "maskedScatter": lambda x, mask, values: torch.masked_scatter(x, mask, values),
    "repeatInterleave": lambda x, repeats, axis: torch.repeat_interleave(
        x, repeats if isinstance(repeats, int) else torch.tensor(repeats), axis
    ),
}

PRODUCTS = {
    "bmm": lambda x, y: torch.matmul(x, y),
    "matmul": lambda x, y, transposeX, transposeY: torch.matmul(x.mT if transposeX else x, y.mT if transposeY else y),
    "mv": lambda x, vec: torch.mv(x, vec),
    "dot": lambda x, y: torch.einsum("...k,...k->...", x, y),
    "addmm": lambda input, x, y, alpha, beta: torch.addmm(input, x, y, beta=beta, alpha=alpha),
    "outer": lambda x, y: torch.outer(x.reshape(-1), y.reshape(-1)),
    "inner": lambda x, y: torch.inner(x, y),
    "tensordot": lambda x, y, axes: torch.tensordot(x, y, axes),
    "einsum": lambda xs, equation: torch.einsum(equation, *xs),
    "addcmul": lambda input, x, y, value: torch.addcmul(input, x, y, value=value),
    "addcdiv": lambda input, x, y, value: torch.addcdiv(input, x, y, value=value),
    "baddbmm": lambda input, x, y, alpha, beta: torch.baddbmm(input, x, y, beta=beta, alpha=alpha),
    "cdist": lambda x, y, p: torch.linalg.vector_norm(x.unsqueeze(-2) - y.unsqueeze(-3), p, -1),
    "linear": lambda x, weight, bias: F.linear(x, weight.T, bias),
}

NETWORKS = {
    "conv1d": convolution(F.conv1d, 1),
    "conv1dTranspose": transposed_convolution(F.conv_transpose1d, 1),
    "conv2d": convolution(F.conv2d, 2),
    "conv2dTranspose": transposed_convolution(F.conv_transpose2d, 2),
    "conv3d": convolution(F.conv3d, 3),
    "conv3dTranspose": transposed_convolution(F.conv_transpose3d, 3),
    "maxPool2d": lambda x, kernelSize, stride, padding, ceilMode: F.max_pool2d(x, kernelSize, stride, padding, 1, ceilMode),
    "avgPool2d": avg_pool2d,
    "unfold": lambda x, kernelSizes, strides, paddings, dilations: F.unfold(x, kernelSizes, dilations, paddings, strides),
    "roiAlign": roi_align,
    "dropout": dropout,
    "batchNorm": batch_norm,
    "layerNorm": layer_norm,
}

LOSSES = {
    "mseLoss": lambda input, label, reduction: F.mse_loss(input, label, reduction=reduction),
    "squareErrorCost": lambda input, label: F.mse_loss(input, label, reduction="none"),
    "l1Loss": lambda input, label, reduction: F.l1_loss(input, label, reduction=reduction),
    "smoothL1Loss": lambda input, label, reduction, delta: F.huber_loss(input, label, reduction=reduction, delta=delta),
    "klDiv": lambda input, label, reduction: F.kl_div(input, label, reduction=reduction),
    "binaryCrossEntropyWithLogits": lambda logit, label, weight, posWeight, reduction: F.binary_cross_entropy_with_logits(
        logit, label, weight, reduction=reduction, pos_weight=posWeight
    ),
    "nllLoss": lambda input, label, weight, ignoreIndex, reduction: F.nll_loss(
        input, label, weight, ignore_index=ignoreIndex, reduction=reduction
    ),
    "crossEntropy": lambda input, label, weight, axis, softLabel, ignoreIndex, reduction: F.cross_entropy(
        torch.movedim(input, axis, 1), label, weight, ignore_index=ignoreIndex, reduction=reduction
    ),
}

WHOLE = {
    "addN": lambda xs: torch.stack(xs).sum(0),
    "assign": lambda x: x.clone(),
    "equalAll": lambda x, y: torch.tensor(np.array_equal(x.numpy(), y.numpy())),
    "isclose": lambda x, y, rtol, atol, equalNan: torch.tensor(np.isclose(x.numpy(), y.numpy(), rtol, atol, equalNan)),
    "allclose": lambda x, y, rtol, atol, equalNan: torch.tensor(np.allclose(x.numpy(), y.numpy(), rtol, atol, equalNan)),
    "dist": lambda x, y, p: torch.linalg.vector_norm(x - y, p),
    "empty": lambda shape, dtype: torch.zeros(shape, dtype=DTYPES[dtype]),
    "emptyLike": lambda x, dtype: torch.zeros_like(x, dtype=DTYPES.get(dtype)),
    "meshgrid": lambda xs: [torch.meshgrid(*xs, indexing="ij")],
    "numel": lambda x: torch.tensor(np.size(x.numpy())),
    "rank": lambda x: torch.tensor(np.ndim(x.numpy())),
    "shape": lambda x: torch.tensor(np.shape(x.numpy()), dtype=torch.int64),
    "isEmpty": lambda x: torch.tensor(np.size(x.numpy()) == 0),
    "median": median,
    "histogram": histogram,
}

DIAGONALS = {
    "diagonal": lambda x, offset, axis1, axis2: torch.diagonal(x, offset, axis1, axis2),
    "diag": lambda x, offset, paddingValue: torch.diag(x, offset) + paddingValue * (1 - torch.diag(torch.ones_like(x), offset))
    if x.dim() == 1
    else torch.diag(x, offset),
    "tril": lambda x, diagonal: torch.tril(x, diagonal),
    "triu": lambda x, diagonal: torch.triu(x, diagonal),
    "trace": lambda x, offset, axis1, axis2: torch.diagonal(x, offset, axis1, axis2).sum(-1),
    "multiplex": lambda xs, index: torch.stack(xs)[index.reshape(-1), torch.arange(index.numel())],
    "shardIndex": lambda x, indexNum, nshards, shardId, ignoreValue: torch.tensor(np.select(
        [x.numpy() // -(-indexNum // nshards) == shardId], [x.numpy() % -(-indexNum // nshards)], ignoreValue
    )),
    "cross": lambda x, y, axis: torch.linalg.cross(x, y, dim=list(x.shape).index(3) if axis is None else axis),
    "kron": lambda x, y: torch.kron(x, y),
}  # fmt: skip

OPTIMIZERS = {
    "clipByNorm": clip_by_norm,
    "sgdUpdate": sgd_update,
    "momentumUpdate": momentum_update,
    "adamUpdate": adam_update(torch.optim.Adam),
    "adamwUpdate": adam_update(torch.optim.AdamW),
}

# ---- Linear algebra: vectors are given signs as the entries of ops.yaml say -----------------------------------------------------


def square_and_batch(x, y):
    """A right-hand side that is one vector, for PyTorch, which takes a matrix's columns for a batch of those."""
    return torch.linalg.solve(x, y[:, None])[..., 0] if y.dim() == 1 else torch.linalg.solve(x, y)


def leading_signs(vectors):
    """The sign, along the last axis but one, of each column's element of greatest size."""
    place = vectors.detach().abs().argmax(-2, keepdim=True)
    return torch.sign(torch.gather(vectors.detach(), -2, place))


def lu_factor(x):
    if x.numel() == 0:
        rows = torch.arange(x.shape[-2]).expand(x.shape[:-1])
        return x, rows[..., :0], rows
    packed, pivots = torch.linalg.lu_factor(x)
    order = torch.arange(x.shape[-2]).expand(x.shape[:-1]).clone()
    for rows, exchanges in zip(order.reshape(-1, x.shape[-2]), pivots.reshape(-1, pivots.shape[-1])):
        for row, other in enumerate((exchanges - 1).tolist()):
            rows[[row, other]] = rows[[other, row]]
    return packed, pivots, order


def symmetric(x, uplo):
    """From both triangles, or from one: the matrix that eigh is of."""
    part = {"L": x.tril, "U": x.triu}.get(uplo)
    return (x + x.mT) / 2 if part is None else part() + (part() - torch.diag_embed(x.diagonal(dim1=-2, dim2=-1))).mT


def eigh(x, uplo):
    if x.numel() == 0:
        return torch.zeros(x.shape[:-1], dtype=x.dtype), x
    values, vectors = torch.linalg.eigh(symmetric(x, uplo))
    return values, vectors * leading_signs(vectors)


def complement(vectors, size):
    """LAPACK's completion of orthonormal columns to a square matrix."""
    return torch.linalg.qr(vectors.detach(), mode="complete")[0][..., size:]


def svd(x, fullMatrices):
    if x.numel() == 0:
        size = min(x.shape[-2:])
        return x.new_zeros(*x.shape[:-1], size), x.new_zeros(*x.shape[:-2], size), x.new_zeros(*x.shape[:-2], size, x.shape[-1])
    u, s, vh = torch.linalg.svd(x, full_matrices=False)
    signs = leading_signs(vh.mT if x.shape[-2] >= x.shape[-1] else u)
    u, vh = u * signs, vh * signs.mT
    if not fullMatrices or x.shape[-2] == x.shape[-1]:
        return u, s, vh
    size = s.shape[-1]
    # No library gives gradients of full matrices.
    square = lambda columns: torch.cat([columns, complement(columns, size)], -1) if columns.shape[-2] > size else columns
    return square(u).detach(), s.detach(), square(vh.mT).mT.detach()


def qr(x, mode):
    if mode == "complete" and x.shape[-2] > x.shape[-1]:
        return torch.linalg.qr(x.detach(), mode="complete")
    q, r = torch.linalg.qr(x)
    return (q[..., :0] if mode == "r" else q), r


def tolerance(x, rtol):
    # Of the dtype that the sample stands for.
    return max(x.shape[-2:]) * 2.0**-23 if rtol is None else rtol


def lstsq(x, y, rcond):
    solution = torch.linalg.pinv(x, rtol=tolerance(x, rcond)) @ y
    values = torch.linalg.svdvals(x)
    rank = torch.tensor(np.linalg.matrix_rank(x.detach().numpy(), rtol=tolerance(x, rcond)))
    return solution, ((y - x @ solution) ** 2).sum(-2), rank, values


def order_of(p):
    return {"inf": math.inf, "-inf": -math.inf}.get(p, p)


def matrix_rank(x, tol):
    return torch.linalg.matrix_rank(x, tol=tol) if tol is not None else torch.linalg.matrix_rank(x, rtol=tolerance(x, None))


def cond(x, p):
    # PyTorch's own has no gradient for the norms that need the inverse.
    norm = lambda matrix: torch.linalg.matrix_norm(matrix, order_of(p))
    return torch.linalg.cond(x, p) if p in (2, -2) else norm(x) * norm(torch.linalg.inv(x))


LINEAR_ALGEBRA = {
    "solve": square_and_batch,
    "inverse": lambda x: torch.linalg.inv(x),
    "lu": lu_factor,
    "triangularSolve": lambda x, y, upper, transpose, unitriangular: torch.linalg.solve_triangular(
        x.mT if transpose else x, y, upper=upper != transpose, unitriangular=unitriangular
    ),
    "cholesky": lambda x, upper: torch.linalg.cholesky(x, upper=upper),
    "choleskySolve": lambda x, y, upper: torch.cholesky_solve(x, y.triu() if upper else y.tril(), upper),
    "slogdet": lambda x: torch.linalg.slogdet(x),
    "det": lambda x: torch.linalg.det(x),
    "qr": qr,
    "eigh": eigh,
    "eigvalsh": lambda x, uplo: torch.linalg.eigvalsh(symmetric(x, uplo)),
    "svd": svd,
    "svdvals": lambda x: torch.linalg.svdvals(x),
    "pinv": lambda x, rcond: torch.linalg.pinv(x, rtol=tolerance(x, rcond)),
    "matrixRank": matrix_rank,
    "lstsq": lstsq,
    "matrixNorm": lambda x, p, axis, keepdim: torch.linalg.matrix_norm(x, order_of(p), axis, keepdim),
    "cond": cond,
}

GROUPS = {
    "arithmetic": ARITHMETIC,
    "functions": FUNCTIONS,
    "complex": COMPLEX_NUMBERS,
    "bits": BITS,
    "special": SPECIAL,
    "fourier": FOURIER,
    "activations": ACTIVATIONS,
    "reductions": REDUCTIONS,
    "creation": CREATION,
    "movement": MOVEMENT,
    "indexing": INDEXING,
    "products": PRODUCTS,
    "linear-algebra": LINEAR_ALGEBRA,
    "networks": NETWORKS,
    "losses": LOSSES,
    "whole": WHOLE,
    "diagonals": DIAGONALS,
    "optimizers": OPTIMIZERS,
    "statistics": STATISTICS,
    "pieces": PIECES,
    "linear": LINEAR,
    "spaces": SPACES,
    "numbers": NUMBERS,
}


# Ops whose results are in double precision whatever their inputs are.
WIDE = {"floatPower"}


# ---- Goldens ---------------------------------------------------------------------------------------------------------------


def flat(arguments):
    return [one for argument in arguments for one in (flat(argument) if isinstance(argument, (list, tuple)) else [argument])]


def rounded(value, limit):
    if isinstance(value, (bool, int)):
        return int(value)
    if math.isnan(value):
        return "nan"
    if abs(value) > limit:
        return "inf" if value > 0 else "-inf"
    short = float(f"{value:.9g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 and math.copysign(1, short) * short >= 0 and str(short) != "-0.0" else short


def numbers(tensor):
    """A tensor's elements; of complex ones both parts in turn."""
    tensor = tensor.resolve_conj().resolve_neg()
    return (torch.view_as_real(tensor) if tensor.is_complex() else tensor).reshape(-1).tolist()


def recorded(tensor, dtype):
    limit = min(FLOATING.get(COMPLEX.get(dtype, dtype), math.inf), sys.float_info.max)
    values = numbers(tensor.detach())
    return {"shape": list(tensor.shape), "dtype": dtype, "values": [rounded(value, limit) for value in values]}


def dtype_of(op, tensor, arguments, inputs, same):
    """What the op gives; `same` names the inputs that have the output's dtype."""
    stated = arguments.get("dtype")
    if stated is not None:
        return stated
    if tensor.dtype == torch.bool:
        return "bool"
    if op in WIDE:
        return str(tensor.dtype).removeprefix("torch.")
    if tensor.is_complex() or any(isinstance(one, dict) and one["dtype"] in COMPLEX for one in flat(inputs.values())):
        return complex_dtype_of(tensor, inputs)
    floating = tensor.dtype.is_floating_point
    sources = inputs.values() if floating else [inputs[name] for name in same if name in inputs]
    given = [data["dtype"] for data in flat(sources) if isinstance(data, dict) and (data["dtype"] in FLOATING) == floating]
    return given[0] if given else "float32" if floating else "int32"


def complex_dtype_of(tensor, inputs):
    """What an op with complex inputs or results gives: as precise as its inputs."""
    given = [one["dtype"] for one in flat(inputs.values()) if isinstance(one, dict)]
    wide = "complex128" in given or "float64" in given
    return ("complex" if tensor.is_complex() else "float") + str((64 if wide else 32) * (2 if tensor.is_complex() else 1))


def is_special(data):
    return any(isinstance(one, dict) and one.get("fill") == "special" for one in flat([data]))


def golden(op, oracle, place):
    sample = op["samples"][place]
    tensors = {name: tensor_of(f"{op['op']}/{name}/{place}", data) for name, data in sample["inputs"].items()}
    arguments = {name: None for name in op["inputs"]} | op["defaults"] | sample["attrs"] | tensors
    wanted = [
        name
        for name in op["differentiable"]
        if name in tensors and not is_special(sample["inputs"][name])
        if all(torch.is_tensor(one) and one.dtype in (torch.float64, torch.complex128) for one in flat([tensors[name]]))
    ]
    for one in flat(tensors[name] for name in wanted):
        one.requires_grad_(True)
    try:
        result = oracle(**arguments)
    except RuntimeError:
        # A function of NumPy takes no tensor that has a gradient.
        for one in flat(tensors[name] for name in wanted):
            one.requires_grad_(False)
        result = oracle(**arguments)
    if result is None:
        return None
    outputs = list(result) if isinstance(result, (list, tuple)) else [result]
    record = {
        "op": op["op"],
        "sample": place,
        "outputs": [
            recorded(one, dtype_of(op["op"], one, arguments, sample["inputs"], op["dtypes"][name]))
            for name, output in zip(op["outputs"], outputs)
            for one in flat([output])
        ],
    }
    grads = gradients(op["op"], place, dict(zip(op["outputs"], outputs)), {name: tensors[name] for name in wanted})
    return record | ({"grads": grads} if grads else {})


def gradients(op, place, outputs, inputs):
    """By input, the gradient of all outputs' products with their incoming gradients."""
    total = torch.zeros((), dtype=torch.float64)
    for name, output in outputs.items():
        for number, one in enumerate(flat([output])):
            text = f"{op}/d{name}/{place}" + (f"/{number}" if isinstance(output, (list, tuple)) else "")
            if one.requires_grad:
                dtype = "complex64" if one.is_complex() else "float32"
                weight = tensor_of(text, {"shape": list(one.shape), "dtype": dtype, "fill": "normal"})
                total = total + (one * weight.conj()).real.sum() if one.is_complex() else total + (one * weight).sum()
    if not total.requires_grad:
        return {}
    found = torch.autograd.grad(total, flat(inputs.values()), allow_unused=True)
    by_tensor = {id(one): grad if grad is not None else torch.zeros_like(one) for one, grad in zip(flat(inputs.values()), found)}
    values = lambda one: [rounded(value, GREATEST) for value in numbers(by_tensor[id(one)])]
    found = {name: [values(one) for one in given] if isinstance(given, list) else values(given) for name, given in inputs.items()}
    # Where the library has no derivative, ours is a convention, which other tests hold it to.
    return {name: given for name, given in found.items() if "nan" not in flat([given])}


def main():
    dump = subprocess.run(["node", sys.argv[1] if len(sys.argv) > 1 else "dist/test/support/dump-samples.js"], cwd=ROOT, capture_output=True, check=True)
    # Infinities and the negative zero are written as { "number": "Infinity" }.
    spelled = lambda read: float(read["number"]) if read.keys() == {"number"} else read
    ops = {op["op"]: op for op in json.loads(dump.stdout, object_hook=spelled)}
    oracles = {name: oracle for group in GROUPS.values() for name, oracle in group.items()}
    missing = [name for name, op in ops.items() if name not in oracles and not op["internal"] and not op["random"]]
    if missing:
        sys.exit(f"no oracle for {', '.join(missing)}")
    for group, members in GROUPS.items():
        lines = []
        for name, oracle in members.items():
            for place in range(len(ops[name]["samples"])):
                try:
                    record = golden(ops[name], oracle, place)
                except Exception as error:
                    raise RuntimeError(f"{name}, sample {place}") from error
                if record is not None:
                    lines.append(json.dumps(record, separators=(",", ":")))
        (HERE / f"{group}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
