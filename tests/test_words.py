"""Words that readers could not know, and that are gone; and how errors name arguments."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tfface.cli import COMMANDS, run
from tfface.config import Config, flatten, to_dict
from tfface.errors import ARGUMENT, UserError

REPOSITORY = Path(__file__).resolve().parents[1]
PLACES = ("tfface", "data_tools", "benchmarks", "examples", "tune", "docs")
GONE = {
    "a system by the number of its folder": r"\b[Ss]eed[ _]00\d",
    "says no coefficients": r"\b(says|say) (no )?coefficients",
    "is no box": r"(?<![Tt]here )\bis no (box|folder|file|angle)\b",
    "are no numbers": r"\bare no (finite )?numbers\b",
    "refining, which fits the face model, for cropping again": r"\brefine(=\d|: int)",
}


@pytest.mark.parametrize("what", GONE)
def test_words_are_gone(what: str) -> None:
    files = [REPOSITORY / "README.md", *(p for place in PLACES for p in (REPOSITORY / place).rglob("*"))]
    texts = [path for path in files if path.suffix in (".py", ".md", ".yaml", ".sh")]
    assert len(texts) > 200
    found = [path.name for path in texts if re.search(GONE[what], path.read_text(encoding="utf-8"))]
    assert found == []


def test_names_can_be_guessed() -> None:
    for path, tree in modules("tfface/**/*.py", "data_tools/*.py", "benchmarks/*.py", "scripts/*.py").items():
        names = {getattr(node, key, "") for node in ast.walk(tree) for key in ("id", "arg", "attr", "name")}
        assert not names & {"said", "told", "came", "restlessness", "whole", "Agree", "best_change"}, path


FLAG = re.compile(r"(?<![\w-])--([a-z][\w.-]*)")
WHOLE_COMMAND = re.compile(r"\b(python|tfface|pip|git) [^`]*")
OF_COMMANDS = {
    *(f"tfface/{name}.py" for name in [*COMMANDS, "cli", "predict_checks"]),
    "tfface/tune/cluster.py",
    "tfface/tune/report.py",
}
PRINTS, ERRORS = ("print", "_print"), ("UserError", "StoppedError")


def name_of(call: ast.Call) -> str:
    """What a call calls, without its module."""
    return str(getattr(call.func, "attr", getattr(call.func, "id", "")))


def texts(tree: ast.AST) -> Iterator[str]:
    """The texts in a module, each whole: without docstrings and what is printed."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Call) and name_of(node) in PRINTS:
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "VALUE" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        else:
            yield from texts(node)


@cache
def modules(*places: str) -> dict[str, ast.Module]:
    """Python files by their paths."""
    paths = [path for place in places for path in REPOSITORY.glob(place)]
    return {path.relative_to(REPOSITORY).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def test_errors_of_the_library_name_no_flags() -> None:
    library = {name: tree for name, tree in modules("tfface/**/*.py").items() if name not in OF_COMMANDS}
    found = {
        (name, text)
        for name, tree in library.items()
        for text in texts(tree)
        if FLAG.search(WHOLE_COMMAND.sub("", text)) and not FLAG.fullmatch(text.split("=")[0])
    }
    assert len(library) > 200 and found == set()


def test_arguments_in_errors_are_flags_of_some_command() -> None:
    commands = modules("data_tools/*.py", "tfface/*.py", "tfface/io/formats.py").values()
    fields = {
        field.target.id
        for tree in commands
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    }
    flags = {flag.replace("-", "_") for tree in commands for text in texts(tree) for flag in FLAG.findall(text)}
    keys = {key for key, _ in flatten(to_dict(Config()))}
    errors = [
        node
        for tree in modules("tfface/**/*.py").values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and name_of(node) in ERRORS
    ]
    named = {match[1] for error in errors for text in texts(error) for match in ARGUMENT.finditer(text)}
    assert len(named) > 30 and named - fields - flags - keys == set()


def test_data_is_made_silently() -> None:
    """What is printed, progress and exit codes are the commands'."""
    for name, tree in modules("tfface/data/**/*.py").items():
        calls = {name_of(node) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not calls & {"print", "exit", "SystemExit"} and "tfface.cli" not in imported, name


def test_commands_tell_flags(capsys: pytest.CaptureFixture[str]) -> None:
    def fail(argv: list[str] | None) -> int:
        raise UserError("Give `min_face`, `data.source=photos`, `overwrite=True` or `strict=False`; no `A` or `b c`.")

    assert run(fail) == 2
    shown = "Give --min-face, --data.source photos, --overwrite or --no-strict; no `A` or `b c`."
    assert capsys.readouterr().err == f"error: {shown}\n"


BLOCK = re.compile(r"\s*(\||#|<!--|!\[|---|```|$)")
ITEM = re.compile(r"^\s*([-*+]|\d+\.)\s+")
END = re.compile(r"(?<=[.!?])[)\"]?\s+(?=[A-Z\"(*\d\[])")
MOST_WORDS = 30
LAB_BOOK = "experiments.md"


def prose(text: str) -> Iterator[str]:
    """Paragraphs and items of lists, without tables, headings, pictures and code."""
    gathered: list[str] = []
    for line in re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE).split("\n"):
        code = line.startswith("    ") and not gathered
        if BLOCK.match(line) or ITEM.match(line) or code:
            yield " ".join(gathered)
            gathered = []
        if not BLOCK.match(line) and not code:
            gathered.append(ITEM.sub("", line).strip())
    yield " ".join(gathered)


def sentences(paragraph: str) -> list[str]:
    """A paragraph's sentences without marks; a link is its text, and code counts as a word."""
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "Code", paragraph))
    return END.split(re.sub(r"\b(et al|cf|vs)\.", r"\1", plain.replace("**", "")))


@pytest.mark.parametrize(
    "path", [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))], ids=lambda path: path.name
)
def test_sentences_are_short(path: Path) -> None:
    if path.name != LAB_BOOK:
        all_of_them = [s for paragraph in prose(path.read_text(encoding="utf-8")) for s in sentences(paragraph)]
        assert len(all_of_them) > 1
        assert [s for s in all_of_them if len(re.findall(r"\S*\w\S*", s)) > MOST_WORDS] == []
