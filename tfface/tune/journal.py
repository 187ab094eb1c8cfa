"""Optuna's journal of a study, in the folder where the sweep lies now."""

from __future__ import annotations

import os
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from tfface.tune.storage import LOCATION


class Journal(JournalFileBackend):
    """A journal that follows its sweep: Ray keeps a pickle of it, which would go on naming the folder of before.

    Args:
        path: of the file.
    """

    name = "study.journal"

    def __init__(self, path: str) -> None:
        super().__init__(path, lock_obj=JournalFileOpenLock(path))

    def __getstate__(self) -> dict[str, str]:
        return {"path": self._file_path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        folder = os.environ.get(LOCATION)
        path = state["path"] if folder is None else os.path.join(folder, self.name)
        self.__init__(path)  # type: ignore[misc]
