"""Hostile captures out of recorded ones: records that are almost right, and a great many."""

import random
from struct import pack, pack_into, unpack_from

from tests.fuzz.hostile_bundles import Mutate

HEADER, RECORD = 24, 16
LITTLE = (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
"""Classic pcap as this machine writes it, micro- and nanoseconds: what is taken apart here."""


def records(data: bytes) -> list[bytes] | None:
    """The records with their headers; None: another format, or broken already."""
    if data[:4] not in LITTLE:
        return None
    found, at = [], HEADER
    while at + RECORD <= len(data):
        size = RECORD + unpack_from("<I", data, at + 8)[0]
        if at + size > len(data):
            return None
        found.append(data[at : at + size])
        at += size
    return found


def hostile_capture(data: bytes, most: int, seed: int, mutate: Mutate) -> bytes:
    """The next input: bytes changed anywhere, or records changed, mixed and multiplied."""
    dice = random.Random(seed)
    found = records(data)
    if not found or dice.random() < 0.4:
        return mutate(data, most)
    for _ in range(dice.choice((1, 2, 8))):
        number = dice.randrange(len(found))
        found[number] = _changed(found[number], dice, mutate)
    if dice.random() < 0.1:
        dice.shuffle(found)
    if dice.random() < 0.1:
        found = _many(found, most - HEADER, dice)
    made = data[:HEADER] + b"".join(found)
    return made if len(made) <= most else data


def _changed(record: bytes, dice: random.Random, mutate: Mutate) -> bytes:
    """Another frame behind a right header, or a header that lies."""
    head, frame = bytearray(record[:RECORD]), record[RECORD:]
    if dice.random() < 0.8:
        frame = mutate(frame, len(frame) + 64) or frame
        pack_into("<II", head, 8, len(frame), max(len(frame), dice.choice((0, 1500, 65535))))
    else:
        pack_into("<I", head, dice.choice((0, 4, 12)), dice.choice((0, 1, 999_999, 2**32 - 1)))
    return bytes(head) + frame


def _many(found: list[bytes], room: int, dice: random.Random) -> list[bytes]:
    """The same records again and again, each a little different, until the file is full."""
    many, used = list(found), sum(map(len, found))
    while used < room - 2000:
        record = bytearray(dice.choice(found))
        for _ in range(dice.choice((1, 2, 4))):
            at = dice.randrange(RECORD, len(record)) if len(record) > RECORD else 0
            record[at : at + 2] = pack("<H", dice.randrange(1 << 16))[: len(record) - at]
        many.append(bytes(record))
        used += len(record)
    return many
