"""PyTorch on the CPU in the race: a child of main.ts, which speaks the protocol of protocol.ts."""

import json
import math
import os
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

SAMPLES = 64


def hash32(index, seed):
    """numbers.ts has the same."""
    with np.errstate(over="ignore"):
        h = index * np.uint32(0x9E3779B1) + np.uint32(seed * 0x85EBCA6B & 0xFFFFFFFF)
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x85EBCA6B)
        h ^= h >> np.uint32(13)
        h *= np.uint32(0xC2B2AE35)
        h ^= h >> np.uint32(16)
    return h


def numbers_of(operand):
    h = hash32(np.arange(math.prod(operand["shape"]), dtype=np.uint32), operand["seed"])
    values = ((h >> np.uint32(8)) * 2.0**-23 - 1.0) * operand["scale"]
    return torch.from_numpy(values.astype(np.float32)).reshape(operand["shape"])


def labels_of(batch, classes, seed):
    h = hash32(np.arange(batch, dtype=np.uint32), seed)
    return torch.from_numpy(np.floor((h >> np.uint32(8)) * 2.0**-24 * classes).astype(np.int64))


def digest_of(name, tensor):
    values = tensor.detach().reshape(-1)
    size = values.numel()
    places = np.arange(min(size, SAMPLES), dtype=np.uint32)
    if size > SAMPLES:
        places = hash32(places, size) % np.uint32(size)
    samples = values[torch.from_numpy(places.astype(np.int64))]
    rms = values.double().square().mean().sqrt()
    return {"name": name, "rms": rms.item(), "samples": samples.tolist()}


class Kernel:
    """One op."""

    def __init__(self, workload):
        a, b = (numbers_of(operand) for operand in workload["operands"])
        if workload["kind"] == "matmul":
            self.compute = lambda: a @ b
            return
        conv = workload["conv"]
        # None: no bias. The last three say which gradients are wanted: of the input, the weight and the bias.
        geometry = [conv["stride"]] * 2, [conv["padding"]] * 2, [1, 1], False, [0, 0], conv["groups"]
        backward = torch.ops.aten.convolution_backward
        x, weight = (torch.empty(conv[key]) for key in ("input", "weight"))
        self.compute = {
            "forward": lambda: torch.conv2d(a, b, None, geometry[0], geometry[1], 1, conv["groups"]),
            "input gradient": lambda: backward(a, x, b, None, *geometry, [True, False, False])[0],
            "weight gradient": lambda: backward(b, a, weight, None, *geometry, [False, True, False])[1],
        }[workload["pass"]]

    def run(self):
        self.out = self.compute()

    def result(self):
        return [digest_of("result", self.out)]


class Step:
    """A training step, without local response normalisation and dropout."""

    def __init__(self, workload):
        self.workload = workload
        self.parameters = {p["name"]: numbers_of(p).requires_grad_() for p in workload["parameters"]}
        self.velocities = {name: torch.zeros_like(w) for name, w in self.parameters.items()}
        self.images = numbers_of(workload["images"])
        self.labels = labels_of(workload["batch"], workload["classes"], workload["labels"])

    def layer(self, x, row):
        kind = row["layer"]
        if kind in ("conv2d", "linear"):
            weight, bias = (self.parameters[f"{row['name']}.{what}"] for what in ("weight", "bias"))
            if kind == "linear":
                return F.linear(x, weight, bias)
            return F.conv2d(x, weight, bias, row.get("stride", 1), row.get("padding", 0), 1, row.get("groups", 1))
        if kind == "relu":
            return F.relu(x)
        if kind == "maxPool2d":
            return F.max_pool2d(x, row["window"], row["stride"])
        if kind == "flatten":
            return x.flatten(1)
        if kind in ("localResponseNorm", "dropout"):
            return x
        raise ValueError(f"{kind} is not raced")

    def run(self):
        x = self.images.clone()
        for row in self.workload["rows"]:
            x = self.layer(x, row)
        self.loss = F.cross_entropy(x, self.labels)
        gradients = torch.autograd.grad(self.loss, list(self.parameters.values()))
        lr, decay = self.workload["lr"], self.workload["weightDecay"]
        with torch.no_grad():
            for (name, w), gradient in zip(self.parameters.items(), gradients):
                v = self.velocities[name]
                v.mul_(self.workload["momentum"]).sub_(w, alpha=decay * lr).sub_(gradient, alpha=lr)
                w.add_(v)

    def result(self):
        digests = [digest_of("loss", self.loss)]
        for name, v in self.velocities.items():
            if v.dim() == 1:
                digests.append(digest_of(f"velocity of {name}", v))
                continue
            for row in sorted({0, len(v) // 2, len(v) - 1}):
                digests.append(digest_of(f"velocity of {name}, row {row}", v[row]))
        return digests


def measure(prepared, runs):
    start = time.perf_counter()
    for _ in range(runs):
        prepared.run()
    return (time.perf_counter() - start) * 1e3


class Child:
    """What the driver talks to."""

    prepared = None

    def answer(self, command):
        if "prepare" in command:
            workload = command["prepare"]
            self.prepared = (Step if workload["kind"] == "step" else Kernel)(workload)
            first = measure(self.prepared, 1)
            device = f"PyTorch {torch.__version__} on {torch.get_num_threads()} threads"
            return {"ready": True, "firstMs": first, "device": device}
        if "stats" in command:
            return {"peakRss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
        if "run" in command:
            return {"ms": measure(self.prepared, command["run"]) / command["run"]}
        return {"digests": self.prepared.result()}


torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
child = Child()
for line in sys.stdin:
    try:
        reply = child.answer(json.loads(line))
    except Exception as error:  # The driver tells it, and the race goes on without this contender.
        reply = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply), flush=True)
