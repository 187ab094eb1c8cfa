"""Front and side, and sets, through the shipped R-Net: the side picture counts, a wrong one is reported."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfface.errors import UserError
from tfface.evaluation.person_sets import People, Shape, look, measure, noise, scan_nme, summary
from tfface.evaluation.person_sets_report import nme_rows, pair_rows, set_rows, write_sets_report
from tfface.inference import Reconstructor
from tfface.io.formats import FileOptions
from tfface.one_person import doubts, save_neutral
from tfface.viz.skin import SkinTexture, merged_skin

SEED = 7 << 40


@pytest.fixture(scope="module")
def network() -> Reconstructor:
    return Reconstructor("rnet_points")


@pytest.fixture(scope="module")
def rows(network: Reconstructor) -> list[dict[str, float]]:
    return measure(network, 6, People(SEED, 4))


def test_more_pictures_and_the_right_side_picture_tell_more(rows: list[dict[str, float]]) -> None:
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    assert mean["good 4 together"] < min(mean["good 1 together"], mean["good 4 mean"])
    assert mean["pair"] < mean["front"] and mean["pair"] < mean["side: another person's"]
    assert mean["side: black"] == pytest.approx(mean["front"], rel=0.05)  # it is not counted


def test_the_report_has_a_row_for_each_method_and_each_wrong_side(
    rows: list[dict[str, float]], network: Reconstructor, tmp_path: Path
) -> None:
    assert network.points is not None
    result = summary(rows, network.points.trust)
    results = write_sets_report(tmp_path, {"net": result})
    assert json.loads((tmp_path / "results.json").read_text())["models"]["net"] == results["models"]["net"]
    assert (tmp_path / "sets.png").stat().st_size > 5000 < (tmp_path / "pairs.png").stat().st_size
    head, lines = set_rows(result)
    assert head[1:] == ["1", "2", "4"] and len(lines) == 15
    shown = {line[0]: line for line in pair_rows(result)[1]}
    assert shown["side: black"][4] == "100 %" and shown["pair"][3] == "0 %"
    fall, low, high = result["nme_pair_below_front_percent"]
    assert low < fall < high and (tmp_path / "ced.png").stat().st_size > 5000
    means = {line[0]: float(line[1].split()[0]) for line in nme_rows(result)[1]}
    assert 0 < means["pair"] < means["usual"] < 5
    assert scan_nme(np.zeros(150), np.zeros(150)) == pytest.approx(0, abs=1e-3)


def test_noise_is_reported_and_the_shape_is_the_other_pictures(network: Reconstructor) -> None:
    person, rng = People(SEED, 0)(0), np.random.default_rng(0)
    front, side = look(network, [person.front, person.front.with_picture(noise(person.front.image, rng))])
    together = network.as_set([front, side], same_moment=True)
    assert doubts(together, network.points).useless == [1]
    alone = network.as_set([front])[0]
    assert alone.decoded is not None and together[0].decoded is not None
    same = (alone.decoded.parts["identity"], together[0].decoded.parts["identity"])
    assert Shape()(*map(np.float64, same)) < 0.5  # mm; a useless picture moves expression and pose a little
    stranger = [replace(together[0], strangeness=9.0, worth=1.0), replace(together[1], strangeness=8.0, worth=1.0)]
    assert doubts(stranger, network.points).strangers == [0] and doubts(stranger, None).strangers == []


def test_the_neutral_head_is_the_mesh_that_predict_writes_without_expression(
    network: Reconstructor, tmp_path: Path
) -> None:
    person, files = People(SEED, 0)(1), FileOptions(mesh="head", level=0, formats=("obj", "glb"), texture_size=256)
    faces = network.as_set(look(network, [person.front, person.side]), same_moment=True)
    paths = save_neutral(faces, tmp_path, "somebody", files=files)
    assert [path.name for path in paths if path.suffix in (".obj", ".glb")] == [
        "somebody_neutral.obj",
        "somebody_neutral.glb",
    ]
    faces[0].save(tmp_path, "front", files=files)
    neutral, posed = ((tmp_path / name).read_text() for name in ("somebody_neutral.obj", "front.obj"))
    assert neutral.count("\nf ") == posed.count("\nf ") > 4000  # the same head, furnished
    assert "o tongue" in neutral and "somebody_neutral_texture.png" in {path.name for path in tmp_path.iterdir()}
    (tmp_path / "somebody_neutral.obj").write_text("a person's own")
    with pytest.raises(UserError, match="somebody_neutral.obj"):
        save_neutral(faces, tmp_path, "somebody", files=files)


def test_a_skin_of_two_views_has_each_view_where_it_sees_the_face() -> None:
    rng = np.random.default_rng(0)
    seen = np.zeros((64, 64, 1), np.uint8)
    seen[:, :40] = 255
    light = np.ones(3, np.float32)

    def skin(level: float, shown: np.ndarray) -> SkinTexture:
        origin = np.concatenate([255 - shown, shown, 0 * shown], axis=-1)
        return SkinTexture(np.uint8(np.where(shown > 0, level, rng.integers(0, 255, (64, 64, 3)))), origin, light)

    left, right = skin(90, seen), skin(180, seen[:, ::-1])
    merged = merged_skin([left, right])
    assert np.abs(merged.colours.astype(int) - 90).max() <= 2  # exposures are brought together
    assert (merged.origin[..., 1] == 255).all()
    np.testing.assert_array_equal(merged_skin([left]).colours, left.colours)
