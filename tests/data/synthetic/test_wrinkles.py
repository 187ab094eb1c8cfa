"""The skin's relief: lines where age and expression put them, truth behind a base, and what bends its normals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tfface.data.synthetic.head.albedo import SkinChart
from tfface.data.synthetic.head.wrinkles import MOST_MM, Relief, WrinkleMaker, relief_slopes
from tfface.data.synthetic.sample import SyntheticSettings
from tfface.data.synthetic.scene import FaceGenerator
from tfface.face.open_model import load_open_face
from tfface.face.position_map import position_tables
from tfface.geometry.raster import vertex_normals
from tfface.training.detail_truth import TrueFace, angle_deg
from tfface.viz.unwrapped import Unwrapped, detailed_normals, skin_of_chart, unit

SIZE = 192


@pytest.fixture(scope="module")
def skin_chart() -> SkinChart:
    return SkinChart(load_open_face(), SIZE)


@pytest.fixture(scope="module")
def generator() -> FaceGenerator:
    plain = SyntheticSettings(image_size=192, bank_size=4, relief_size=SIZE, wrinkles=True, level=2).clean()
    return FaceGenerator(replace(plain, glasses=0.0, fringe=0.0, hanging_beard=0.0, front_yaw_deg=5.0))


def relief(maker: WrinkleMaker, age: float, **weights: float) -> np.ndarray:
    return maker(Relief.of(age, weights), np.random.default_rng(4))


def test_expressions_and_age_deepen_the_lines_that_go_with_them(skin_chart: SkinChart) -> None:
    maker = WrinkleMaker(skin_chart)
    forehead = skin_chart.blob(0, 766, 35, 15, 4) > 0.5
    fold = (skin_chart.blob(27, 660, 9, 14, 4) > 0.5) & (skin_chart.z > 60)
    young, old = relief(maker, 0.1), relief(maker, 0.9)
    assert old.std() > 2 * young.std() and np.abs(old).max() <= MOST_MM
    calm, raised = relief(maker, 0.5), relief(maker, 0.5, browInnerUp=0.9, browOuterUpLeft=0.8, browOuterUpRight=0.8)
    assert raised[forehead].std() > 1.8 * calm[forehead].std()
    smile = relief(maker, 0.1, mouthSmileLeft=0.9)
    change = np.abs(smile - young)
    assert change[fold & (skin_chart.x > 0)].mean() > 5 * change[fold & (skin_chart.x < 0)].mean()


def test_old_skin_at_rest_is_lined_where_no_expression_folds_it(skin_chart: SkinChart) -> None:
    """Below the eyes, and on the sides of the cheeks (3.1 times there when old skin has no fine crossing lines, 2.9
    without lines that lie anywhere, 2.8 without those down the cheeks)."""
    maker = WrinkleMaker(skin_chart)
    bags = skin_chart.blob(31, 698, 10, 5, 4) > 0.5
    elsewhere = (skin_chart.blob(58, 675, 5, 12, 4) > 0.5) & (skin_chart.z > 20)

    def rms(age: float, where: np.ndarray) -> float:
        maps = [maker(Relief.of(age, {}), np.random.default_rng(seed))[where] for seed in range(6)]
        return float(np.sqrt(np.mean(np.square(maps))))

    for place, times in ((bags, 5), (elsewhere, 3.25)):
        assert rms(0.95, place) > times * rms(0.1, place)


def test_what_is_not_skin_is_flat(skin_chart: SkinChart) -> None:
    displacement = relief(WrinkleMaker(skin_chart), 0.9, mouthPucker=0.8)
    for part in (skin_chart.mouth > 0.8, skin_chart.eyes[0] > 0.8, skin_chart.y < 598):
        assert part.any() and np.abs(displacement[part]).max() < 0.1


def test_a_freckle_is_flat_in_the_truth(generator: FaceGenerator) -> None:
    person = generator.person(3)
    spotted = replace(person, texture=np.array(person.texture))
    spotted.texture[100:104, 60:64, :3] //= 2
    assert np.array_equal(spotted.displacement, person.displacement)
    assert np.abs(spotted.albedo - person.albedo).max() > 0.05


def test_relief_is_shaded_and_the_default_has_none(generator: FaceGenerator) -> None:
    assert FaceGenerator(replace(generator.settings, wrinkles=False)).person(3).displacement is None
    view, person = generator.photograph(3, 3)
    flat = replace(person, displacement=np.zeros_like(person.displacement))
    pictures = [generator.render(one, view.camera)[0] for one in (person, flat)]
    assert np.abs(pictures[0] - pictures[1]).mean() > 2e-4
    assert relief_slopes(flat.displacement).max() == 0


def test_normals_of_a_wave_are_the_known_ones() -> None:
    column, row = np.meshgrid(np.arange(256.0), np.arange(256.0))
    position = np.stack([0.5 * column, -0.5 * row, 0 * row], axis=-1)  # half a millimetre a texel, facing us
    normal = np.broadcast_to([0.0, 0.0, 1.0], position.shape)
    wave = 0.3 * np.sin(0.5 * column * 0.4)
    slope = 0.3 * 0.4 * np.cos(0.5 * column * 0.4)
    known = unit(np.stack([-slope, 0 * slope, np.ones_like(slope)], axis=-1))
    assert angle_deg(detailed_normals(position, normal, wave), known)[:, 1:-1].max() < 0.1


def test_behind_a_perfect_base_there_is_the_relief_alone(generator: FaceGenerator) -> None:
    view, person = generator.photograph(5, 5)
    camera, surface = view.camera, load_open_face().face(2)
    vertices = surface.vertices(load_open_face().cage(person.identity, person.expression))
    turned = np.float32((vertices - camera.origin_mm) @ camera.rotation.T)
    normals = vertex_normals(turned, surface.triangles)
    maps = position_tables(256).from_vertices(np.concatenate([camera.project(vertices), turned, normals], axis=1))
    grey, seen = np.full((256, 256, 3), 0.5, np.float32), skin_of_chart(256) * (maps[..., 8] > 0.5)
    base = Unwrapped(
        grey, grey, grey, grey[..., :2], np.float32(seen), maps[..., 3:6], unit(maps[..., 6:]), maps[..., :3]
    )
    true = TrueFace(person, camera, 192)
    truth = true.seen_by(base)
    known = truth.weight > 0.9
    assert known.mean() > 0.1
    assert np.abs(truth.displacement - true.relief)[known].mean() < 0.12
    assert angle_deg(truth.normal, detailed_normals(base.position, base.normal, true.relief))[known].mean() < 1.5
