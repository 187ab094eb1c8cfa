#!/usr/bin/env bash
# From nothing to a 3D face: sets up, then reconstructs NASA's portrait of Eileen Collins (public domain).
#
#   OUT  where to write (out/demo)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash scripts/setup.sh

OUT="${OUT:-out/demo}"
python="${VENV:-.venv}/bin/python"
mkdir -p "$OUT"
"$python" - "$OUT/astronaut.png" <<'PYTHON'
import sys

from PIL import Image
from skimage import data

Image.fromarray(data.astronaut()).save(sys.argv[1])
PYTHON
"$python" -m tfface.predict "$OUT/astronaut.png" --out "$OUT"
echo
echo "The pictures and meshes lie in $OUT:"
ls -1 "$OUT"
