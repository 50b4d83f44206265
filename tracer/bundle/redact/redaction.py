"""A whole recording, redacted: before anything is concluded, so that every output follows."""

import os

from tracer.bundle.redact.addresses import Addresses
from tracer.bundle.redact.frames import Frames
from tracer.bundle.redact.known import learn, subnets
from tracer.bundle.redact.macs import Macs
from tracer.bundle.redact.names import Names
from tracer.bundle.redact.secret import Secret
from tracer.bundle.redact.values import Values
from tracer.bundle.redact.walk import Walk
from tracer.core.sightings import vxlan_ports
from tracer.errors import UsageError
from tracer.model.bundle import Bundle

SHORTEST_KEY = 16


def redacted(bundle: Bundle, key: bytes | None = None) -> Bundle:
    """The same recording without its names, addresses, MACs and payload; the diagnosis stays.

    `key` makes two recordings redact alike, and must be kept as secret as they are: at least 16
    random bytes, else UsageError. None: a random one, forgotten at once.
    """
    if key is not None and len(key) < SHORTEST_KEY:
        raise UsageError(
            f"the key for redaction has {len(key)} bytes: it could be guessed",
            where="--redact",
            hint=f"take at least {SHORTEST_KEY} random ones: head -c 32 /dev/urandom > FILE",
        )
    secret = Secret(_fresh_key() if key is None else key)
    names = Names(secret if key is not None else None)
    learn(names, bundle)
    macs = Macs(secret)
    addresses = Addresses(secret, macs, subnets(bundle))
    values = Values(names, addresses, macs)
    frames = Frames(secret, addresses, macs, vxlan_ports(bundle))
    return Walk(values.by_kind(), frames).record(bundle)


def _fresh_key() -> bytes:
    return os.urandom(32)
