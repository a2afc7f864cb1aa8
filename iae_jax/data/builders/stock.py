"""Fashion-MNIST, SVHN, CIFAR-10 and CelebA as TFDS data sets, built without TensorFlow.

As in `mnist`, a reader sees TFDS's own data set, and files are checked against TFDS's table of
sizes and SHA-256. CelebA differs: its faces are cropped and resized here, once.
"""

import io
import os
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from iae_jax.data.builders.mnist import Mnist
from iae_jax.data.codec import encode_png

_FASHION = tfds.image_classification.FashionMNIST
_SVHN = tfds.builder_cls("svhn_cropped")
_CIFAR = tfds.image_classification.Cifar10
_CELEBA = tfds.builder_cls("celeb_a")
_FACES, _PARTITION = "img_align_celeba.zip", "list_eval_partition.txt"  # of CelebA

Examples = Iterator[tuple[int, dict[str, Any]]]


def _downloaded(builder: Any, dl_manager: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """File name -> path, downloaded one after the other as in `mnist`."""
    urls = {info.filename: url for url, info in builder.url_infos.items()}
    return {name: dl_manager.download(urls[name]) for name in names}


class FashionMnist(Mnist, skip_registration=True):  # type: ignore[call-arg]
    """TFDS's `fashion_mnist/3.0.1`: 60,000 train and 10,000 test articles, 28x28x1."""

    name = "fashion_mnist"
    VERSION = _FASHION.VERSION
    url_infos = _FASHION.url_infos

    def _info(self) -> Any:
        return _FASHION._info(self)


class SvhnCropped(_SVHN, skip_registration=True):  # type: ignore[call-arg, misc, valid-type]
    """TFDS's `svhn_cropped/3.1.0`: 73,257 train, 26,032 test and 531,131 extra digits, 32x32x3.
    Preparing it takes 1.6 GB of memory, the pixels of the largest file."""

    name = "svhn_cropped"
    VERSION = _SVHN.VERSION
    url_infos = _SVHN.url_infos

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        files = {split: f"{split}_32x32.mat" for split in ("train", "test", "extra")}
        paths = _downloaded(self, dl_manager, tuple(files.values()))
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


class Cifar10(_CIFAR, skip_registration=True):  # type: ignore[call-arg, misc, valid-type]
    """TFDS's `cifar10/3.0.2`: 50,000 train and 10,000 test images, 32x32x3."""

    name = "cifar10"
    VERSION = _CIFAR.VERSION
    url_infos = _CIFAR.url_infos

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        info = self._cifar_info
        (path,) = _downloaded(self, dl_manager, (os.path.basename(info.url),)).values()
        with tarfile.open(path) as archive:
            names = archive.extractfile(info.prefix + info.label_files[0])
            assert names is not None  # it is a file
            self.info.features["label"].names = names.read().decode().split()
        return {
            "train": self._generate_examples("train_", path, info.train_files),
            "test": self._generate_examples("test_", path, info.test_files),
        }

    def _generate_examples(self, prefix: str, path: Any, files: list[str]) -> Examples:
        index = 0
        with tarfile.open(path) as archive:
            for name in files:
                file = archive.extractfile(self._cifar_info.prefix + name)
                assert file is not None
                # A label, then a red, a green and a blue plane.
                rows = np.frombuffer(file.read(), np.uint8).reshape(-1, 1 + 3 * 32 * 32)
                for row in rows:
                    image = row[1:].reshape(3, 32, 32).transpose(1, 2, 0)
                    yield (
                        index,
                        {
                            "id": f"{prefix}{index:05d}",
                            "image": encode_png(image),
                            "label": int(row[0]),
                        },
                    )
                    index += 1


class CelebA64(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """`celeb_a_64/1.0.0`: the aligned faces of CelebA, their central 178x178 pixels resized to
    64x64x3; CelebA's own train, validation and test; no attributes."""

    name = "celeb_a_64"
    VERSION = tfds.core.Version("1.0.0")
    url_infos = {
        url: info
        for url, info in _CELEBA.url_infos.items()
        if info.filename in (_FACES, _PARTITION)
    }
    SIDE, CROP = 64, 178

    def _info(self) -> Any:
        shape = (self.SIDE, self.SIDE, 3)
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict({"image": tfds.features.Image(shape=shape)}),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        paths = _downloaded(self, dl_manager, (_FACES, _PARTITION))
        with open(paths[_PARTITION]) as file:
            partition = dict(line.split() for line in file)
        return {
            split: self._generate_examples(
                paths[_FACES], [name for name, part in partition.items() if part == number]
            )
            for number, split in (("0", "train"), ("1", "validation"), ("2", "test"))
        }

    def _generate_examples(self, path: Any, names: list[str]) -> Examples:
        from PIL import Image

        with zipfile.ZipFile(path) as archive:
            for index, name in enumerate(names):
                face = Image.open(io.BytesIO(archive.read(f"img_align_celeba/{name}")))
                left, top = ((extent - self.CROP) // 2 for extent in face.size)
                box = (left, top, left + self.CROP, top + self.CROP)
                # resize(box=...) would mix in pixels outside the box, so crop first.
                small = (
                    face.convert("RGB")
                    .crop(box)
                    .resize((self.SIDE, self.SIDE), Image.Resampling.LANCZOS)
                )
                yield index, {"image": encode_png(np.asarray(small))}
