"""Keeps every GLB that tests and the commands they start write: `scripts/validate_glb.sh` puts this into PYTHONPATH.

Results are written beside and renamed (`tfface.io.files.atomic_path`). Python tells its audit hooks of a rename before
it happens, so a GLB that a test later overwrites, damages or deletes is kept as it was written.
"""

import os
import shutil
import sys
import tempfile

KEPT = os.environ.get("TFFACE_KEEP_GLB")
"""Folder for the copies."""


def _keep(event: str, arguments: tuple[object, ...]) -> None:
    if event != "os.rename":
        return
    source, target = (os.fspath(each) for each in arguments[:2])
    if str(target).endswith(".glb") and os.path.isfile(source):
        handle, copy = tempfile.mkstemp(f"-{os.path.basename(target)}", dir=KEPT)
        os.close(handle)
        shutil.copyfile(source, copy)


if KEPT:
    sys.addaudithook(_keep)
