"""Oracles of make.py for the tensor functions beyond Paddle 2.0's: NumPy's, SciPy's and PyTorch's, by the names of our ops."""

import itertools

import numpy as np
import scipy.integrate
import torch


def numpy_of(x):
    return x.detach().numpy()


def aminmax(x, axis, keepdim):
    low, high = torch.aminmax(x, dim=axis, keepdim=keepdim) if axis is not None or not keepdim else (x.min(), x.max())
    if axis is None and keepdim:
        return low.reshape([1] * x.dim()), high.reshape([1] * x.dim())
    return low, high


def axes_of(x, axis):
    return tuple(range(x.dim())) if axis is None else axis


def cov(x, fweights, aweights, rowvar, ddof):
    return torch.cov(x if rowvar or x.dim() == 1 else x.T, correction=int(ddof), fweights=fweights, aweights=aweights)


def bin_edges(x, bins, min, max):
    if x.numel() == 0:
        return torch.tensor(np.linspace(min - (min == max), max + (min == max), bins + 1))
    low, high = (x.min().item(), x.max().item()) if min == 0 == max else (min, max)
    ends = (low - 1, high + 1) if low == high else (low, high)
    return torch.tensor(np.histogram_bin_edges(numpy_of(x), bins, ends))


def combinations(x, r, withReplacement):
    choose = itertools.combinations_with_replacement if withReplacement else itertools.combinations
    places = list(choose(range(len(x)), r))
    return x[torch.tensor(places, dtype=torch.int64).reshape(-1, r)]


STATISTICS = {
    "aminmax": aminmax,
    "varianceMean": lambda x, axis, unbiased, keepdim: torch.var_mean(x, axes_of(x, axis), correction=int(unbiased), keepdim=keepdim),
    "stdMean": lambda x, axis, unbiased, keepdim: torch.std_mean(x, axes_of(x, axis), correction=int(unbiased), keepdim=keepdim),
    "cov": cov,
    "corrcoef": lambda x, rowvar: torch.corrcoef(x if rowvar or x.dim() == 1 else x.T),
    "cumulativeTrapezoid": lambda y, x, dx, axis: torch.cumulative_trapezoid(y, dx=dx, dim=axis)
    if x is None
    else torch.cumulative_trapezoid(y, x, dim=axis),
    "histogramBinEdges": bin_edges,
    "isin": lambda x, test, invert: torch.isin(x, test, invert=invert),
    "floatPower": lambda x, y: torch.float_power(x, y),
}

def slice_scatter(x, values, axes, starts, ends, steps):
    out = x.clone()
    places = [slice(None)] * x.dim()
    for place, axis in enumerate(axes):
        places[axis] = slice(starts[place], ends[place], steps[place] if steps else 1)
    out[tuple(places)] = values
    return out


def as_strided(x, shape, stride, offset):
    if min([0, *stride]) == 0:
        return torch.as_strided(x, shape, stride, offset)
    flat = numpy_of(x).reshape(-1)
    view = np.lib.stride_tricks.as_strided(flat[offset:], shape, [step * flat.itemsize for step in stride])
    return torch.tensor(view.copy())


def crop(x, shape, offsets):
    starts = offsets or [0] * x.dim()
    return x[tuple(slice(start, x.shape[a] if n == -1 else start + n) for a, (n, start) in enumerate(zip(shape, starts)))]


PIECES = {
    "narrow": lambda x, axis, start, length: torch.narrow(x, axis, start, length),
    "crop": crop,
    "asStrided": as_strided,
    "msort": lambda x: torch.msort(x),
    "reduceAs": lambda x, target: x.sum_to_size(target.shape),
    "selectScatter": lambda x, values, axis, index: torch.select_scatter(x, values, axis, index),
    "sliceScatter": slice_scatter,
    "diagonalScatter": lambda x, values, offset, axis1, axis2: torch.diagonal_scatter(x, values, offset, axis1, axis2),
    "hsplit": lambda x, sections: [torch.tensor_split(x, sections, 0 if x.dim() == 1 else 1)],
    "vsplit": lambda x, sections: [torch.tensor_split(x, sections, 0)],
    "dsplit": lambda x, sections: [torch.tensor_split(x, sections, 2)],
    "combinations": combinations,
}


def lu_unpack(lu, permutation):
    """By triangles: PyTorch asks for pivots, which the op is not given."""
    size = min(lu.shape[-2:])
    lower = torch.tril(lu[..., :size], -1) + torch.eye(lu.shape[-2], size, dtype=lu.dtype)
    return torch.nn.functional.one_hot(permutation, lu.shape[-2]).mT.to(lu.dtype), lower, torch.triu(lu[..., :size, :])


def renorm(x, p, axis, maxNorm):
    """By norms: PyTorch's own adds 1e-7 to those that it divides by."""
    others = [a for a in range(x.dim()) if a != axis % x.dim()]
    size = torch.linalg.vector_norm(x, p, others, True) if others else torch.abs(x)
    return torch.where(size > maxNorm, x * (maxNorm / size), x)


LINEAR = {
    "addmv": lambda input, x, vec, alpha, beta: torch.addmv(input, x, vec, beta=beta, alpha=alpha),
    "vecdot": lambda x, y, axis: torch.linalg.vecdot(x, y, dim=axis)
    if x.dtype != torch.int64
    else torch.tensor(np.vecdot(x.numpy(), y.numpy(), axis=axis)),
    # The gradient of no distances makes PyTorch crash.
    "pdist": lambda x, p: torch.pdist(x, p) if len(x) > 1 else x.new_zeros(0),
    "multiDot": lambda xs: torch.linalg.multi_dot(xs),
    "matrixPower": lambda x, n: torch.linalg.matrix_power(x, n),
    "matrixExp": lambda x: torch.linalg.matrix_exp(x),
    "luUnpack": lu_unpack,
    "choleskyInverse": lambda x, upper: torch.cholesky_inverse(x.triu() if upper else x.tril(), upper=upper),
    "matrixTranspose": lambda x: x.mT,
    "renorm": renorm,
}

def in_own_dtype(function):
    """A function of NumPy, of elements of the dtype that the sample has."""

    def run(x, y):
        own = np.dtype(x.declared)
        return torch.tensor(function(x.detach().numpy().astype(own), np.asarray(y, own)).astype(np.int64))

    return run


def frexp(x):
    mantissa, exponent = np.frexp(numpy_of(x))
    # NumPy says nothing about the exponent of what is not finite.
    return torch.tensor(mantissa), torch.tensor(np.where(np.isfinite(numpy_of(x)), exponent, 0))


NUMBERS = {
    "gcd": in_own_dtype(np.gcd),
    "lcm": in_own_dtype(np.lcm),
    "nextafter": lambda x, y: torch.nextafter(x, torch.as_tensor(y, dtype=x.dtype)),
    "ldexp": lambda x, y: torch.tensor(np.ldexp(numpy_of(x), y.numpy())),
    "frexp": frexp,
}

SPACES = {
    "logspace": lambda start, stop, num, base, dtype: torch.tensor(np.logspace(start, stop, num, base=base)),
    "geomspace": lambda start, stop, num, dtype: torch.tensor(np.geomspace(start, stop, num)),
}
