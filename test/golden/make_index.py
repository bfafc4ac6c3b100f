"""Makes the goldens of indexing: what NumPy reads and writes for indices of every kind.

    python test/golden/make_index.py      # writes test/golden/index/cases.json

A case has the shape of x, whose elements count from 0, and an index as a list of parts, written as in JavaScript; `result` is x[index]. Where
`value` is the shape of values that count from 100, `written` is x after x[index] = values.
"""

import json
import pathlib

import numpy as np

T, F = True, False

READS = [
    ([5], [0]), ([5], [-1]), ([5], ["1:-1"]), ([5], ["::-1"]), ([5], ["3:0:-2"]), ([5], ["-1::-1"]), ([5], ["10:"]), ([5], [":-10"]),
    ([5], ["4:1"]), ([5], [None]), ([5], [None, ":", None]), ([5], ["..."]), ([4, 5], ["..., 0"]), ([4, 5], ["1:3, ::2"]),
    ([4, 5], ["-2, 1:-1"]), ([4, 5], ["..., null"]), ([2, 3, 4], ["..., 1:-1, 0"]), ([2, 3, 4], [0, "...", -1]),
    ([2, 3, 4], ["...", None, 1]), ([2, 3, 4], ["1, 2, 3"]), ([2, 3, 4], [None, 1, None, "::-2", None]), ([2, 3, 4], []),
    ([0, 3], ["..., 1"]), ([0, 3], ["::-1"]), ([], ["..."]), ([], [None]), ([3, 1], ["::-1, ::-1"]),
    # One index tensor.
    ([5], [[0, 2, 2, -1]]), ([5], [[[0, 1], [4, -5]]]), ([4, 5], [[3, 0]]), ([4, 5], [":", [3, 0]]), ([4, 5], ["::-1", [[0, 1], [2, 3]]]),
    ([2, 3, 4], ["...", [1, 1]]), ([2, 3, 4], [1, [2, 0]]), ([2, 3, 4], [[1, 0], 2]), ([2, 3, 4], [1, ":", [2, 0]]),
    ([2, 3, 4], [":", 1, [2, 0]]), ([2, 3, 4], [[1, 0], ":", 2]), ([2, 3, 4], [None, [1, 0]]), ([2, 3, 4], [":", [2, 0], None]),
    ([2, 3, 4], [0, None, [2, 0]]), ([4, 5], [[]]), ([4, 5], [":", []]), ([2, 3, 4], [":", [[1], [2]], "1:3"]),
    # Several: side by side, apart, broadcast.
    ([4, 5], [[0, 1], [2, 3]]), ([4, 5], [[[0], [1]], [2, 3, 4]]), ([2, 3, 4], [[0, 1], ":", [2, 3]]), ([2, 3, 4], [":", [0, 1], [2, 3]]),
    ([2, 3, 4], [[0, 1], [1, 2]]), ([2, 3, 4], [[[0], [1]], "::-1", [1, 2]]), ([2, 3, 4, 5], [":", [0, 1], ":", [2, 3]]),
    ([2, 3, 4, 5], [":", [0, 1], [2, 3]]), ([2, 3, 4, 5], [":", [[0], [1]], [2, 3], "1:"]), ([2, 3, 4, 5], [0, ":", [1, 2], [3, 4]]),
    ([2, 3, 4, 5], [0, [1, 2], ":", 3]), ([2, 3, 4, 5], [[0], ":", 1, [2, 3]]), ([2, 3, 4, 5], [":", 1, [2, 3], [3, 4]]),
    ([2, 3, 4, 5], [[0, 1], None, [1, 2]]), ([2, 3, 4], [[0, 1], [1, 2], [3, -1]]), ([2, 3, 4], ["...", [0, 1], [2, 3]]),
    # Masks.
    ([4], [[T, F, T, T]]), ([2, 3], [[[T, F, T], [F, F, T]]]), ([4, 3], [[T, F, T, F]]), ([4, 3], [":", [T, F, T]]),
    ([2, 3, 4], [[[T, F, T], [F, T, F]]]), ([2, 3, 4], [":", [[T, F, T, F], [F, T, F, F], [F, F, F, T]]]), ([3, 4], [[F, F, F]]),
    ([3, 4], [[T, F, T], [1, 2]]), ([3, 4], [[T, F, T], 1]), ([3, 4, 2], [[T, F, T], ":", [1, 0]]), ([3, 4], [[T, F, T], None, "1:"]),
]  # fmt: skip

WRITES = [
    ([5], [0], []), ([5], ["1:-1"], [3]), ([5], ["::-1"], [5]), ([5], ["::2"], [1]), ([4, 5], ["..., 0"], [4]), ([4, 5], ["1:3, ::2"], [3]),
    ([4, 5], ["1:3, ::2"], [2, 1]), ([4, 5], [None, 1], [1, 5]), ([2, 3, 4], ["...", 1], [3]), ([2, 3, 4], [], [4]), ([4, 5], [0], [1, 1, 5]),
    ([5], [[0, 2, -1]], [3]), ([5], [[1, 1, 3]], [3]), ([4, 5], [[3, 0]], [5]), ([4, 5], [":", [3, 0]], [4, 2]), ([4, 5], [[0, 1], [2, 3]], []),
    ([2, 3, 4], [[0, 1], ":", [2, 3]], [2, 3]), ([2, 3, 4], [":", [[0], [1]], [2, 3]], [2, 1, 2]), ([4], [[T, F, T, T]], []),
    ([2, 3], [[[T, F, T], [F, F, T]]], [3]), ([4, 3], [[T, F, T, F]], [2, 3]), ([3, 4], [[F, F, F]], [4]), ([0, 3], ["..., 1"], []),
]  # fmt: skip


def parts(index):
    """The parts as NumPy takes them."""
    read = []
    for part in index:
        if isinstance(part, str):
            value = eval(f"np.s_[{part.replace('null', 'None')}]", {"np": np})
            read += value if isinstance(value, tuple) else [value]
        else:
            read.append(np.array(part, dtype=None if part else int) if isinstance(part, list) else part)
    return tuple(read)


def recorded(array):
    return {"shape": list(array.shape), "values": array.reshape(-1).tolist()}


def counting(shape, start=0):
    return np.arange(start, start + int(np.prod(shape))).reshape(shape)


def main():
    cases = [{"shape": shape, "index": index, "result": recorded(counting(shape)[parts(index)])} for shape, index in READS]
    for shape, index, value in WRITES:
        x = counting(shape)
        x[parts(index)] = counting(value, 100)
        cases.append({"shape": shape, "index": index, "value": value, "written": recorded(x)})
    folder = pathlib.Path(__file__).parent / "index"
    folder.mkdir(exist_ok=True)
    (folder / "cases.json").write_text("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
