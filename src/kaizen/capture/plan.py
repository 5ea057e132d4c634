"""What there is to read: files compared with their cursors. Costs one `stat` for a file that did not change."""

from collections.abc import Iterable, Mapping

import msgspec

from kaizen.capture.discover import Found
from kaizen.store.files import Stamp


class Plan(msgspec.Struct):
    # To be read, newest first.
    read: list[Found]
    # Bytes of `read` that are new, as far as sizes tell.
    new_bytes: int
    # Rows of files that are not there any more.
    gone: list[int]


def plan(found: Iterable[Found], stamps: Mapping[str, Stamp]) -> Plan:
    read, new_bytes, here = [], 0, set()
    for file in found:
        here.add(file.path)
        known = stamps.get(file.path)
        if known is None:
            read.append(file)
            new_bytes += file.size
        elif (file.size, file.mtime_ns, file.inode, file.dev, False) != (
                known.size, known.mtime_ns, known.inode, known.dev, known.gone) or (
                known.offset < known.size and not known.rest):
            read.append(file)
            new_bytes += file.size - known.offset if file.size >= known.offset else file.size
    gone = [stamp.id for path, stamp in stamps.items() if path not in here and not stamp.gone]
    return Plan(read, new_bytes, gone)
