"""Hostile bundles out of recorded ones: archives, JSON and frames that are almost right."""

import base64
import gzip
import io
import json
import random
import tarfile
import zlib
from collections.abc import Callable
from typing import Any

Files = dict[str, bytes]
Mutate = Callable[[bytes, int], bytes]
"""The fuzzer's own mutation of bytes, up to so many."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**32, 2**63, 2**64, 10**30, 1.5, -0.0, 1e308, "", " ",
    "\0", "\x1b[2J", "\u202e", "10.244.1.0", "10.244.0.0/16", "0.0.0.0/0", "::", "::/0", "fe80::1",
    "10.244.1.0/99", "999.1.1.1", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "flannel.1", "cni0",
    "node-a", "../../etc/passwd", "{", "[]", "x" * 70_000, [], {}, [None], [[[[[[]]]]]], {"": {}},
    "2026-13-45T99:99:99Z", "9999-12-31T23:59:59Z", "vxlan", "host-gw", "unknown", "freed",
)  # fmt: skip


def unpacked(data: bytes) -> Files | None:
    """The archive's files; None: it is no archive (any more)."""
    try:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(data))) as archive:
            return {
                member.name: file.read()
                for member in archive
                if member.isreg() and not member.issparse()
                if (file := archive.extractfile(member)) is not None
            }
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError):
        return None


def repacked(files: Files, dice: random.Random) -> bytes:
    """An archive of the files; now and then with something in it that no bundle has."""
    buffer = io.BytesIO()
    stream = gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1, mtime=0)
    with stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
        if dice.random() < 0.05:
            odd = tarfile.TarInfo(dice.choice(("../../x", "/abs", "top/link", "top/dev", "alone")))
            odd.type = dice.choice((tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE, b"S", b"Z"))
            odd.linkname = "/etc/passwd"
            odd.pax_headers = {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": f"{1 << 40},0"}
            archive.addfile(odd)
    return buffer.getvalue()


def hostile_bundle(data: bytes, most: int, seed: int, mutate: Mutate) -> bytes:
    """The next input: mostly an archive that opens and holds something odd."""
    dice = random.Random(seed)
    files = unpacked(data) if dice.random() > 0.03 else None
    if not files:
        return mutate(data, most)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 5))):
        name = dice.choice(list(files))
        act = dice.choices((_json, _frames, _bytes, _names), weights=(12, 4, 0.3, 0.3))[0]
        act(files, name, dice, mutate)
        if not files:
            break
    made = repacked(files, dice)
    return made if len(made) <= most else data


def _bytes(files: Files, name: str, dice: random.Random, mutate: Mutate) -> None:
    text = files[name]
    at = dice.randrange(len(text) + 1)
    piece = text[at : at + 200]
    files[name] = text[:at] + mutate(piece, 400) + text[at + len(piece) :]


def _names(files: Files, name: str, dice: random.Random, _: Mutate) -> None:
    text = files.pop(name)
    if dice.random() < 0.7:
        files[dice.choice((name + "x", "x/" + name, "top/nodes/.json", "top/nodes/é.json"))] = text


def _json(files: Files, name: str, dice: random.Random, _: Mutate) -> None:
    """Another value at a random place, or the same part many times."""
    lines = files[name].split(b"\n") if name.endswith(".jsonl") else [files[name]]
    number = dice.randrange(len(lines))
    try:
        document = json.loads(lines[number])
    except (ValueError, RecursionError):
        return
    lines[number] = json.dumps(_changed(document, dice)).encode()
    if name.endswith(".jsonl") and dice.random() < 0.2:
        lines += [lines[number]] * dice.choice((1, 10, 1000))
    files[name] = b"\n".join(lines)


def _changed(value: Any, dice: random.Random) -> Any:
    """Walk down at random, and change what is there."""
    inside = (
        list(value)
        if isinstance(value, dict)
        else range(len(value))
        if isinstance(value, list)
        else ()
    )
    if not inside or dice.random() < 0.04:
        return _other(value, dice)
    key = dice.choice(list(inside))
    changed = value.copy()
    roll = dice.random()
    if roll < 0.02:
        del changed[key]
    elif roll < 0.1 and isinstance(changed, list):
        changed *= dice.choice((2, 50, 3000)) if len(changed) < 200 else 2
    elif roll < 0.14:
        other = dice.choice(list(inside))
        changed[key], changed[other] = changed[other], changed[key]
    else:
        changed[key] = _changed(changed[key], dice)
    return changed


def _other(value: Any, dice: random.Random) -> Any:
    if isinstance(value, str) and value and dice.random() < 0.5:
        at = dice.randrange(len(value))
        return value[:at] + dice.choice(("", "\0", "/", ":", "9", '"', "\\u0000")) + value[at + 1 :]
    if isinstance(value, int) and dice.random() < 0.5:
        return value + dice.choice((-1, 1, 1 << 20, -(1 << 40)))
    alike = [one for one in VALUES if type(one) is type(value)]
    return dice.choice(alike if alike and dice.random() < 0.97 else VALUES)


def _frames(files: Files, name: str, dice: random.Random, mutate: Mutate) -> None:
    """Headers of observed packets: bytes that a decoder has to make sense of."""
    name = next((one for one in files if one.endswith("observations.jsonl")), name)
    lines = files[name].split(b"\n")
    for _ in range(dice.choice((1, 4, 16))):
        number = dice.randrange(len(lines))
        try:
            seen = json.loads(lines[number])
            frame = base64.b64decode(seen["headers"])
        except (ValueError, KeyError, TypeError):
            continue
        seen["headers"] = base64.b64encode(mutate(frame, 400)).decode()
        lines[number] = json.dumps(seen).encode()
    files[name] = b"\n".join(lines)
