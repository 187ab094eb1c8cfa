"""What Blender makes of files: run by a Python that has `bpy`, or by Blender itself, it writes one line of JSON.

`python blender_reads.py FILE ...`, or `blender --background --factory-startup --python blender_reads.py -- FILE ...`.
Every file is imported into an empty scene by Blender's own importer with its usual axes; OBJ and PLY, which are in
millimetres, at a thousandth of their size. Lengths are metres, z is up.
"""

import json
import sys
from pathlib import Path

import bpy

MM = 0.001
FRAMES = (0, 12, 24)


def read(path):
    """A file as Blender shows it."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    if path.suffix == ".glb":
        bpy.ops.import_scene.gltf(filepath=str(path))
    elif path.suffix == ".obj":
        bpy.ops.wm.obj_import(filepath=str(path), global_scale=MM)
    else:
        bpy.ops.wm.ply_import(filepath=str(path), global_scale=MM, forward_axis="NEGATIVE_Z", up_axis="Y")
    bpy.context.view_layer.update()
    meshes = [each for each in bpy.context.scene.objects if each.type == "MESH"]
    return {
        "meshes": {each.name: described(each) for each in meshes},
        "images": {each.name: list(each.size) for each in bpy.data.images if each.has_data or each.size[0]},
        "frames": [at_frame(frame, meshes) for frame in FRAMES] if bpy.data.actions else [],
    }


def described(thing):
    """A mesh at rest: its own numbers, and its corners in the scene."""
    data = thing.data
    places = [thing.matrix_world @ vertex.co for vertex in data.vertices]
    normals = [thing.matrix_world.to_3x3() @ vertex.normal for vertex in data.vertices]
    keys = data.shape_keys
    return {
        "parent": thing.parent.name if thing.parent else None,
        "pivot": list(thing.matrix_world.translation),
        "vertices": len(data.vertices),
        "corners": sorted({len(face.vertices) for face in data.polygons}),
        "low": [min(place[k] for place in places) for k in range(3)],
        "high": [max(place[k] for place in places) for k in range(3)],
        "foremost": list(min(places, key=lambda place: place.y)),
        "foremost_normal": list(normals[min(range(len(places)), key=lambda k: places[k].y)]),
        "uv": len(data.uv_layers),
        "colours": len(data.color_attributes),
        "material": data.materials[0].name if data.materials else None,
        "texture": texture_of(data.materials[0]) if data.materials else None,
        "keys": {key.name: key.value for key in keys.key_blocks[1:]} if keys else {},
        "moved_mm": {key.name: moved_mm(key, keys.reference_key) for key in keys.key_blocks[1:]} if keys else {},
    }


def texture_of(material):
    """The name of the picture that the colour of a material's surface comes from."""
    for node in material.node_tree.nodes if material.node_tree else ():
        if node.type == "BSDF_PRINCIPLED":
            links = node.inputs["Base Color"].links
            if links and links[0].from_node.type == "TEX_IMAGE":
                return links[0].from_node.image.name
    return None


def moved_mm(key, rest):
    """The largest offset of a shape key in millimetres."""
    return 1000 * max((one.co - other.co).length for one, other in zip(key.data, rest.data, strict=True))


def at_frame(frame, meshes):
    """What an animation has made of the scene at a frame of 24 a second."""
    bpy.context.scene.frame_set(frame)
    skin = next(each for each in meshes if each.name == "skin")
    keys = skin.data.shape_keys.key_blocks
    turn = skin.matrix_world.to_quaternion()
    return {
        "seconds": frame / bpy.context.scene.render.fps,
        "keys": {key.name: key.value for key in keys[1:]},
        "turn": list(turn),
        "place": list(skin.matrix_world.translation),
    }


if __name__ == "__main__":
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    print("BLENDER " + json.dumps({Path(each).name: read(Path(each)) for each in given}))
