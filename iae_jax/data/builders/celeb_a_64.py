"""CelebA's faces, cropped and resized once, as a TFDS data set built without TensorFlow."""

import io
import zipfile
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from iae_jax.data.builders.download import Examples, downloaded
from iae_jax.data.codec import encode_png

_CELEBA = tfds.builder_cls("celeb_a")
_FACES, _PARTITION = "img_align_celeba.zip", "list_eval_partition.txt"  # of CelebA


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
        paths = downloaded(self, dl_manager, (_FACES, _PARTITION))
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
