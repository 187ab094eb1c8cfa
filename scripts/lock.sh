#!/usr/bin/env bash
# Writes requirements.lock (every package that tfface and its extras can need, with hashes, for Python 3.10 and later on any
# system) and sbom.cdx.json (the same as a CycloneDX bill of materials), and asks OSV for known vulnerabilities.
#
#   bash scripts/lock.sh                                          # in an environment with uv, cyclonedx-bom and pip-audit
#   pip install --require-hashes --no-deps -r requirements.lock   # exactly those packages
#
# BIN is the folder of those three tools, with a slash at its end; without it they are looked for in PATH.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin="${BIN:-}"
extras=()
for extra in detect tune ray export tflite app demo docs dev; do extras+=(--extra "$extra"); done
# ai-edge-litert wants backports-strenum on every Python; 1.3 and later are for those before 3.11 only, which uv overlooks.
"${bin}uv" pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header "${extras[@]}" \
    --constraints <(echo "backports-strenum<1.3") setup.cfg -o requirements.lock
"${bin}uv" pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-header --no-deps requirements-no-deps.txt >>requirements.lock
"${bin}cyclonedx-py" requirements requirements.lock --output-reproducible --of JSON -o sbom.cdx.json
echo "requirements.lock: $(grep -c '==' requirements.lock) packages; sbom.cdx.json"
"${bin}pip-audit" --no-deps --disable-pip --require-hashes -r requirements.lock --vulnerability-service osv || echo "pip-audit found something, or could not reach OSV"
