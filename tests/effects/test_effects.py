"""Uses of a face, each against what is known of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.effects.heads import GROUND, patch, photographed
from tfface.effects.makeup import made_up, painted_texture
from tfface.effects.maps import face_maps
from tfface.effects.on_photo import head_on_photo
from tfface.effects.pose import head_box_mm, pose_drawn
from tfface.effects.relight import directed_light, panorama_light, relit
from tfface.effects.shadow import lit_share, to_light
from tfface.effects.swap import face_mask, swapped
from tfface.effects.views import frontal, model_with, turntable
from tfface.errors import UserError
from tfface.face.head_uv import crop_in_head, from_face_chart
from tfface.face.open_model import load_open_face

LEFT_CHEEK, RIGHT_CHEEK, NOSE, UPPER_LIP = 3, 13, 30, 50


def _sides(result, picture) -> float:
    """How much brighter the picture's right cheek is than its left one."""
    u = result.landmarks68[NOSE, 0]
    v = int(result.landmarks68[NOSE, 1])
    half = int(0.6 * (result.landmarks68[RIGHT_CHEEK, 0] - u))
    left, right = (picture[v - 5 : v + 5, int(u + s * half) - 5 : int(u + s * half) + 5].mean() for s in (-1, 1))
    return float(right - left)


def test_the_box_holds_the_head_and_is_drawn_over_the_photograph() -> None:
    result = photographed(25.0)
    corners = head_box_mm(result)
    points = result.vertices_mm[load_open_face().landmarks68]
    assert (points >= corners.min(0) - 1e-3).all() and (points <= corners.max(0) + 1e-3).all()
    assert 130 < np.ptp(corners[:, 0]) < 220 and 180 < np.ptp(corners[:, 1]) < 300
    drawn = pose_drawn(result.image, [result])
    changed = (drawn != result.image).any(-1)
    assert 0.01 < changed.mean() < 0.3 and (result.image == photographed(25.0).image).all()


def test_maps_say_what_is_there_in_their_units() -> None:
    result = photographed(20.0)
    maps = face_maps(result)
    u, v, depth = result.landmarks68[NOSE]
    row, column = int(v), int(u)
    assert maps["depth"].values()[row, column] == pytest.approx(depth, abs=2.0)
    normal = maps["normals"].values()[row, column]
    assert np.linalg.norm(normal) == pytest.approx(1, abs=0.01) and normal[2] > 0.5
    mean = load_open_face().mean_face()
    code = (mean[load_open_face().landmarks68[NOSE]] - mean.min(0)) / np.ptp(mean, axis=0)
    np.testing.assert_allclose(maps["pncc"].values()[row, column], code, atol=0.03)
    np.testing.assert_allclose(maps["position"].values(), result.position_map, atol=0.01)
    assert (maps["depth"].levels[:5] == 0).all() and (maps["normals"].levels[0] == 0).all()
    shown = maps["visibility"].values()
    assert shown.max() <= 1.0 + 1e-6 and shown[:, :40].mean() != pytest.approx(shown[:, -40:].mean(), abs=0.02)
    assert maps["depth"].describe()["unit"] == "px of the photograph"


def test_light_comes_from_where_it_is_put() -> None:
    result = photographed(0.0, from_right=1.0)
    assert _sides(result, result.image) > 25
    from_left = relit(result, directed_light(-70, 10))
    assert _sides(result, from_left) < -25
    assert _sides(result, relit(result, directed_light(70, 10))) > 25
    np.testing.assert_array_equal(relit(result, directed_light(-70, 10), strength=0.0), result.image)
    far = ~head_on_photo(result).shows
    assert (from_left[:6] == GROUND).all() and far[:6].all()


def test_a_nose_casts_its_shadow_on_the_far_cheek() -> None:
    face = load_open_face()
    surface = face.head(2)
    mean = surface.vertices(face.mean)
    from_left, ahead = (lit_share(mean, surface.triangles, to_light(*where)) for where in ((-75, 15), (0, 0)))
    nose = mean[crop_in_head(face)[face.landmarks68[30]]]
    beside = (np.abs(mean[:, 1] - nose[1]) < 6) & (np.abs(np.abs(mean[:, 0]) - 15) < 3) & (mean[:, 2] > 100)
    near, far = (from_left[beside & (mean[:, 0] * sign > 0)].mean() for sign in (-1, 1))
    assert near > 0.9 and far < 0.4 and ahead[beside].mean() > 0.9


def test_relighting_casts_that_shadow() -> None:
    result, light = photographed(), directed_light(-50, 15)
    plain, shaded = (relit(result, light, shadows_from=where).astype(float) for where in (None, (-50, 15)))
    share = (shaded.mean(-1) + 1) / (plain.mean(-1) + 1)
    u, v = result.landmarks68[NOSE, :2].astype(int)
    near, far = (share[v - 30 : v + 30, side] for side in (slice(u - 60, u - 5), slice(u + 5, u + 60)))
    assert near.mean() > 0.98 and far.mean() < 0.93 and far.min() < 0.75 and share.max() < 1.02


def test_a_panorama_lights_from_where_it_is_bright() -> None:
    result = photographed()
    sky = np.full((32, 64, 3), 0.05)
    even = relit(result, panorama_light(sky))
    assert abs(_sides(result, even)) < 4
    sky[10:18, 48 + 8 : 48 + 14] = 20.0  # to the right of what the camera sees, and behind the camera
    right = relit(result, panorama_light(sky))
    assert _sides(result, right) > 25
    with pytest.raises(UserError, match="dark all over"):
        panorama_light(np.zeros((8, 16, 3)))


def test_a_swapped_face_shows_the_other_in_this_ones_colours() -> None:
    source, target = photographed(0.0, tint=0.6), photographed(20.0)
    marked = source.image.copy()
    u, v = source.landmarks68[NOSE, :2].astype(int)
    marked[v - 8 : v + 8, u - 8 : u + 8] = [20, 20, 20]
    source = replace(source, image=marked)
    picture = swapped(source, target)
    where = head_on_photo(target)
    inside = np.zeros(picture.shape[:2], bool)
    inside[where.window] = face_mask(target, where) > 0
    assert (picture[~inside] == target.image[~inside]).all()
    plain = swapped(photographed(0.0, tint=0.6), target)
    assert (patch(target, picture, NOSE) < 0.6 * patch(target, plain, NOSE)).all()
    assert np.abs(patch(target, plain, NOSE) - patch(target, target.image, NOSE)).max() < 25  # not the source's tone
    tiny = replace(target, position_map=target.position_map * np.float32(0.05), image=target.image)
    with pytest.raises(UserError, match="too few pixels"):
        swapped(source, tiny)


def test_paint_stays_where_it_was_put() -> None:
    result = photographed(15.0)
    own = result.skin(256).colours
    np.testing.assert_array_equal(made_up(result, painted_texture(result, own)), result.image)
    layer = np.zeros((256, 256, 4), np.uint8)
    face = load_open_face()
    column, row = np.round(from_face_chart(face.face(2).uv[face.landmarks68[UPPER_LIP]]) * 255).astype(int)
    layer[row - 4 : row + 5, column - 4 : column + 5] = [230, 0, 120, 255]
    picture = made_up(result, painted_texture(result, layer))
    changed = (picture != result.image).any(-1)
    assert 0 < changed.mean() < 0.01
    u, v = result.landmarks68[UPPER_LIP, :2].astype(int)
    red, green, _ = picture[v, u].astype(int)
    assert red > 2 * green
    with pytest.raises(UserError, match="300 x 300 pixels"):
        painted_texture(result, np.zeros((300, 300, 3), np.uint8))


def test_the_front_is_symmetric_and_the_table_turns() -> None:
    picture = frontal(photographed(25.0), 96).astype(int)
    ground = picture[0, 0]
    shape = np.abs(picture - ground).max(-1) > 12
    assert shape.mean() > 0.2 and (shape != shape[:, ::-1]).mean() < 0.03
    frames = list(turntable(model_with(photographed(), level=0), 4, 64))
    assert len(frames) == 4
    widths = [(np.abs(frame.astype(int) - frame[0, 0]).max(-1) > 12).any(0).sum() for frame in frames]
    assert widths[1] > widths[0] and abs(widths[1] - widths[3]) <= 2


def test_an_expression_is_transferred_not_the_identity() -> None:
    calm, smiling = photographed(), photographed(20.0, smile=0.9)
    moved = model_with(calm, smiling.shape[1], level=0)
    own, theirs = model_with(calm, level=0), model_with(smiling, level=0)
    apart = [np.abs(moved.meshes[0].vertices - each.meshes[0].vertices).max() for each in (own, theirs)]
    assert apart[0] > 2 * apart[1]
