"""MONAI's networks by name. None is written here that MONAI has."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from monai.networks.nets.densenet import DenseNet
from monai.networks.nets.dynunet import DynUNet
from monai.networks.nets.segresnet import SegResNet
from monai.networks.nets.unet import UNet
from torch import nn

from halsted.agents.errors import PerceptionError
from halsted.agents.perception.specification import Network


def _unet(network: Network) -> nn.Module:
    return UNet(
        spatial_dims=network.dimensions,
        in_channels=network.inputs,
        out_channels=network.outputs,
        channels=network.features,
        strides=(2,) * (len(network.features) - 1),
        num_res_units=2,
        dropout=network.dropout,
    )


def _segresnet(network: Network) -> nn.Module:
    return SegResNet(
        spatial_dims=network.dimensions,
        init_filters=network.features[0],
        in_channels=network.inputs,
        out_channels=network.outputs,
        dropout_prob=network.dropout,
    )


def _dynunet(network: Network) -> nn.Module:
    levels = len(network.features)
    strides = (1,) + (2,) * (levels - 1)
    return DynUNet(
        spatial_dims=network.dimensions,
        in_channels=network.inputs,
        out_channels=network.outputs,
        kernel_size=(3,) * levels,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=network.features,
        dropout=network.dropout,
        res_block=True,
    )


def _densenet(network: Network) -> nn.Module:
    return DenseNet(
        spatial_dims=network.dimensions,
        in_channels=network.inputs,
        out_channels=network.outputs,
        init_features=network.features[0],
        growth_rate=network.features[1],
        block_config=(3, 4, 5, 4),
        dropout_prob=network.dropout,
    )


ARCHITECTURES: Mapping[str, Callable[[Network], nn.Module]] = {
    "unet": _unet,
    "segresnet": _segresnet,
    "dynunet": _dynunet,
    "densenet": _densenet,
}


def build(network: Network) -> nn.Module:
    """The network with fresh weights, drawn by torch's global generator.

    Raises:
        PerceptionError: there is no such architecture.
    """
    if network.architecture not in ARCHITECTURES:
        raise PerceptionError(
            f"there is no architecture {network.architecture!r}; choose one of: "
            f"{', '.join(ARCHITECTURES)}"
        )
    return ARCHITECTURES[network.architecture](network)
