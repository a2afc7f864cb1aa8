"""The measurement of many images: what it makes, what it checks, and, marked experiment, a whole
small one."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from experiments import many_images
from iae_jax.errors import InputError


def test_the_folder_has_so_many_images_and_their_words(tmp_path):
    many_images.make(tmp_path, 5)
    with (tmp_path / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    # Squares of 0 ... 4 by 7: 0, 1, 4, 2, 2; by 3: 0, 1, 1, 2, 2.
    assert [row["label"] for row in rows] == ["beech", "oak", "oak", "rowan", "rowan"]
    assert [row["file"] for row in rows] == [f"00000{i}.png" for i in range(5)]
    images = [np.asarray(Image.open(tmp_path / row["file"])) for row in rows]
    assert {image.shape for image in images} == {(32, 32, 3)}
    assert len({image.tobytes() for image in images}) == 5


def written(path, order):
    """The files of 5 images, in an order."""
    (path / "samples").mkdir()
    Image.new("RGB", (2, 2)).save(path / "samples" / "0.png")
    names, labels = [f"{i:06d}.png" for i in order], [0, 1, 1, 2, 2]
    words = np.array(many_images.WORDS)
    np.savez(
        path / "codes_images.npz",
        names=names, labels=labels, class_names=words, vector=np.zeros((5, 2)),
    )  # fmt: skip
    with (path / "scores_images.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["name", "class"])
        lines.writerows(zip(names, words[labels], strict=True))


@pytest.mark.parametrize(
    ("order", "samples", "right"),
    [(range(5), 1, True), ((0, 1, 2, 4, 3), 1, False), (range(5), 2, False)],
)
def test_rows_that_are_out_of_place_are_seen(tmp_path, order, samples, right):
    written(tmp_path, order)
    if right:
        many_images.check(tmp_path, 5, samples)
        return
    with pytest.raises(InputError, match="do not belong to their images"):
        many_images.check(tmp_path, 5, samples)


@pytest.mark.parametrize("words", [["--images=199"], ["--samples=0"], ["--image=300"]])
def test_what_cannot_be_measured_is_refused(words, tmp_path, capsys):
    assert many_images.main([*words, f"--results={tmp_path}"]) == 2
    assert not list(tmp_path.iterdir())
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.experiment
def test_a_small_folder_is_read(tmp_path):
    words = ["--images=300", "--samples=20", f"--folder={tmp_path}", f"--results={tmp_path}"]
    assert many_images.main(words) == 0
    records = json.loads((tmp_path / "many_images.partial.json").read_text())["records"]
    found = {(one["metric"], one["variant"]): one["values"][0] for one in records}
    assert all(100 < found["peak_host_megabytes", mode] < 2048 for mode in many_images.MODES)
