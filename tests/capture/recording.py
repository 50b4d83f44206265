"""Record the captures of the fixture anew: `python -m tests.capture.recording`, as root.

Then update the goldens. What the how-to would have somebody save, with one fault in force.
"""

import io
import tarfile
import tempfile
from pathlib import Path

from tests.capture.test_lab import record
from tests.lab.universe import Universe

RECORDED = Path(__file__).parent / "recorded"
FAULT = "vtepmac-annotation-stale"


def packed(folder: Path) -> bytes:
    """The folder as one small file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:xz") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                member = tarfile.TarInfo(str(path.relative_to(folder)))
                member.size = path.stat().st_size
                archive.addfile(member, io.BytesIO(path.read_bytes()))
    return out.getvalue()


def main() -> None:
    """Two nodes, the fault, the captures."""
    lab = Universe()
    try:
        lab.lab("up", "--nodes", "2")
        lab.lab("inject", FAULT)
        with tempfile.TemporaryDirectory() as folder:
            record(lab, Path(folder))
            RECORDED.mkdir(exist_ok=True)
            (RECORDED / f"{FAULT}.tar.xz").write_bytes(packed(Path(folder)))
    finally:
        lab.close()


if __name__ == "__main__":
    main()
