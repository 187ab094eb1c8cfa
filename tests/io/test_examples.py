"""TFRecord files, Examples and event files agree with what TensorFlow and TensorBoard write and read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tfface.io import examples
from tfface.io.event_log import EventLog

FEATURES = {
    "b/text": "Zoë".encode(),
    "a": np.array([1.5, -2.0, 3e-9], np.float32),
    "count": np.array([0, 300, -7, 1 << 40], np.int64),
    "empty": b"",
}
"""Names out of order."""


def test_an_example_is_tensorflows() -> None:
    import tensorflow as tf

    lists = {
        "b/text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[FEATURES["b/text"]])),
        "a": tf.train.Feature(float_list=tf.train.FloatList(value=FEATURES["a"])),
        "count": tf.train.Feature(int64_list=tf.train.Int64List(value=FEATURES["count"])),
        "empty": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b""])),
    }
    theirs = tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString(deterministic=True)
    assert examples.encode_example(FEATURES) == theirs
    for name, value in examples.decode_example(theirs).items():
        np.testing.assert_array_equal(value, FEATURES[name])


def test_a_file_of_records_is_tensorflows(tmp_path: Path) -> None:
    import tensorflow as tf

    records = [b"", b"one", bytes(range(256)) * 40]
    examples.write_records(tmp_path / "ours", records)
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for record in records:
            writer.write(record)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    assert list(examples.read_records(tmp_path / "theirs")) == records
    assert [examples.read_place(place) for place in examples.record_places(tmp_path / "theirs")] == records


@pytest.mark.parametrize("change", ["cut", "length", "content", "checksum"])
def test_damaged_files_are_noticed(tmp_path: Path, change: str) -> None:
    path = tmp_path / "shard"
    examples.write_records(path, [b"first", b"second"])
    data = bytearray(path.read_bytes())
    if change == "cut":
        data = data[:-3]
    else:
        data[{"length": 1, "content": 14, "checksum": 18}[change]] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="cut short|checksum"):
        list(examples.read_records(path))
    with pytest.raises(ValueError, match="cut short|checksum"):
        [examples.read_place(place) for place in examples.record_places(path)]


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\xff\x01", b"\x08\x01", b"\xff" * 11, b"hello"])
def test_what_is_no_example_is_noticed(data: bytes) -> None:
    with pytest.raises(ValueError, match="record|utf-8"):
        examples.decode_example(data)


def test_tensorboard_reads_events(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventLog(tmp_path)
    log.number("train/loss", 0.5, 3)
    log.number("train/loss", 0.25, 200)
    log.picture("meshes", np.full((4, 6, 3), 200, np.uint8), 200)
    log.flush()
    read = EventAccumulator(str(tmp_path)).Reload()
    scalars = read.Scalars("train/loss")
    assert [(event.step, event.value) for event in scalars] == [(3, 0.5), (200, 0.25)]
    assert scalars[0].wall_time > 1.7e9
    image = read.Images("meshes")[0]
    assert (image.width, image.height, image.step) == (6, 4, 200) and image.encoded_image_string[1:4] == b"PNG"
