"""Makes the oracle of promotion: the dtype in which PyTorch says that two meet, and whether today's Paddle adds tensors of them at all.

    python test/golden/make_promotion.py  # writes test/golden/promotion/table.json

Rows are [left, right, PyTorch's, Paddle's or null where it refuses].
"""

import json
import pathlib
import warnings

import torch

NAMES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64", "complex128",
]  # fmt: skip


def in_paddle(left, right):
    import paddle

    try:
        return str(paddle.add(paddle.zeros([1], dtype=left), paddle.zeros([1], dtype=right)).dtype).removeprefix("paddle.")
    except (TypeError, ValueError, RuntimeError, NotImplementedError):
        return None


def main():
    warnings.simplefilter("ignore")
    meet = lambda left, right: str(torch.promote_types(getattr(torch, left), getattr(torch, right))).removeprefix("torch.")
    rows = [[left, right, meet(left, right), in_paddle(left, right)] for left in NAMES for right in NAMES]
    folder = pathlib.Path(__file__).parent / "promotion"
    folder.mkdir(exist_ok=True)
    (folder / "table.json").write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


if __name__ == "__main__":
    main()
