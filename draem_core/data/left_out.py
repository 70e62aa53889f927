"""Pictures below a dataset's root that its layout has no place for: they are named, never dropped without a word.

Opens no file. Must not know layouts or samples.
"""

from collections import deque
from pathlib import Path

from draem_core.data.folders import MOST_FOLDERS, Folder, relative, scan
from draem_core.formatting import counted, some


def left_out(root: Folder, layout: str, known: set[Path]) -> list[str]:
    """Return sentences about pictures at any depth that are not ``known``, and about folders that were not entered."""
    left: dict[Path, int] = {}
    linked: list[Path] = []
    closed: list[Path] = []
    entered = {path for file in known for path in file.parents}
    waiting, done = deque([root.path]), 0
    while waiting and done < MOST_FOLDERS:
        path = waiting.popleft()
        done += 1
        try:
            folder = root if path == root.path else scan(path)
        except OSError:
            closed.append(path)
            continue
        if lost := sum(picture not in known for picture in folder.pictures.values()):
            left[path] = lost
        for inner in folder.folders.values():
            if not inner.is_symlink():
                waiting.append(inner)
            elif inner not in entered:
                linked.append(inner)
    notes = []
    if total := sum(left.values()):
        places = ["the folder itself" if path == root.path else relative(path, root.path) for path in sorted(left)]
        is_left, them = ("is left", "it") if total == 1 else ("are left", "them")
        notes.append(
            f"{counted(total, 'picture')} in {some(places)} {is_left} out: the layout ({layout}) has no place for "
            f"{them}."
        )
    for folders, why in ((linked, "a link"), (closed, "closed to this user")):
        if folders:
            names = some([relative(path, root.path) for path in folders])
            notes.append(f"{counted(len(folders), 'folder')} not entered, as {why}: {names}.")
    if waiting:
        notes.append(f"Only the first {MOST_FOLDERS:,} folders were searched for pictures that are left out.")
    return notes
