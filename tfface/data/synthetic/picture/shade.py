"""Fused shading of a scene's pixels, compiled by numba.

Radiance of a pixel: `albedo * (E(n) * occlusion + key * shadow * max(n.l, 0)) + specular`; the key light's red
wraps round the terminator a little, as it does under skin. Hair and cloth that hang are cut by noise while they are
drawn. Positions are in the camera's axes (x right, y up, z towards the camera).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tfface.data.synthetic.head.mesh import CLOTH, EYE, HAIR, HAT, LASH, MOUTH, SKIN, SceneMesh
from tfface.geometry.raster import rasterize
from tfface.geometry.raster_loops import edge_weights
from tfface.parallel.compiled import compiled

# mypy: disable-error-code="no-untyped-def"
STRAND_SIZE = 256


@compiled(nogil=True, fastmath=True, error_model="numpy", inline="always")
def _strand(noise, across, along):
    """Strand noise in about [-1,1]: fine across, long along."""
    row = int(across * 1020.0) & (STRAND_SIZE - 1)
    column = int(along * 150.0) & (STRAND_SIZE - 1)
    return noise[row, column]


@compiled(nogil=True, fastmath=True, error_model="numpy")
def fill_cut(points, triangles, first, attributes, noise, rag, triangle_id, barycentric, depth):
    """Draw two-sided triangles from `first` on into the buffers where `keep + rag * noise > 0`."""
    height, width = triangle_id.shape
    for t in range(first, triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if max(attributes[a, 3], attributes[b, 3], attributes[c, 3]) < -rag:
            continue
        x0, y0, x1, y1 = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        x2, y2 = points[c, 0], points[c, 1]
        determinant = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if determinant == 0:
            continue
        left = max(int(np.ceil(min(x0, x1, x2) - 0.5)), 0)
        right = min(int(np.floor(max(x0, x1, x2) - 0.5)), width - 1)
        top = max(int(np.ceil(min(y0, y1, y2) - 0.5)), 0)
        bottom = min(int(np.floor(max(y0, y1, y2) - 0.5)), height - 1)
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                w0, w1, w2 = edge_weights(x + 0.5, y + 0.5, x0, y0, x1, y1, x2, y2, 1.0 / determinant)
                if w0 < 0 or w1 < 0 or w2 < 0:
                    continue
                z = w0 * points[a, 2] + w1 * points[b, 2] + w2 * points[c, 2]
                if z <= depth[y, x]:
                    continue
                keep = w0 * attributes[a, 3] + w1 * attributes[b, 3] + w2 * attributes[c, 3]
                across = w0 * attributes[a, 4] + w1 * attributes[b, 4] + w2 * attributes[c, 4]
                if keep + rag * _strand(noise, across, 0.0) > 0:
                    depth[y, x] = z
                    triangle_id[y, x] = t
                    barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2] = w0, w1, w2


@compiled(nogil=True, fastmath=True, error_model="numpy", inline="always")
def _irradiance(sh, k, x, y, z):
    total = 0.282095 * sh[0, k] + 0.488603 * (y * sh[1, k] + z * sh[2, k] + x * sh[3, k])
    total += 1.092548 * (x * y * sh[4, k] + y * z * sh[5, k] + x * z * sh[7, k])
    total += 0.315392 * (3 * z * z - 1) * sh[6, k] + 0.546274 * (x * x - y * y) * sh[8, k]
    return max(total, 0.0)


@compiled(nogil=True, fastmath=True, error_model="numpy")
def _texture(texture, u, v, out):
    """Bilinear linear RGB and bareness into `out` `[4]`."""
    size = texture.shape[0]
    u, v = min(max(u, 0.0), 1.0) * (size - 1), min(max(v, 0.0), 1.0) * (size - 1)
    i, j = min(int(v), size - 2), min(int(u), size - 2)
    fv, fu = v - i, u - j
    for k in range(4):
        top = texture[i, j, k] * (1 - fu) + texture[i, j + 1, k] * fu
        low = texture[i + 1, j, k] * (1 - fu) + texture[i + 1, j + 1, k] * fu
        value = (top * (1 - fv) + low * fv) / 255.0
        out[k] = value * value if k < 3 else value


@compiled(nogil=True, fastmath=True, error_model="numpy")
def _eye_colour(dx, dy, dz, eye, iris, out):
    """Iris, pupil and white by the angle to the gaze `eye[:3]`; `eye[3]` is the pupil's share of the iris."""
    length = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-9
    dx, dy, dz = dx / length, dy / length, dz / length
    cosine = min(max(dx * eye[0] + dy * eye[1] + dz * eye[2], -1.0), 1.0)
    r = np.arccos(cosine) / 0.42
    spoke = 1.0 + 0.25 * np.sin(21.0 * np.arctan2(dy - eye[1], dx - eye[0]))
    white = min(max((r - 0.92) / 0.16, 0.0), 1.0)
    pupil = min(max((r - eye[3]) / 0.1, 0.0), 1.0)
    shade = (0.35 if r > 0.85 else 1.0) * spoke
    veil = np.exp(-min(max((abs(dx) - 0.35) * 5, 0.0), 2.0) * 0.12)
    for k in range(3):
        sclera = eye[4 + k] * (veil if k else 1.0)
        out[k] = (iris[k] * shade * pupil + 0.003 * (1 - pupil)) * (1 - white) + sclera * white


@compiled(nogil=True, fastmath=True, error_model="numpy")
def _lit(shadow, taps, u, v, depth, radius):
    """The share of the key light that reaches a point: 8 taps in the shadow map."""
    size, total = shadow.shape[0], 0.0
    for tap in range(8):
        x, y = int(u + radius * taps[tap, 0]), int(v + radius * taps[tap, 1])
        x, y = min(max(x, 0), size - 1), min(max(y, 0), size - 1)
        total += 0.0 if shadow[y, x] > depth + 6.0 + 1.5 * radius else 1.0
    return total / 8


@compiled(nogil=True, fastmath=True, error_model="numpy")
def _surface(
    kind, a, b, c, w0, w1, w2, row, col, attributes, uv, eye_direction, texture, tone, colours,
    gloss, strands, eye, iris, scalp, tex, albedo,
):  # fmt: skip
    """Write a pixel's linear `albedo` `[3]` and give its gloss; `tex` `[4]` is scratch."""
    shine, bare = gloss[kind], 1.0
    for k in range(3):
        albedo[k] = colours[kind, k]
    if kind in (SKIN, MOUTH):
        valid = w0 * attributes[a, 0] + w1 * attributes[b, 0] + w2 * attributes[c, 0]
        hair = w0 * attributes[a, 2] + w1 * attributes[b, 2] + w2 * attributes[c, 2]
        hair *= scalp
        if valid > 0.99:
            u = w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]
            v = w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1]
            _texture(texture, u, v, tex)
            bare = tex[3]
            for k in range(3):
                albedo[k] = tex[k] * (1 - bare + bare * tone[k])
            hair += 0.3 * hair * _strand(strands, u, v)
        else:
            for k in range(3):
                albedo[k] = colours[SKIN, k] * tone[k]
        hair = min(max(hair, 0.0), 1.0)
        bare *= 1 - hair
        for k in range(3):
            albedo[k] += (colours[HAIR, k] - albedo[k]) * hair
        if kind == MOUTH:
            for k in range(3):
                albedo[k] = colours[MOUTH, k]
        shine *= 0.15 + 0.85 * bare
    elif kind == EYE:
        dx = w0 * eye_direction[a, 0] + w1 * eye_direction[b, 0] + w2 * eye_direction[c, 0]
        dy = w0 * eye_direction[a, 1] + w1 * eye_direction[b, 1] + w2 * eye_direction[c, 1]
        dz = w0 * eye_direction[a, 2] + w1 * eye_direction[b, 2] + w2 * eye_direction[c, 2]
        _eye_colour(dx, dy, dz, eye, iris, albedo)
    elif kind in (HAIR, HAT, CLOTH, LASH):
        across = w0 * attributes[a, 4] + w1 * attributes[b, 4] + w2 * attributes[c, 4]
        along = w0 * attributes[a, 5] + w1 * attributes[b, 5] + w2 * attributes[c, 5]
        amount = 0.45 if kind == HAIR else 0.1
        grain = 1.0 + amount * _strand(strands, across, along)
        if kind == CLOTH:
            grain = 1.0 + 0.12 * strands[(row * 2) & 255, (col * 2) & 255]
        for k in range(3):
            albedo[k] *= max(grain, 0.1)
        shine *= grain
    return shine


@compiled(nogil=True, fastmath=True, error_model="numpy")
def _wrinkled(relief, a, b, c, w0, w1, w2, uv, points, x, y, z, bent):
    """The unit normal x, y, z of a triangle's pixel bent by the `relief` there, and how hollow it is, into `bent`."""
    bent[0], bent[1], bent[2], bent[3] = x, y, z, 0.0
    u1, v1, u2, v2 = uv[b, 0] - uv[a, 0], uv[b, 1] - uv[a, 1], uv[c, 0] - uv[a, 0], uv[c, 1] - uv[a, 1]
    area = u1 * v2 - u2 * v1
    if area == 0:
        return
    tangent, binormal = np.empty(3), np.empty(3)
    for k in range(3):
        first, second = points[b, k] - points[a, k], points[c, k] - points[a, k]
        tangent[k], binormal[k] = (first * v2 - second * v1) / area, (second * u1 - first * u2) / area
    size = relief.shape[0]
    u = min(max(w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0], 0.0), 1.0) * (size - 1)
    v = min(max(w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1], 0.0), 1.0) * (size - 1)
    i, j = min(int(v), size - 2), min(int(u), size - 2)
    fv, fu = v - i, u - j
    read = np.empty(3)
    for k in range(3):
        top = relief[i, j, k] * (1 - fu) + relief[i, j + 1, k] * fu
        read[k] = top * (1 - fv) + (relief[i + 1, j, k] * (1 - fu) + relief[i + 1, j + 1, k] * fu) * fv
    # The surface's gradient, in the dual of the two tangents.
    du = (binormal[1] * z - binormal[2] * y, binormal[2] * x - binormal[0] * z, binormal[0] * y - binormal[1] * x)
    dv = (y * tangent[2] - z * tangent[1], z * tangent[0] - x * tangent[2], x * tangent[1] - y * tangent[0])
    span = tangent[0] * du[0] + tangent[1] * du[1] + tangent[2] * du[2]
    if span == 0:
        return
    for k in range(3):
        bent[k] -= (read[0] * du[k] + read[1] * dv[k]) / span
    length = np.sqrt(bent[0] ** 2 + bent[1] ** 2 + bent[2] ** 2) + 1e-9
    bent[0], bent[1], bent[2], bent[3] = bent[0] / length, bent[1] / length, bent[2] / length, read[2]


@compiled(nogil=True, fastmath=True, error_model="numpy")
def _shadow_taps():
    """`[8,2]` where around a point the shadow map is read."""
    taps = np.empty((8, 2))
    for tap in range(8):
        taps[tap, 0] = np.cos(0.785398 * tap) * (0.5 + 0.5 * (tap & 1))
        taps[tap, 1] = np.sin(0.785398 * tap) * (0.5 + 0.5 * (tap & 1))
    return taps


@compiled(nogil=True, fastmath=True, error_model="numpy")
def shade_pixels(
    triangle_id, barycentric, triangles, material, attributes, uv, eye_direction, normals, light_points,
    shadow, texture, tone, colours, gloss, strands, eye, iris, sh, key, key_colour, softness, hollow, scalp, out,
    relief, points,
):  # fmt: skip
    """Linear radiance into `out` `[H,W,3]` where a triangle is seen; `relief` `[R,R,3]` (`wrinkles.relief_slopes`, R at
    least 2 or there is none) bends the skin's normals, `points` `[V,3]` mm lie in the camera's axes."""
    tex = np.zeros(4, np.float32)
    bent = np.zeros(4)
    albedo = np.zeros(3, np.float32)
    taps = _shadow_taps()
    half = np.array([key[0], key[1], key[2] + 1.0])
    half /= np.sqrt((half * half).sum()) + 1e-9
    for row in range(triangle_id.shape[0]):
        for col in range(triangle_id.shape[1]):
            t = triangle_id[row, col]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            w0, w1, w2 = barycentric[row, col, 0], barycentric[row, col, 1], barycentric[row, col, 2]
            x = w0 * normals[a, 0] + w1 * normals[b, 0] + w2 * normals[c, 0]
            y = w0 * normals[a, 1] + w1 * normals[b, 1] + w2 * normals[c, 1]
            z = w0 * normals[a, 2] + w1 * normals[b, 2] + w2 * normals[c, 2]
            kind = material[t]
            if kind == CLOTH and w0 * attributes[a, 3] + w1 * attributes[b, 3] + w2 * attributes[c, 3] < 0:
                kind = SKIN  # above the neckline
            unit = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-12)
            if z < 0 and (kind in (HAIR, HAT, LASH)):
                unit = -unit
            x, y, z = x * unit, y * unit, z * unit
            occlusion = w0 * attributes[a, 1] + w1 * attributes[b, 1] + w2 * attributes[c, 1]
            dent, charted = 0.0, min(attributes[a, 0], attributes[b, 0], attributes[c, 0])
            if relief.shape[0] > 1 and kind == SKIN and charted > 0.99:
                _wrinkled(relief, a, b, c, w0, w1, w2, uv, points, x, y, z, bent)
                x, y, z, dent = bent[0], bent[1], bent[2], bent[3]
            shine = _surface(
                kind, a, b, c, w0, w1, w2, row, col, attributes, uv, eye_direction, texture, tone, colours,
                gloss, strands, eye, iris, scalp, tex, albedo,
            )  # fmt: skip
            facing = x * key[0] + y * key[1] + z * key[2]
            reach = 0.0
            if facing > -0.3:
                px = w0 * light_points[a, 0] + w1 * light_points[b, 0] + w2 * light_points[c, 0]
                py = w0 * light_points[a, 1] + w1 * light_points[b, 1] + w2 * light_points[c, 1]
                pz = w0 * light_points[a, 2] + w1 * light_points[b, 2] + w2 * light_points[c, 2]
                reach = _lit(shadow, taps, px, py, pz, 0.7 + 5.0 * softness)
            nh = max(x * half[0] + y * half[1] + z * half[2], 0.0)
            power = 0.5 * nh**12 + 0.7 * nh**40
            if kind == EYE:
                power = 12.0 * nh**250
            rim = (1.0 - max(z, 0.0)) ** 4 * 0.35
            closed = 1 - hollow * (1 - occlusion)
            for k in range(3):
                ambient = _irradiance(sh, k, x, y, z) * closed
                wrap = (0.14, 0.05, 0.03)[k] if kind == SKIN else 0.0
                direct = key_colour[k] * reach * max(facing + wrap, 0.0) / (1 + wrap)
                spec = shine * (key_colour[k] * reach * max(facing, 0.0) * power + ambient * (0.04 + rim) * occlusion)
                out[row, col, k] = albedo[k] * (ambient + direct * (0.5 + 0.5 * closed)) + spec
                if dent > 0:
                    out[row, col, k] *= np.exp(-(0.7, 1.1, 1.2)[k] * dent)


def shadow_map(
    mesh: SceneMesh, turned: NDArray[np.floating], key: NDArray[np.floating], noise: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The depth `[160,160]` that the key light sees and every vertex `[V,3]` in its pixels; z in millimetres."""
    size, side = 160, np.cross([0.0, 1.0, 0.1], key)
    side /= np.linalg.norm(side) + 1e-9
    axes = np.stack([side, np.cross(key, side), key])
    points = (turned @ axes.T).astype(np.float32)
    points[:, 0] = size / 2 + points[:, 0] * (size / 330.0)
    points[:, 1] = size / 2 - points[:, 1] * (size / 330.0)
    hit, weights, depth = rasterize(points, mesh.triangles[: mesh.num_solid], size, size)
    fill_cut(points, mesh.triangles, mesh.num_solid, mesh.attributes, noise, np.float32(5), hit, weights, depth)
    return depth, points


def strand_noise(rng: np.random.Generator) -> NDArray[np.float32]:
    """`[256,256]` in [-1,1]: rows differ, each changes slowly along its length."""
    import cv2

    grid = rng.standard_normal((STRAND_SIZE, 24), dtype=np.float32)
    noise = cv2.resize(grid, (STRAND_SIZE, STRAND_SIZE), interpolation=cv2.INTER_CUBIC)
    broad = cv2.resize(grid[:24], (STRAND_SIZE, STRAND_SIZE), interpolation=cv2.INTER_CUBIC)
    return np.clip((0.7 * noise + 0.6 * broad) / 1.6, -1, 1).astype(np.float32)
