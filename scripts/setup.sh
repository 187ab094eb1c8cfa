#!/usr/bin/env bash
# Makes the virtual environment and installs tfface, editable, with all that it needs. A second call is fast.
#
#   VENV    where the environment lies (.venv)
#   PYTHON  the interpreter to make it with (python3, else the first of 3.12, 3.13, 3.11, 3.10 that is there)
#   EXTRAS  extras to install (dev,detect,demo,tune,export,tflite)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

VENV="${VENV:-.venv}"
EXTRAS="${EXTRAS:-dev,detect,demo,tune,export,tflite}"
stamp="$VENV/.tfface-setup"
export PIP_RETRIES="${PIP_RETRIES:-10}" PIP_DEFAULT_TIMEOUT="${PIP_DEFAULT_TIMEOUT:-60}"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

fail() {
    echo "setup: $1" >&2
    exit 2
}

supported() {
    "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3 python3.12 python3.13 python3.11 python3.10; do
        if supported "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.10 to 3.13 found: install one and name it, as in PYTHON=python3.12 make setup."
}

make_venv() {
    local python
    python="$(find_python)"
    echo "setup: making $VENV with $("$python" --version)"
    if ! "$python" -m venv "$VENV"; then
        fail "$python cannot make a virtual environment: install its venv module (Debian: apt-get install python3-venv)."
    fi
}

# What was installed from what: another checkout, other requirements or other extras give another stamp.
wanted() {
    { echo "$PWD $EXTRAS"; cat requirements.txt requirements-no-deps.txt setup.cfg; } | cksum
}

if [ -f "$stamp" ] && [ -x "$VENV/bin/python" ] && [ "$(cat "$stamp")" = "$(wanted)" ]; then
    exit 0
fi
[ -x "$VENV/bin/pip" ] || make_venv
supported "$VENV/bin/python" || fail "$VENV holds an unsupported Python: delete it, or name another with VENV=FOLDER."
echo "setup: installing tfface[$EXTRAS] into $VENV (the first time a few minutes)"
"$VENV/bin/python" -m pip install --quiet --upgrade "pip>=24"
"$VENV/bin/python" -m pip install --quiet --editable ".[$EXTRAS]"
"$VENV/bin/python" -m pip install --quiet --no-deps --requirement requirements-no-deps.txt
wanted >"$stamp"
echo "setup: done"
