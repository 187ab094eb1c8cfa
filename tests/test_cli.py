"""The commands: how they are found, how they end, and that help imports nothing heavy."""

from __future__ import annotations

import json
import sys

import pytest

from tfface import __version__, cli, info
from tfface.errors import UserError

HEAVY = ("tensorflow", "keras", "cv2", "matplotlib", "trimesh", "dlib", "mtcnn", "numba", "scipy", "skimage")

HELP = f"""
import sys
from tfface import cli
for command in ["", *cli.COMMANDS]:
    print("::", command)
    try:
        code = cli.run(cli.main, [*filter(None, [command]), "--help"])
    except SystemExit as stop:
        code = stop.code or 0
    loaded = [name for name in {HEAVY} if name in sys.modules]
    if code or loaded:
        sys.exit(f"{{command}} --help: code {{code}}, loaded {{loaded}}")
"""


def test_help_imports_nothing_heavy(python):
    result = python("-c", HELP)
    assert result.returncode == 0, result.stderr
    answers = {part.split("\n")[0].strip(): part for part in result.stdout.split("::")[1:]}
    assert set(answers) == {"", *cli.COMMANDS} and all("usage: tfface" in part for part in answers.values())


def test_each_module_answers_to_python_dash_m(python):
    for module in ("tfface", "tfface.info"):
        result = python("-m", module, "--help")
        assert result.returncode == 0
        assert "usage: tfface" in result.stdout


def test_general_help_names_every_command(capsys):
    assert cli.run(cli.main, ["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"\n  {name} " in text for name in cli.COMMANDS)


def test_version(capsys):
    assert cli.run(cli.main, ["--version"]) == 0
    assert capsys.readouterr().out == f"tfface {__version__}\n"


@pytest.mark.parametrize(("typed", "meant"), [("trian", "train"), ("Predict", "predict"), ("exprot", "export")])
def test_unknown_command_names_the_nearest(capsys, typed, meant):
    assert cli.run(cli.main, [typed]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"error: There is no command {typed!r}: did you mean {meant!r}?\n"
    assert captured.out == ""


def test_hopeless_command_lists_them_all(capsys):
    assert cli.run(cli.main, ["qqqq"]) == 2
    message = capsys.readouterr().err
    assert all(name in message for name in cli.COMMANDS)


def test_no_command_prints_usage_and_fails(capsys):
    assert cli.run(cli.main, []) == 2
    assert "usage: tfface COMMAND" in capsys.readouterr().out


def raising(error: BaseException):
    def command(argv: list[str] | None = None) -> int:
        raise error

    return command


def test_user_error_is_one_line(capsys):
    assert cli.run(raising(UserError("face.jpg holds no face:\n  give `box`.")), []) == 2
    assert capsys.readouterr().err == "error: face.jpg holds no face: give --box.\n"


def test_interrupt_gives_130():
    assert cli.run(raising(KeyboardInterrupt()), []) == 130


def test_a_bug_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        cli.run(raising(ZeroDivisionError()), [])


def test_closed_pipe_is_no_traceback(python):
    pipe = """
import os, subprocess, sys
read, write = os.pipe()
os.close(read)
sys.exit(subprocess.run([sys.executable, "-m", "tfface", "--help"], stdout=write).returncode)
"""
    result = python("-c", pipe)
    assert result.returncode == 141
    assert result.stderr == ""


def test_exit_code_of_the_command_is_kept():
    assert cli.run(lambda argv: len(argv), ["a", "b", "c"]) == 3


def test_info_json_has_every_part(capsys):
    assert cli.run(cli.main, ["info", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"versions", "devices", "face_model", "detector", "models", "presets"}
    check_versions(answer["versions"])
    assert any(device["kind"] == "CPU" for device in answer["devices"])
    check_face_model(answer["face_model"])
    assert "Apache" in answer["detector"]["licence"]
    assert answer["models"]["mnv2_prn"]["parameters"] == 11_791_273
    assert all(network["parameters"] > 0 for network in answer["models"].values())
    assert all(card for card in answer["presets"].values())


def check_versions(versions: dict[str, str]) -> None:
    import numpy as np

    assert versions["tfface"] == __version__
    assert versions["numpy"] == np.__version__
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"tensorflow", "keras", "tensorflow-graphics", "dlib", "opencv"} <= set(versions)
    assert all(versions.values())


def check_face_model(model: dict) -> None:
    assert len(model["sha256"]) == 64
    assert model["vertices"] > 50_000
    assert model["expressions"] == 52
    assert model["landmarks"] == 81
    assert all(source["licence"] for source in model["provenance"]["sources"])


def test_what_is_absent_has_no_version(monkeypatch):
    monkeypatch.setitem(info.DISTRIBUTIONS, "opencv", ("no-such-distribution",))
    assert info.versions()["opencv"] is None
    assert info.versions()["numpy"]


def test_info_fits_a_screen_and_names_what_there_is(capsys):
    assert cli.run(cli.main, ["info"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) <= 24
    for expected in ("tfface " + __version__, "CPU", "CC0", "Apache", "mnv2_prn", "preset fast", "info NAME"):
        assert expected in text, expected


def test_info_of_a_name_is_its_card(capsys):
    assert cli.run(cli.main, ["info", "fast"]) == 0
    assert "parameters" in (text := capsys.readouterr().out) and "mnv2_points" in text
    assert cli.run(cli.main, ["info", "face_model"]) == 0
    assert "MakeHuman" in (text := capsys.readouterr().out) and "CC0" in text
    assert cli.run(cli.main, ["info", "fasst"]) == 2
    assert "mnv2_points" in capsys.readouterr().err
    info.show("", {"data": "[synthetic]", "limits": ["beards"]})
    assert "[synthetic]" in (text := capsys.readouterr().out) and "- beards" in text


def test_a_closed_stream_is_no_traceback(python):
    done = python("-c", "import sys; sys.stdout = None; from tfface import cli, info; sys.exit(cli.run(info.main, []))")
    assert done.returncode == 0 and not done.stderr


def test_what_is_printed_to_a_terminal_that_is_gone_is_lost(python):
    done = python("-c", "import sys, tfface.cli as c; c.print_nowhere(); print(1); print(2, file=sys.stderr)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
