"""Class probabilities of whole images, by windows that slide over them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray
from torch import nn

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.apnea import by_minute_logits
from halsted.agents.perception.nuclei import REGIONS
from halsted.agents.perception.specification import Network

_OVERLAP = 0.25
_SMALLEST_WINDOW = 32
_LEAST = 1e-9


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def logits_of(network: Network, module: nn.Module, image: NDArray[np.float32]) -> torch.Tensor:
    """(output, *space) logits of one image (input, *space).

    Those of a diagnosis are (output, 1, 1), those of a recording (output, minute).

    A window that does not fit into the GPU's memory is halved, and a warning says so.

    Raises:
        PerceptionError: not even the smallest window fits.
    """
    tensor = torch.from_numpy(np.array(image))[None]
    if network.task == "diagnosis":
        with torch.inference_mode():
            seen = module(tensor.to(next(module.parameters()).device))
        return torch.as_tensor(seen)[0, :, None, None].float().cpu()
    window = network.patch if not network.size else tensor.shape[2:]
    where = next(module.parameters()).device
    while True:
        try:
            with torch.inference_mode():
                found = sliding_window_inference(
                    tensor, window, 4, module, _OVERLAP, mode="gaussian",
                    sw_device=where, device=torch.device("cpu"), padding_mode="replicate",
                )  # fmt: skip
            logits = torch.as_tensor(found)[0].float()
            return by_minute_logits(logits) if network.task == "minutes" else logits
        except torch.OutOfMemoryError as error:
            window = smaller_window(window)
            if not window:
                raise PerceptionError(
                    f"the network {network.name} does not fit into the memory of the GPU even "
                    f"with windows of {_SMALLEST_WINDOW}; hide the GPU (CUDA_VISIBLE_DEVICES=)"
                ) from error
            warnings.warn(f"out of GPU memory; going on with windows of {window}", stacklevel=2)


def activated(network: Network, logits: torch.Tensor) -> torch.Tensor:
    """(output, *space) probabilities of logits; of instances regions and classes apart."""
    if network.task != "instances":
        return torch.softmax(logits, dim=0)
    regions, classes = logits[:REGIONS], logits[REGIONS:]
    return torch.cat([torch.softmax(regions, dim=0), torch.softmax(classes, dim=0)])


def smaller_window(window: Sequence[int]) -> tuple[int, ...]:
    """Half the window in every direction; empty where that is too small to see by."""
    halved = tuple(min(edge, max(_SMALLEST_WINDOW, edge // 2)) for edge in window)
    return halved if halved != tuple(window) else ()


def mean_logits(
    network: Network, modules: Sequence[nn.Module], image: NDArray[np.float32], samples: int = 0
) -> torch.Tensor:
    """(output, *space) logits of the mean probabilities over members and samples.

    Args:
        network: What it sees.
        modules: Members of the ensemble.
        image: (input, *space).
        samples: Passes of Monte-Carlo dropout a member (Gal and Ghahramani 2016,
            arXiv:1506.02142); 0 for one pass without.
    """
    total: torch.Tensor | None = None
    for module in modules:
        with dropping_out(module, samples > 0):
            for _ in range(max(1, samples)):
                found = activated(network, logits_of(network, module, image))
                total = found if total is None else total + found
    if total is None:
        raise PerceptionError(f"the network {network.name} has no members; train it again")
    return torch.log(total / (len(modules) * max(1, samples)) + _LEAST)


def probabilities(
    network: Network, logits: torch.Tensor, temperature: float = 1.0
) -> NDArray[np.float32]:
    """(output, *space) probabilities of logits that are divided by a temperature.

    The temperature makes a network's confidence honest (Guo et al. 2017, arXiv:1706.04599).
    """
    return np.asarray(activated(network, logits / temperature), np.float32)


def entropy(found: NDArray[np.float32]) -> NDArray[np.float32]:
    """(*space) entropy of probabilities (class, *space), from 0 to 1 at equal odds for all."""
    bits = -np.sum(found * np.log(np.maximum(found, 1e-12)), axis=0) / np.log(len(found))
    return np.asarray(bits, np.float32)


@contextmanager
def dropping_out(module: nn.Module, wanted: bool) -> Iterator[None]:
    """Dropout layers at work inside, the rest of the network as it looks."""
    layers = [one for one in module.modules() if isinstance(one, nn.modules.dropout._DropoutNd)]
    for layer in layers:
        layer.train(wanted)
    try:
        yield
    finally:
        for layer in layers:
            layer.eval()
