"""PyTorch in the race, on the CPU or with CUDA: a child of main.ts, which speaks the protocol of protocol.ts.

With CUDA, products take TF32 only where --tf32=on asks for it. By themselves PyTorch's convolutions do, its matrices do not.
"""

import argparse
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
    if operand.get("bytes"):
        return torch.from_numpy((h >> np.uint32(24)).astype(np.uint8)).reshape(operand["shape"])
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
    samples = values[torch.from_numpy(places.astype(np.int64)).to(values.device)]
    rms = values.double().square().mean().sqrt()
    return {"name": name, "rms": rms.item(), "samples": samples.tolist()}


class Kernel:
    """One op."""

    def __init__(self, workload, device):
        a, b = (numbers_of(operand).to(device) for operand in workload["operands"])
        if workload["kind"] == "matmul":
            self.compute = lambda: a @ b
            return
        conv = workload["conv"]
        # None: no bias. The last three say which gradients are wanted: of the input, the weight and the bias.
        geometry = [conv["stride"]] * 2, [conv["padding"]] * 2, [1, 1], False, [0, 0], conv["groups"]
        backward = torch.ops.aten.convolution_backward
        x, weight = (torch.empty(conv[key], device=device) for key in ("input", "weight"))
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

    def __init__(self, workload, device):
        self.workload, self.device = workload, device
        self.parameters = {p["name"]: numbers_of(p).to(device).requires_grad_() for p in workload["parameters"]}
        self.velocities = {name: torch.zeros_like(w) for name, w in self.parameters.items()}
        images = numbers_of(workload["images"])
        labels = labels_of(workload["batch"], workload["classes"], workload["labels"])
        # As a loader of PyTorch's hands a batch over that is to be uploaded while the step before runs.
        pin = device.type == "cuda"
        self.images, self.labels = (each.pin_memory() if pin else each for each in (images, labels))

    def enter(self):
        """The batch, uploaded."""
        if self.device.type == "cpu":
            images, labels = self.images.clone(), self.labels
        else:
            images, labels = (each.to(self.device, non_blocking=True) for each in (self.images, self.labels))
        if images.dtype == torch.uint8:
            images = images.float().mul_(2.0**-7).sub_(1.0)
        return images, labels

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
        x, labels = self.enter()
        for row in self.workload["rows"]:
            x = self.layer(x, row)
        self.loss = F.cross_entropy(x, labels)
        weights, velocities = list(self.parameters.values()), list(self.velocities.values())
        gradients = torch.autograd.grad(self.loss, weights)
        lr, decay = self.workload["lr"], self.workload["weightDecay"]
        # As PyTorch's own SGD does it, all parameters in one call: with CUDA those are few kernels.
        with torch.no_grad():
            torch._foreach_mul_(velocities, self.workload["momentum"])
            torch._foreach_sub_(velocities, weights, alpha=decay * lr)
            torch._foreach_sub_(velocities, gradients, alpha=lr)
            torch._foreach_add_(weights, velocities)

    def result(self):
        digests = [digest_of("loss", self.loss)]
        for name, v in self.velocities.items():
            if v.dim() == 1:
                digests.append(digest_of(f"velocity of {name}", v))
                continue
            for row in sorted({0, len(v) // 2, len(v) - 1}):
                digests.append(digest_of(f"velocity of {name}, row {row}", v[row]))
        return digests


class Child:
    """What the driver talks to."""

    def __init__(self, device):
        self.device = device
        self.prepared = None

    def wait(self):
        """Until the device has done what it was given; a CPU has by the time that a call returns."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def measure(self, runs):
        self.wait()
        start = time.perf_counter()
        for _ in range(runs):
            self.prepared.run()
        self.wait()
        return (time.perf_counter() - start) * 1e3

    def description(self):
        if self.device.type == "cpu":
            return f"PyTorch {torch.__version__} on {torch.get_num_threads()} threads"
        tf32 = "on" if torch.backends.cudnn.allow_tf32 else "off"
        name = torch.cuda.get_device_name(self.device)
        return f"PyTorch {torch.__version__}, CUDA {torch.version.cuda} on {name}, TF32 {tf32}"

    def answer(self, command):
        if "prepare" in command:
            workload = command["prepare"]
            self.prepared = (Step if workload["kind"] == "step" else Kernel)(workload, self.device)
            return {"ready": True, "firstMs": self.measure(1), "device": self.description()}
        if "stats" in command:
            return {"peakRss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
        if "run" in command:
            return {"ms": self.measure(command["run"]) / command["run"]}
        return {"digests": self.prepared.result()}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--tf32", choices=["off", "on"], default="off")
    parsed = parser.parse_args()
    if parsed.tf32 == "on" and parsed.device == "cpu":
        parser.error("--tf32=on wants --device=cuda: a CPU has no TF32")
    if parsed.device == "cuda" and not torch.cuda.is_available():
        parser.error(f"--device=cuda: PyTorch {torch.__version__} finds no CUDA device here")
    return parsed


def main():
    parsed = arguments()
    torch.set_num_threads(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = parsed.tf32 == "on"
    # As a user would who wants it fast: cuDNN tries its kernels in the first run and keeps the best.
    torch.backends.cudnn.benchmark = True
    child = Child(torch.device(parsed.device))
    for line in sys.stdin:
        try:
            reply = child.answer(json.loads(line))
        except Exception as error:  # The driver tells it, and the race goes on without this contender.
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), flush=True)


main()
