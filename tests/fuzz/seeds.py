"""What the fuzzers begin with: every recorded case, and a capture of every variety."""

import tarfile
from pathlib import Path

from tests.capture import files
from tests.cases import BUNDLE, CHECK, bundle_of, names
from tests.fuzz.hostile_bundles import unpacked

RECORDED = Path(__file__).parents[1] / "capture" / "recorded" / "vtepmac-annotation-stale.tar.xz"


def bundles(folder: Path) -> None:
    """Recorded bundles, of traces and of checks."""
    for path in [bundle_of(name, file) for file in (BUNDLE, CHECK) for name in names(file)]:
        data = path.read_bytes()
        assert unpacked(data), f"{path} does not open"
        (folder / f"{path.parent.name}-{path.name}").write_bytes(data)


def captures(folder: Path) -> None:
    """Recorded captures, and made ones: cooked, Ethernet, raw, either byte order, pcapng."""
    with tarfile.open(RECORDED) as archive:
        for member in archive:
            file = archive.extractfile(member)
            if member.name.endswith(".pcap") and file is not None:
                (folder / Path(member.name).name).write_bytes(file.read())
    seen = files.split(files.run(2))["node-a"]
    made = {
        "sll": files.pcap(seen, 113),
        "sll2-ns": files.pcap(seen, 276, nano=True),
        "ethernet-big-endian": files.pcap(seen, 1, order=">"),
        "raw": files.pcap(seen, 101),
        "modified": files.pcap(seen, 1, modified=True),
        "snap-60": files.pcap(seen, 1, snap=60),
        "pcapng": files.pcapng(seen),
        "pcapng-big-endian": files.pcapng(seen, order=">"),
        "pcapng-nameless": files.pcapng(seen, named=False),
    }
    for name, data in made.items():
        (folder / name).write_bytes(data)
