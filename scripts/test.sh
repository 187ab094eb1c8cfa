#!/usr/bin/env bash
# Sets up, lints, tests, builds the documentation, and tries the wheel in a bare environment. With arguments, which go to
# pytest, only some tests are run: `bash scripts/test.sh tests/test_cli.py -k help`.
#
#   WORKERS  test processes (2: importing TensorFlow takes one core 10 s); one that has nothing left takes tests from another
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/lint.sh

unset PYTHONDONTWRITEBYTECODE # else each of the tests' many processes compiles this package anew
chosen=(-m "not nightly")
[ $# -eq 0 ] || chosen=("$@")
"${VENV:-.venv}/bin/python" -m pytest -n "${WORKERS:-2}" --dist worksteal --durations 10 "${chosen[@]}"
if [ $# -eq 0 ]; then
    bash scripts/docs.sh
    bash scripts/test_wheel.sh
fi
