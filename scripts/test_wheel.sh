#!/usr/bin/env bash
# Builds the sdist and from it the wheel, installs the wheel alone (no extras, no tensorflow-graphics) into a bare
# environment, and uses it from another folder, as somebody does who ran `pip install tfface`.
#
#   VENV  the environment that builds, and lends its photograph (.venv)
#   BARE  the bare environment, kept for the next call; else one in a temporary folder
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python="$(realpath -s "${VENV:-.venv}")/bin/python"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
BARE="${BARE:-$work/venv}"
export PIP_RETRIES="${PIP_RETRIES:-10}" PIP_DEFAULT_TIMEOUT="${PIP_DEFAULT_TIMEOUT:-60}"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 TFFACE_CACHE="$work/cache" TF_CPP_MIN_LOG_LEVEL=3
unset PYTHONPATH

fail() {
    echo "test_wheel: $1" >&2
    [ ! -f "$work/log" ] || tail -n 40 "$work/log" >&2
    exit 1
}

# says CODE SENTENCE COMMAND...: the command ends with that code and says that; a traceback is never right.
says() {
    local code=0
    echo "test_wheel: ${*:3}"
    "${@:3}" >"$work/log" 2>&1 || code=$?
    [ "$code" = "$1" ] || fail "exit code $code instead of $1"
    ! grep -q Traceback "$work/log" || fail "a traceback"
    grep -qF -e "$2" "$work/log" || fail "it does not say '$2'"
}

build() {
    mkdir "$work/source" "$work/dist"
    tar -c --exclude=__pycache__ --exclude='*.egg-info' tfface setup.cfg pyproject.toml README.md LICENSE requirements*.txt |
        tar -x -C "$work/source" # setuptools writes beside what it builds
    (
        cd "$work/source"
        "$python" -c "from setuptools.build_meta import build_sdist; build_sdist('$work/dist')"
        tar -xf "$work"/dist/*.tar.gz -C "$work"
        cd "$work"/tfface-*/
        "$python" -c "from setuptools.build_meta import build_wheel; build_wheel('$work/dist')"
    ) >"$work/log" 2>&1 || fail "it cannot be built"
    (cd "$work/dist" && ls -sh1 tfface-*)
}

install() {
    [ -x "$BARE/bin/pip" ] || "$python" -m venv "$BARE"
    "$BARE/bin/pip" install --quiet "pip>=24"
    "$BARE/bin/pip" install --quiet --upgrade "$work"/dist/*.whl
    "$BARE/bin/pip" install --quiet --force-reinstall --no-deps "$work"/dist/*.whl # the same version, built anew
    if "$BARE/bin/pip" show --quiet tensorflow-graphics mtcnn 2>/dev/null; then fail "$BARE is not bare"; fi
}

pictures() {
    "$python" - "$1" <<'PYTHON'
import sys

from PIL import Image
from skimage import data

Image.fromarray(data.astronaut()).save(f"{sys.argv[1]}/astronaut.png")
Image.new("RGB", (256, 256), (128, 128, 128)).save(f"{sys.argv[1]}/grey.png")
PYTHON
}

use() {
    local tfface="$BARE/bin/tfface"
    local small=(--data.textures 4 --data.batch 2 --data.steps-per-epoch 1 --data.validation-size 2 --optim.epochs 1)
    says 0 tfface "$tfface" --version
    says 0 "mnv2_points" "$BARE/bin/python" -c "import tfface; print(tfface.list_presets(), tfface.__file__)"
    for command in synthesize prepare; do says 0 "usage: tfface $command" "$tfface" "$command" --help; done
    says 2 "pip install 'tfface[tune]'" "$tfface" sweep
    says 0 "astronaut.obj" "$tfface" predict astronaut.png --out predicted
    says 0 "astronaut.glb" "$BARE/bin/python" -c "import sys
sys.modules['tensorflow'] = sys.modules['keras'] = sys.modules['matplotlib'] = None  # whoever imports them fails
from tfface.predict import main
sys.exit(main(['astronaut.png', '--out', 'light', '--formats', 'glb']))"
    says 2 "No face was found" "$tfface" predict grey.png --out predicted
    says 0 "astronaut.obj" "$tfface" fit astronaut.png --steps 20 --out fitted
    says 0 "epoch 1" "$tfface" train --model mnv2_light "${small[@]}" --out run
    says 2 "pip install --no-deps \"$(tail -n 1 "$OLDPWD/requirements-no-deps.txt")\"" \
        "$tfface" train --model rnet --run.regime weak "${small[@]}" --out weak
    for file in predicted/astronaut.{obj,glb,json} fitted/astronaut.{obj,glb,json} run/best.weights.h5; do
        [ -s "$file" ] || fail "there is no $file"
    done
    [ ! -e predicted/grey.obj ] || fail "a face was made of grey"
}

build
install
mkdir "$work/elsewhere"
pictures "$work/elsewhere"
cd "$work/elsewhere"
use
echo "test_wheel: all is well"
