#!/usr/bin/env bash
# Runs tests that write GLBs and holds each against Khronos' glTF validator: no error, no warning. Needs Node.js with npm.
# Usage: bash scripts/validate_glb.sh [pytest's arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
if [ $# -eq 0 ]; then
    set -- tests/io tests/viz tests/effects tests/video tests/report tests/test_apply.py tests/test_app.py \
        tests/test_predict.py tests/test_predict_rnet.py tests/test_fit.py tests/test_one_person.py
fi
npm install --loglevel error --no-audit --no-fund --prefix "$room" gltf-validator@2.0.0-dev.3.10
"$python" -m pytest -q --basetemp="$room/tests" -o tmp_path_retention_policy=all "$@"
cat > "$room/validate.js" <<'SCRIPT'
const fs = require("fs"), path = require("path"), validator = require("gltf-validator");
const found = fs.readdirSync(process.argv[2], { recursive: true, withFileTypes: true });
const files = found.filter((each) => each.isFile() && each.name.endsWith(".glb"));
(async () => {
    const total = { numErrors: 0, numWarnings: 0 };
    for (const each of files) {
        const file = path.join(each.parentPath ?? each.path, each.name);
        const { issues } = await validator.validateBytes(new Uint8Array(fs.readFileSync(file)));
        for (const kind in total) total[kind] += issues[kind];
        if (issues.numErrors + issues.numWarnings) console.log(file, JSON.stringify(issues.messages.slice(0, 5)));
    }
    console.log(`${files.length} GLBs: ${total.numErrors} errors, ${total.numWarnings} warnings`);
    process.exit(files.length && !total.numErrors && !total.numWarnings ? 0 : 1);
})();
SCRIPT
node "$room/validate.js" "$room/tests"
