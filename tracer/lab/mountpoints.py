"""What is mounted where, as this process sees it."""

import os


def source_of(target: str) -> tuple[str, str] | None:
    """(file system, source) of the mount that is seen there, by /proc/self/mountinfo."""
    found = None
    with open("/proc/self/mountinfo") as stream:
        for line in stream:
            left, _, right = line.partition(" - ")
            if left.split()[4] == target:
                found = right.split()[0], right.split()[1]
    return found


def is_mounted(path: str) -> bool:
    """Whether a mount begins exactly there. Mounts that a later one hides do not count."""
    try:
        return _mount_id(path) != _mount_id(os.path.dirname(path))
    except FileNotFoundError:
        return False


def _mount_id(path: str) -> str:
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}") as stream:
            return next(line for line in stream if line.startswith("mnt_id:"))
    finally:
        os.close(descriptor)
