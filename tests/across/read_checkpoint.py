"""PyTorch reads a checkpoint's model.safetensors without a library for it, and computes the logits of images."""

import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F


def read(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", name
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], dtype="<f4").copy()
        tensors[name] = torch.from_numpy(values).reshape(entry["shape"])
    return metadata["model"], tensors


def norm(x):
    # The paper's alpha is not divided by the size, PyTorch's is; each half is a tower of its own.
    return torch.cat([F.local_response_norm(half, 5, alpha=5e-4, beta=0.75, k=2) for half in x.chunk(2, 1)], 1)


def lenet5(layer, x):
    x = F.avg_pool2d(torch.tanh(layer("conv1", x, padding=2)), 2)
    x = F.avg_pool2d(torch.tanh(layer("conv2", x)), 2).flatten(1)
    return layer("fc5", torch.tanh(layer("fc4", torch.tanh(layer("fc3", x)))))


def alexnet_mini(layer, x):
    x = F.max_pool2d(norm(F.relu(layer("conv1", x, padding=2))), 3, 2)
    x = F.max_pool2d(norm(F.relu(layer("conv2", x, padding=2, groups=2))), 3, 2)
    x = F.relu(layer("conv3", x, padding=1))
    x = F.relu(layer("conv4", x, padding=1, groups=2))
    x = F.max_pool2d(F.relu(layer("conv5", x, padding=1, groups=2)), 3, 2).flatten(1)
    return layer("fc8", F.relu(layer("fc7", F.relu(layer("fc6", x)))))


model, tensors = read(sys.argv[1])


def layer(name, x, **options):
    apply = F.conv2d if name.startswith("conv") else F.linear
    return apply(x, tensors.pop(f"{name}.weight"), tensors.pop(f"{name}.bias"), **options)


images = torch.from_numpy(np.fromfile(sys.argv[2], dtype="<f4")).reshape(-1, 1, 28, 28)
logits = {"lenet5": lenet5, "alexnet_mini": alexnet_mini}[model](layer, images)
assert not tensors, f"nobody asked for {list(tensors)}"
print(json.dumps({"version": torch.__version__, "logits": logits.flatten().tolist()}))
