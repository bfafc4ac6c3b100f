"""PyTorch as a peer of the bench: reads a JSON request a line, answers with a JSON line.

A case arrives as an expression over named tensors, is compiled into a loop, and timed here, so that no time is spent on talking.
"""
import json
import os
import sys
import time

import torch

DTYPES = {"float32": torch.float32, "int32": torch.int32}


def hello(request):
    if "on" in request:
        place["device"] = torch.device(request["on"])
        name = torch.cuda.get_device_name(place["device"])
        return {"version": torch.__version__, "device": name, "threads": torch.get_num_threads()}
    torch.set_num_threads(request["threads"])
    return {"version": torch.__version__, "device": "cpu", "threads": torch.get_num_threads()}


def read(spec):
    stored = torch.float32 if spec["dtype"] == "bfloat16" else DTYPES[spec["dtype"]]
    count = os.path.getsize(spec["path"]) // 4
    values = torch.from_file(spec["path"], size=count, dtype=stored).clone().reshape(spec["shape"]).to(place["device"])
    return values.to(torch.bfloat16) if spec["dtype"] == "bfloat16" else values


def prepare(request):
    scope = {"torch": torch, "F": torch.nn.functional}
    for name, spec in request["inputs"].items():
        scope[name] = read(spec)
    exec(request["setup"], scope)
    names = [name for name in scope if name.isidentifier() and not name.startswith("__")]
    # Names become locals of the loop: looking globals up would be charged to PyTorch.
    parameters = ", ".join(f"{name}={name}" for name in names)
    exec(f"def loop(calls, {parameters}):\n    for _ in range(calls):\n        {request['code']}\n", scope)
    state["loop"] = scope["loop"]
    return describe(eval(request["code"], scope)) if request["check"] else {}


def describe(result):
    parts = [part.detach().double().reshape(-1) for part in (result if isinstance(result, (tuple, list)) else [result])]
    values = torch.cat(parts)
    return {"count": values.numel(), "sum": values.sum().item(), "magnitude": values.abs().sum().item()}


def run(request):
    if place["device"].type == "cuda":
        return {"ms": run_on_gpu(request["calls"]) / request["calls"]}
    start = time.perf_counter()
    state["loop"](request["calls"])
    return {"ms": (time.perf_counter() - start) * 1000 / request["calls"]}


def run_on_gpu(calls):
    start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    start.record()
    state["loop"](calls)
    end.record()
    end.synchronize()
    return start.elapsed_time(end)


def release(_):
    state.clear()
    return {}


place = {"device": torch.device("cpu")}
state = {}
commands = {"hello": hello, "prepare": prepare, "time": run, "release": release}
for line in sys.stdin:
    message = json.loads(line)
    try:
        answer = commands[message["command"]](message)
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
