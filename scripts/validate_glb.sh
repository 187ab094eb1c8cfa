#!/usr/bin/env bash
# Runs tests that write GLBs and holds each GLB that they wrote, whether or not it outlived its test, against Khronos'
# glTF validator: no error, no warning. Needs Node.js with npm.
# Usage: bash scripts/validate_glb.sh [pytest's arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
if [ $# -eq 0 ]; then
    set -- tests/io tests/viz tests/effects tests/video tests/report tests/test_apply.py tests/test_app.py \
        tests/test_predict.py tests/test_predict_rnet.py tests/test_fit.py tests/test_one_person.py \
        tests/test_inference.py tests/test_runtime.py tests/test_examples.py tests/training/test_detail.py tests/outside
fi
npm install --loglevel error --no-audit --no-fund --prefix "$room" gltf-validator@2.0.0-dev.3.10
mkdir "$room/kept"
TFFACE_KEEP_GLB="$room/kept" PYTHONPATH="$PWD/tests/keep_glb${PYTHONPATH:+:$PYTHONPATH}" "$python" -m pytest -q "$@"
cat > "$room/validate.js" <<'SCRIPT'
const fs = require("fs"), path = require("path"), crypto = require("crypto"), validator = require("gltf-validator");
(async () => {
    const total = { numErrors: 0, numWarnings: 0 }, seen = new Map();
    for (const name of fs.readdirSync(process.argv[2])) {
        const bytes = fs.readFileSync(path.join(process.argv[2], name));
        const digest = crypto.createHash("sha256").update(bytes).digest("hex");
        if (seen.has(digest)) continue;
        const { issues, info } = await validator.validateBytes(new Uint8Array(bytes));
        seen.set(digest, info);
        for (const kind in total) total[kind] += issues[kind];
        if (issues.numErrors + issues.numWarnings) console.log(name, JSON.stringify(issues.messages.slice(0, 5)));
    }
    const having = (what) => [...seen.values()].filter((info) => info?.[what]).length;
    console.log(`${fs.readdirSync(process.argv[2]).length} GLBs, ${seen.size} of them different, ${having("hasMorphTargets")}`
        + ` with morph targets, ${having("animationCount")} with an animation:`
        + ` ${total.numErrors} errors, ${total.numWarnings} warnings`);
    process.exit(seen.size && !total.numErrors && !total.numWarnings ? 0 : 1);
})();
SCRIPT
NODE_PATH="$room/node_modules" node "$room/validate.js" "$room/kept"
