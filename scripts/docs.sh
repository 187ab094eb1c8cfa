#!/usr/bin/env bash
# Builds the documentation as a site into out/site; a broken link or reference is an error.
#
#   VENV  the environment, whose extra `docs` is installed when it is missing (.venv)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh

python="${VENV:-.venv}/bin/python"
"$python" -c "import mkdocs, mkdocstrings" 2>/dev/null || "$python" -m pip install --quiet --editable ".[docs]"
NO_MKDOCS_2_WARNING=1 "$python" -m mkdocs build --strict --quiet
echo "docs: open out/site/index.html"
