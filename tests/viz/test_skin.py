"""The skin's texture: seen, mirrored, made up, and no seam between them."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tfface.face.head_uv import crop_in_head, head_uv
from tfface.face.open_model import AlbedoBasis, load_albedo_basis, load_open_face
from tfface.geometry.camera import Camera
from tfface.geometry.raster import interpolate, rasterize, vertex_normals
from tfface.geometry.rotation import euler_to_matrix
from tfface.viz.completion import completed
from tfface.viz.cover import skin_share
from tfface.viz.glasses import skin_round_eyes
from tfface.viz.head_model import BROWN, eye_texture, iris_colour
from tfface.viz.posed_head import modelled_head, posed_head
from tfface.viz.shadows import without_shadows
from tfface.viz.skin import SkinTexture, skin_texture
from tfface.viz.visible import seen_vertices

NOBODY = np.zeros(150, np.float32), np.zeros(52, np.float32)
SIZE, PIXELS = 256, 400
PLAIN = AlbedoBasis(np.full((64, 64, 3), 0.5, np.float32), np.zeros((1, 64, 64, 3), np.float32))


def _camera(yaw_deg: float) -> Camera:
    rotation = euler_to_matrix(np.radians(yaw_deg), 0.0, 0.0)
    return Camera(rotation, 1300.0, 1000.0, np.array([PIXELS / 2, PIXELS / 2]), load_open_face().centre)


def _head(yaw_deg: float) -> np.ndarray:
    face, camera = load_open_face(), _camera(yaw_deg)
    return np.asarray(posed_head(camera.project(face.mean_face()), modelled_head(*NOBODY, camera)))


@lru_cache(maxsize=4)
def _striped(yaw_deg: float, side_light: float = 0.0) -> tuple[np.ndarray, SkinTexture]:
    """A head whose skin has stripes across, photographed before bright green; the light may come from the right."""
    face = load_open_face()
    surface, points = face.head(2), _head(yaw_deg)
    mean = surface.vertices(face.mean)
    lit = 1 + side_light * vertex_normals(mean, surface.triangles)[:, :1]
    stripes = (0.5 + 0.12 * np.sin(mean[:, 1] / 6.0)[:, None] * [1.0, 1.0, 1.0]) * lit
    drawn = rasterize(points.astype(np.float32), surface.triangles, PIXELS, PIXELS)
    picture = interpolate(drawn[0], drawn[1], surface.triangles, stripes.astype(np.float32))
    picture[drawn[0] < 0] = [0, 1, 0]
    image = np.asarray(picture * 255, np.uint8)
    return stripes, skin_texture(image, points, PLAIN, None, SIZE)


def _at_vertices(texture: np.ndarray) -> np.ndarray:
    column, row = np.round(head_uv(load_open_face()) * (len(texture) - 1)).astype(int).T
    return texture[row, column].astype(float) / 255


def test_the_head_is_where_the_face_was_seen() -> None:
    face, camera = load_open_face(), _camera(20)
    seen = np.asarray(camera.project(face.mean_face()) + [3.0, -2.0, 50.0], np.float32)
    points = posed_head(seen, modelled_head(*NOBODY, camera))
    crop, radius = crop_in_head(face), np.abs(2 * face.face(2).uv - 1).max(1)
    np.testing.assert_allclose(points[crop][radius < 0.84], seen[radius < 0.84], atol=1e-3)
    model = camera.project(face.head(2).vertices(face.mean)) + [3.0, -2.0, 50.0]
    np.testing.assert_allclose(points[crop], model[crop], atol=0.5)  # nor does the crop's border, subdivided, show
    nape = face.head(2).vertices(face.mean)[:, 2].argmin()
    np.testing.assert_allclose(points[nape, :2], camera.project(face.head(2).vertices(face.mean))[nape, :2], atol=0.1)


def test_silhouettes_and_backs_are_not_seen() -> None:
    points, triangles = _head(40), load_open_face().head(2).triangles
    seen = seen_vertices(points, triangles)
    mean = load_open_face().head(2).vertices(load_open_face().mean)
    assert seen[mean[:, 2] < -20].max() == 0.0
    near, far = (mean[:, 0] < -45) & (mean[:, 2] > 70), (mean[:, 0] > 45) & (mean[:, 2] > 70)
    assert seen[near].mean() > 0.5 and seen[far].mean() < 0.1


def test_a_turned_face_has_no_background_on_it_and_both_halves_alike() -> None:
    for yaw in (20.0, 40.0):
        stripes, skin = _striped(yaw)
        found, origin = _at_vertices(skin.colours), _at_vertices(skin.origin)
        assert (found[:, 1] - found[:, 0]).max() < 0.12  # nothing green
        face = load_open_face()
        mean = face.head(2).vertices(face.mean)
        front = (mean[:, 2] > 95) & (mean[:, 1] > 640) & (mean[:, 1] < 770)
        front &= np.abs(head_uv(face) - 0.5).max(1) < 0.25
        front &= face.head(2).vertex_part < 2
        assert np.quantile(np.abs(found - stripes)[front], 0.9) < 0.06
        assert origin[front][:, 1].mean() > 0.3 and origin[:, 0].mean() > 0.2
        if yaw == 40.0:
            assert origin[front & (mean[:, 0] > 30)][:, 2].mean() > 0.5  # mirrored
        np.testing.assert_allclose(origin.sum(1), 1.0, atol=0.02)


def test_lit_from_one_side_there_is_no_seam_where_the_mirror_image_begins() -> None:
    """Along a row the stripes have one colour, so steps along it are seams, as large as light would make them."""
    for yaw in (0.0, 25.0):
        stripes, skin = _striped(yaw, 0.35)
        middle = slice(SIZE * 3 // 8, SIZE * 5 // 8)
        steps = np.abs(np.diff(skin.colours[SIZE // 4 : SIZE * 3 // 8, middle].astype(float), axis=1))
        assert np.quantile(steps, 0.99) < 12
        found = _at_vertices(skin.colours)
        mean = load_open_face().head(2).vertices(load_open_face().mean)
        cheeks = (mean[:, 2] > 100) & (np.abs(mean[:, 0]) > 30) & (mean[:, 1] > 650) & (mean[:, 1] < 690)
        sides = [found[cheeks & (mean[:, 0] * sign > 0)].mean() for sign in (1, -1)]
        wanted = [stripes[cheeks & (mean[:, 0] * sign > 0)].mean() for sign in (1, -1)]
        np.testing.assert_allclose(sides, wanted, atol=0.06)


def test_hair_and_a_cap_are_no_skin_a_beard_and_freckles_are() -> None:
    """In the face's chart: skin with some grain, light from the right, dark hair above and at one side, a beard."""
    rng, size = np.random.default_rng(1), 200
    row, column = np.mgrid[0:size, 0:size] / size
    skin = (np.array([0.75, 0.55, 0.45]) * (0.9 + 0.2 * column)[..., None]).astype(np.float32)
    hair = (row < 0.3 - 0.15 * column) | ((column < 0.22) & (row < 0.7))
    spots = (np.abs(row - 0.5) < 0.02) & (np.abs(column - 0.6) < 0.02)
    beard = (row > 0.72) & (np.abs(column - 0.5) < 0.3)
    painted = np.where((hair | spots)[..., None], [0.15, 0.1, 0.08], skin) + rng.normal(0, 0.02, (size, size, 3))
    seen = ((column > 0.05) & (column < 0.95) & (row < 0.92)).astype(np.float32)
    inner = (seen > 0) & (column > 0.1) & (column < 0.9)
    bearded = np.where(beard[..., None], [0.2, 0.14, 0.1], painted)
    for picture in (painted, bearded):
        share = skin_share(picture.astype(np.float32), seen)
        assert share[hair & inner].mean() < 0.05
        assert share[~hair & (np.abs(column - 0.6) < 0.2) & (np.abs(row - 0.6) < 0.2)].mean() > 0.95
        assert share[spots].min() > 0.9
    assert skin_share(skin, seen)[inner].min() > 0.99


def test_gloss_on_a_dark_forehead_is_skin_and_a_white_cap_is_not() -> None:
    """In the face's chart: a lamp is mirrored above the brows; dark hair at both sides."""
    rng, size = np.random.default_rng(2), 200
    row, column = np.mgrid[0:size, 0:size] / size
    skin = np.array([0.72, 0.56, 0.48]) * (0.93 + 0.14 * column)[..., None]
    gloss = np.exp(-((np.hypot(row - 0.17, column - 0.5) / 0.09) ** 2))[..., None]
    shiny, hair = gloss[..., 0] > 0.5, (np.abs(column - 0.5) > 0.34) & (row < 0.5)
    seen = np.full((size, size), 1, np.float32)
    lost = []
    for strength, light in ((0.0, 1.0), (0.3, 0.8)):
        grain = rng.normal(0, 0.015, (size, size, 3))
        painted = np.where(hair[..., None], [0.2, 0.15, 0.12], skin + strength * gloss) + grain
        share = skin_share(painted.astype(np.float32), seen, light)
        assert share[hair].mean() < 0.05 and share[shiny].mean() > 0.9
        lost.append(1 - share[np.abs(column - 0.5) < 0.28].mean())
        cap = row < 0.2
        capped = np.where(cap[..., None], 0.98, painted).astype(np.float32)
        assert skin_share(capped, seen, light)[cap].mean() < 0.1
    assert max(lost) < 0.02


def test_hair_over_the_forehead_stays_out_of_the_texture() -> None:
    face, points = load_open_face(), _head(0.0)
    mean = face.head(2).vertices(face.mean)
    drawn = rasterize(points.astype(np.float32), face.head(2).triangles, PIXELS, PIXELS)
    brows = mean[crop_in_head(face)[face.landmarks68[17:27]], 1].max()
    rng = np.random.default_rng(0)
    found = []
    for hair in (np.zeros(len(mean), bool), mean[:, 1] > brows + 12):
        colours = np.where(hair[:, None], [0.08, 0.06, 0.05], [0.6, 0.5, 0.45]).astype(np.float32)
        picture = interpolate(drawn[0], drawn[1], face.head(2).triangles, colours)
        noisy = np.clip(picture + rng.normal(0, 0.01, picture.shape), 0, 1)
        found.append(skin_texture(np.asarray(noisy * 255, np.uint8), points, PLAIN, None, SIZE))
    forehead = (mean[:, 1] > brows + 25) & (mean[:, 1] < brows + 45) & (np.abs(mean[:, 0]) < 25) & (mean[:, 2] > 80)
    bare, covered = (_at_vertices(skin.origin)[forehead, 1].mean() for skin in found)
    assert bare > 0.5 and covered < 0.1
    assert _at_vertices(found[1].colours)[forehead].mean() > 0.35  # skin, made up


def test_gloss_does_not_end_in_an_edge_and_shade_and_holes_stay() -> None:
    size = 256
    row, column = np.mgrid[0:size, 0:size] / (size - 1)
    away = np.hypot(row - 0.5, column - 0.5)
    seen = ((away < 0.3) & (away > 0.05)).astype(np.float32)[..., None]
    gloss = np.exp(-(((away - 0.3) / 0.05) ** 2))
    beside = {}
    for sign in (1.0, -1.0):
        own = np.asarray(sign * 0.3 * gloss, np.float32)[..., None].repeat(3, -1) * seen
        whole, _ = completed(own, seen, np.asarray(seen * (away < 0.2)[..., None] + 1e-4, np.float32), 0.003, 0.06)
        inside, outside = (whole[(away > a) & (away < b)].mean() for a, b in ((0.28, 0.3), (0.3, 0.32)))
        beside[sign] = abs(inside - outside)
        np.testing.assert_allclose(whole[(away > 0.06) & (away < 0.2)], own[(away > 0.06) & (away < 0.2)], atol=0.01)
    assert beside[1.0] < 0.1 < 0.2 < beside[-1.0]


def test_where_a_profile_hides_the_nose_its_cheek_says_what_skin_is() -> None:
    row, column = np.mgrid[0:160, 0:160] / 159
    colours = np.tile(np.float32([0.7, 0.52, 0.45]), (160, 160, 1))
    hair = (row < 0.3) & (column < 0.4)
    colours[hair] = [0.2, 0.14, 0.1]
    seen = ((column < 0.35) & (column > 0.02)).astype(np.float32)
    share = skin_share(colours, seen)
    assert share[(row < 0.25) & (column < 0.3) & (column > 0.05)].max() < 0.1
    assert share[(row > 0.4) & (row < 0.8) & (column < 0.35) & (column > 0.1)].min() > 0.9


def test_frames_round_the_eyes_are_no_skin() -> None:
    """In the face's chart: skin with light from the right, dark frames round the eyes, freckles."""
    size = 200
    row, column = np.mgrid[0:size, 0:size] / (size - 1)
    skin = (np.array([0.7, 0.52, 0.43]) * (0.85 + 0.3 * column)[..., None]).astype(np.float32)
    face = load_open_face()
    points = face.face(2).uv[face.landmarks68]
    middles = [points[first : first + 6].mean(0) for first in (36, 42)]
    away = [np.hypot(column - middle[0], row - middle[1]) for middle in middles]
    frames = np.any([np.abs(each - 0.13) < 0.012 for each in away], axis=0) & (row > points[40, 1])
    spots = (np.abs(row - points[30, 1]) < 0.008) & (np.abs(column - 0.5) < 0.3) & (np.abs(column % 0.1 - 0.05) < 0.008)
    worn = np.where((frames | spots)[..., None], [0.1, 0.1, 0.12], skin).astype(np.float32)
    share = skin_round_eyes(worn)
    assert share[frames].mean() < 0.1 and share[spots & ~frames].mean() > 0.6 and share[row > 0.75].min() == 1
    assert skin_round_eyes(skin).min() > 0.99


def test_a_mask_over_mouth_and_nose_is_not_the_skins_colour() -> None:
    """Neither the mask nor its light reach the texture; a bare face, lit from above in any hue, stays."""
    face, points = load_open_face(), _head(0.0)
    mean = face.head(2).vertices(face.mean)
    drawn = rasterize(points.astype(np.float32), face.head(2).triangles, PIXELS, PIXELS)
    nose = mean[crop_in_head(face)[face.landmarks68[28]], 1]
    below = np.clip((nose - mean[:, 1]) / 100, 0, 0.7)[:, None]
    skin, green = np.array([0.62, 0.46, 0.38]), np.array([0.3, 0.8, 0.3])
    found = []
    for colours in (np.where(mean[:, 1:2] < nose, [0.6, 0.9, 0.7], skin), skin * (1 - below), green * (1 - below)):
        picture = interpolate(drawn[0], drawn[1], face.head(2).triangles, colours.astype(np.float32))
        found.append(skin_texture(np.asarray(picture * 255, np.uint8), points, PLAIN, None, SIZE))
    cheeks = (mean[:, 2] > 90) & (np.abs(mean[:, 0]) > 20) & (np.abs(mean[:, 1] - nose + 35) < 10)
    masked, bare, in_green = (_at_vertices(each.colours)[cheeks].mean(0) for each in found)
    assert abs(masked[0] / masked[2] - skin[0] / skin[2]) < 0.15 and np.abs(masked - skin).max() < 0.12
    assert _at_vertices(found[0].origin)[cheeks, 1].max() < 0.1
    assert bare[0] / bare[2] > 1.4 and in_green[1] / in_green[0] > 2
    assert all(_at_vertices(each.origin)[cheeks, 1].mean() > 0.8 for each in found[1:])


def test_a_coloured_rim_does_not_spread_over_the_back_of_the_head() -> None:
    """Red light falls on temples, ears and the sides of the cheeks, as a curtain throws it."""
    face, points = load_open_face(), _head(0.0)
    mean, surface = face.head(2).vertices(face.mean), face.head(2)
    sideways = np.abs(vertex_normals(mean, surface.triangles)[:, :1])
    colours = np.array([0.55, 0.45, 0.4]) * (1 + np.clip(sideways - 0.5, 0, 1) * [0.8, -0.4, -0.6])
    drawn = rasterize(points.astype(np.float32), surface.triangles, PIXELS, PIXELS)
    picture = interpolate(drawn[0], drawn[1], surface.triangles, colours.astype(np.float32))
    skin = skin_texture(np.asarray(np.clip(picture, 0, 1) * 255, np.uint8), points, PLAIN, None, SIZE)
    back = _at_vertices(skin.colours)[(mean[:, 2] < 0) & (surface.vertex_part < 2)]
    assert (back[:, 0] / back[:, 2]).max() < 2.0  # 1.4 in front, 2.8 at the very side


def test_a_red_ear_stays_an_ear() -> None:
    """What one side's rim happens to be does not go on over that side of the skull."""
    face, points, surface = load_open_face(), _head(0.0), load_open_face().head(2)
    mean = surface.vertices(face.mean)
    ear = (mean[:, 0] > 55) & (mean[:, 2] > 20)
    colours = np.where(ear[:, None], [0.7, 0.35, 0.3], [0.55, 0.45, 0.4]).astype(np.float32)
    drawn = rasterize(points.astype(np.float32), surface.triangles, PIXELS, PIXELS)
    picture = interpolate(drawn[0], drawn[1], surface.triangles, colours)
    skin = skin_texture(np.asarray(picture * 255, np.uint8), points, PLAIN, None, SIZE)
    behind = (mean[:, 2] < -40) & (mean[:, 0] > 20) & (surface.vertex_part < 2)
    found = _at_vertices(skin.colours)[behind]
    assert np.quantile(found[:, 0] / found[:, 2], 0.9) < 1.5  # 1.38 the skin, 2.33 the ear, 1.63 without the mean


def test_an_albedo_has_no_side_that_is_brighter() -> None:
    face = load_open_face()
    mean = face.head(2).vertices(face.mean)
    lit = 1 + 0.35 * vertex_normals(mean, face.head(2).triangles)[:, :1]
    points = _head(0.0)
    drawn = rasterize(points.astype(np.float32), face.head(2).triangles, PIXELS, PIXELS)
    picture = interpolate(drawn[0], drawn[1], face.head(2).triangles, (0.5 * lit * [1.0, 1.0, 1.0]).astype(np.float32))
    image = np.asarray(picture * 255, np.uint8)
    cheeks = (mean[:, 2] > 90) & (np.abs(mean[:, 0]) > 35) & (mean[:, 1] > 650) & (mean[:, 1] < 690)
    ratio = []
    for unlit in (False, True):
        found = _at_vertices(skin_texture(image, points, PLAIN, None, SIZE, unlit).colours)
        ratio.append(found[cheeks & (mean[:, 0] > 0)].mean() / found[cheeks & (mean[:, 0] < 0)].mean())
    assert ratio[0] > 1.2 and abs(ratio[1] - 1) < 0.05


def test_a_cast_shadow_goes_from_an_albedo_and_freckles_stay() -> None:
    size = 256
    row, column = np.mgrid[0:size, 0:size] / (size - 1)
    skin = np.array([0.6, 0.45, 0.38]) * (0.9 + 0.2 * row)[..., None]
    freckle = np.hypot(row - 0.5, column - 0.7) < 0.015
    shadow = (column < 0.4) & (np.abs(row - 0.5) < 0.25)
    shown = (skin * np.where(shadow, 0.5, 1.0)[..., None] * np.where(freckle, 0.6, 1.0)[..., None]).astype(np.float32)
    found = without_shadows(shown)
    inside = (column < 0.37) & (np.abs(row - 0.5) < 0.2) & (column > 0.03)
    assert np.abs(found - skin)[inside].mean() < 0.06 < np.abs(shown - skin)[inside].mean()
    np.testing.assert_allclose(found[column > 0.62], shown[column > 0.62], atol=0.01)  # the other half, its freckle too


def test_irises_tell_their_colour_where_they_are_large_enough() -> None:
    face, camera, head = load_open_face(), _camera(0), _head(0)
    image = np.full((PIXELS, PIXELS, 3), (40, 90, 160), np.uint8)
    np.testing.assert_allclose(iris_colour(image, *NOBODY, camera, head), np.array([40, 90, 160]) / 255, atol=0.01)
    small = Camera(camera.rotation, 130.0, 1000.0, np.array([50.0, 50.0]), face.centre)
    far = posed_head(small.project(face.mean_face()), modelled_head(*NOBODY, small))
    assert iris_colour(image[:100, :100], *NOBODY, small, far) == BROWN
    eye = eye_texture((0.2, 0.4, 0.7)).astype(int)
    assert eye[128, 128].max() < 20 and eye[128, 128 + 11, 2] > eye[128, 128 + 11, 0] and eye[128, 180].min() > 120


def test_the_models_albedo_has_its_own_place() -> None:
    points = _head(0)
    grey = np.full((PIXELS, PIXELS, 3), 120, np.uint8)
    plain = skin_texture(grey, points, load_albedo_basis(), None, SIZE)
    assert plain.colours.shape == (SIZE, SIZE, 3) and plain.light.shape == (3,)
