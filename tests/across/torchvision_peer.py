"""torchvision's AlexNet with seeded weights, for torchvision_test.ts.

`make FOLDER` writes its state dict, alexnet.safetensors; images, images.f32; its logits, logits.f32; and what it says of
picture.png in the folder when torchvision has prepared it, probabilities.f32.
`read FILE FOLDER` loads a state dict into torchvision's class, strictly, and prints how far its logits are from logits.f32.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torchvision
from PIL import Image

SHAPE = (2, 3, 224, 224)


def save(path, tensors):
    """safetensors: the length of a JSON header, the header, the numbers."""
    header, data, end = {}, [], 0
    for name, tensor in tensors.items():
        data.append(tensor.numpy().tobytes())
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [end, end + len(data[-1])]}
        end += len(data[-1])
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(data))


def load(path):
    """The tensors of such a file."""
    file = path.read_bytes()
    start = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:start])
    header.pop("__metadata__", None)
    return {
        name: torch.from_numpy(
            np.frombuffer(file[start + place[0] : start + place[1]], dtype="<f4").reshape(shape).copy()
        )
        for name, (shape, place) in {n: (e["shape"], e["data_offsets"]) for n, e in header.items()}.items()
    }


torch.set_num_threads(1)
command, *paths = sys.argv[1:]
folder = pathlib.Path(paths[-1])
if command == "make":
    torch.manual_seed(2012)
    model = torchvision.models.alexnet(weights=None).eval()
    for tensor in model.parameters():
        if tensor.dim() > 1:
            # PyTorch's own start lets the signal fade: all logits would be about 0.
            torch.nn.init.kaiming_normal_(tensor, nonlinearity="relu")
    images = torch.randn(SHAPE)
    prepare = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.transforms()
    picture = prepare(Image.open(folder / "picture.png").convert("RGB"))
    save(folder / "alexnet.safetensors", model.state_dict())
    images.numpy().tofile(folder / "images.f32")
    with torch.no_grad():
        model(images).numpy().tofile(folder / "logits.f32")
        model(picture[None]).softmax(1).numpy().tofile(folder / "probabilities.f32")
else:
    model = torchvision.models.alexnet(weights=None).eval()
    model.load_state_dict(load(pathlib.Path(paths[0])), strict=True)
    images = torch.from_numpy(np.fromfile(folder / "images.f32", dtype="<f4").reshape(SHAPE))
    expected = torch.from_numpy(np.fromfile(folder / "logits.f32", dtype="<f4").reshape(SHAPE[0], -1))
    with torch.no_grad():
        print(float((model(images) - expected).abs().max()))
