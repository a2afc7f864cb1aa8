"""Figures of experiments that are drawn of records, or of files of a run, by hand."""

import itertools
from contextlib import contextmanager

import numpy as np
import pytest

from experiments import benchmark, mnist_clustering, processes, scaling, weak_scaling
from iae_jax.files import figures


@pytest.fixture
def shown(monkeypatch):
    """The panels of the figure that is drawn next."""
    kept, panels = [], figures.panels

    @contextmanager
    def keeping(*arguments, **options):
        with panels(*arguments, **options) as axes:
            yield axes
            kept.extend(itertools.chain(*axes))

    monkeypatch.setattr(figures, "panels", keeping)
    return kept


def records(metric, **values):
    return [
        {"metric": metric, "variant": name.replace("__", "/"), "values": own, "mean": own[0]}
        for name, own in values.items()
    ]


def test_steps_over_their_size_are_those_of_the_records(shown, tmp_path):
    """A step that takes as long as the square of the batch; devices are another panel."""
    found = records(
        "milliseconds_per_step",
        batch__16=[1.0, 9.0, 2.0], batch__32=[8.0, 8.0, 7.0],
        devices__1=[3.0], devices__2=[12.0], seeds_of_ali__1=[1.0], seeds_of_ali__2=[2.0],
    )  # fmt: skip
    scaling.draw(tmp_path / "a.png", found + records("busy_share", all=[0.1]))
    batch, devices, seeds, blank = shown
    assert [ax.get_title() for ax in shown] == ["batch", "devices", "seeds of ali", ""]
    assert batch.lines[0].get_xydata().tolist() == [[16, 2], [32, 8]]
    assert batch.lines[1].get_xydata().tolist() == [[16, 2], [32, 4]]  # in proportion
    corners = {tuple(one) for one in batch.collections[0].get_paths()[0].vertices.tolist()}
    assert corners == {(16, 1), (16, 9), (32, 7), (32, 8)}
    assert [ax.get_xlabel() for ax in (batch, devices, seeds)] == [
        "images: exponent 2.00", "virtual devices: exponent 2.00", "seeds at once: exponent 1.00",
    ]  # fmt: skip
    assert not blank.axison


def test_the_share_of_collectives_is_that_of_the_records(shown, tmp_path):
    found = records("collective_share", devices__1=[0.1, 0.3, 0.2], devices__8=[-0.1, 0.0, 0.4])
    weak_scaling.draw(tmp_path / "a.png", found + records("busy_share", all=[0.1]))
    (ax,) = shown
    np.testing.assert_allclose(ax.lines[0].get_xydata(), [[1, 0.2], [8, 0.0]])
    assert ax.get_ylim()[0] < -0.1 and ax.get_ylim()[1] > 0.4


def test_a_step_of_two_processes_is_cut_into_its_parts(shown, tmp_path):
    found = records(
        "milliseconds_per_step", a__with=[9.0], a__without=[4.0, 6.0], a__all_reduce=[1.0]
    )
    processes.draw(tmp_path / "a.png", found)
    assert [bar.get_width() for bar in shown[0].patches] == [5, 1, 3]


def test_a_bar_goes_from_one_to_the_ratio(shown, tmp_path):
    found = []
    for which, faster, slower in (("", 2.0, 0.8), ("_lowest", 1.5, 0.7), ("_highest", 2.5, 1.1)):
        values = {"mlp_vae__pythae": [faster], "conv64__torch_twin": [slower]}
        found += records(f"{benchmark.RATIO}{which}", **values)
    benchmark.draw(tmp_path / "a.png", found)
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in shown[0].patches]
    np.testing.assert_allclose(ends, [(1, 0.8), (1, 2.0)])
    (lines,) = [one for one in shown[0].collections if hasattr(one, "get_segments")]
    spread = np.array(lines.get_segments())[:, :, 0]
    np.testing.assert_allclose(spread, [[0.7, 1.1], [1.5, 2.5]])


def test_clusters_stand_in_blocks_that_a_phone_can_show(monkeypatch, tmp_path):
    """Columns are clusters, in order, whatever their number; rows are local codes."""
    drawn = []
    monkeypatch.setattr(figures, "rows_of_images", lambda path, *shown: drawn.append(shown))
    runs = {}
    for variant, count in mnist_clustering.preset.CATEGORIES.items():
        runs[variant] = tmp_path / variant
        runs[variant].mkdir()
        x = np.zeros((6, count, 2, 2, 1)) + np.arange(count)[:, None, None, None]
        np.savez(runs[variant] / "traversals.npz", x=x)
    mnist_clustering.draw(tmp_path / "a.png", runs)
    ((groups, columns),) = drawn
    assert columns == 10
    assert [name for name, _ in groups] == ["K = 10", "K = 16", "", "K = 30", "", ""]
    assert {len(rows) for _, rows in groups} == {mnist_clustering.ROWS}
    firsts = [[int(image[0, 0, 0]) for image in rows[0]] for _, rows in groups]
    assert firsts[0] == list(range(10))
    assert firsts[1] + firsts[2] == list(range(16)) and len(firsts[1]) == 8
    assert sum(firsts[3:], []) == list(range(30)) and {len(one) for one in firsts[3:]} == {10}
