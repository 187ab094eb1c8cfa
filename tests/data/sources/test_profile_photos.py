"""The tool that turns photographs in depth, with a network whose answer is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.data.tools import load_tool
from tests.toy_network import disc_photo, save_toy_network
from tfface.data.shards.maps import crop_matrix
from tfface.face.metric import reference_pose
from tfface.face.position_map import position_tables
from tfface.inference import Reconstructor
from tfface.io.image import write_image
from tfface.io.warp import warp_image


def test_records_hold_the_photograph_and_a_turned_one(tmp_path: Path, repository: Path) -> None:
    tool = load_tool(repository, "profile_photos")
    network = Reconstructor(save_toy_network(tmp_path / "toy"), recrop=0)
    write_image(tmp_path / "a.png", disc_photo(160, 200, (100, 80), 30))
    options = tool.Options(tmp_path / "a.png", tmp_path / "out", turns=2, image_size=128)
    result = network(disc_photo(160, 200, (100, 80), 30), (40, 20, 160, 140))[0]
    maker = tool.Maker(options, lambda image: [result])
    for number, (low, high) in enumerate(((45, 67.5), (67.5, 90))):
        front, side = maker(tool.Job(f"a.png#{number}", tmp_path / "a.png", number)).views
        matrix = crop_matrix(result.landmarks68, 128)
        np.testing.assert_array_equal(front.image, warp_image(result.image, matrix, 128, 128))  # no dots drawn on it
        yaw = reference_pose(position_tables(256).to_vertices(side.position_map)).degrees[0]
        assert np.sign(yaw) == np.sign(result.pose.degrees[0]) and low - 1 <= abs(yaw) <= high + 1
        assert side.position_map[..., 2].min() == 0 and side.mask.min() == 255
    assert len(maker.tiles) == 3 and not np.array_equal(maker.tiles[0], front.image)
