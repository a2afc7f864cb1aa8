"""SVHN's cropped digits as a TFDS data set, built without TensorFlow."""

import os
from typing import Any

import tensorflow_datasets as tfds

from iae_jax.data.builders.download import Examples, downloaded
from iae_jax.data.codec import encode_png

_SVHN = tfds.builder_cls("svhn_cropped")


class SvhnCropped(_SVHN, skip_registration=True):  # type: ignore[call-arg, misc, valid-type]
    """TFDS's `svhn_cropped/3.1.0`: 73,257 train, 26,032 test and 531,131 extra digits, 32x32x3.
    Preparing it takes 1.6 GB of memory, the pixels of the largest file."""

    name = "svhn_cropped"
    VERSION = _SVHN.VERSION
    url_infos = _SVHN.url_infos

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        files = {split: f"{split}_32x32.mat" for split in ("train", "test", "extra")}
        paths = downloaded(self, dl_manager, tuple(files.values()))
        return {
            split: self._generate_examples(f"{split}_", paths[file])
            for split, file in files.items()
        }

    def _generate_examples(self, prefix: str, path: os.PathLike[str]) -> Examples:
        import scipy.io

        with open(path, "rb") as file:
            content = scipy.io.loadmat(file)
        # X is [32, 32, 3, N]; the digit 0 has label 10.
        for index, label in enumerate(content["y"].ravel()):
            image = encode_png(content["X"][..., index])
            yield index, {"id": f"{prefix}{index:06d}", "image": image, "label": int(label) % 10}
