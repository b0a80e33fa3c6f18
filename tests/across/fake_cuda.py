"""Runs a program of PyTorch's as if there were CUDA: what would be put on that device stays on the CPU.

    python3 fake_cuda.py program.py arguments...
"""

import runpy
import sys

import torch


class FakeDevice:
    type = "cuda"

    def __init__(self, name):
        assert name == "cuda", name


waits = 0


def synchronize():
    global waits
    waits += 1


def to(tensor, device, **options):
    if not isinstance(device, FakeDevice):
        return real_to(tensor, device, **options)
    # A copy that is not to be waited for is one from pinned memory.
    assert not options or getattr(tensor, "pinned", False), options
    return tensor.clone()


def pin_memory(tensor):
    tensor.pinned = True
    return tensor


def empty(shape, device):
    assert isinstance(device, FakeDevice)
    return real_empty(shape)


real_to, real_empty = torch.Tensor.to, torch.empty
torch.Tensor.to, torch.Tensor.pin_memory = to, pin_memory
torch.empty, torch.device = empty, FakeDevice
torch.cuda.is_available = lambda: True
torch.cuda.synchronize = synchronize
torch.cuda.get_device_name = lambda device: f"a fake, {waits} waits"
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
