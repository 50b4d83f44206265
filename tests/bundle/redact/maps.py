"""The maps behind a redaction, made by hand: with a key of the tests and the subnets of one."""

from ipaddress import ip_network

from tracer.bundle.redact.addresses import Addresses
from tracer.bundle.redact.macs import Macs
from tracer.bundle.redact.secret import Secret

KEY = b"a key of the tests"
SECRET = Secret(KEY)


def macs(key: bytes = KEY) -> Macs:
    return Macs(Secret(key))


def addresses(*subnets: str, key: bytes = KEY) -> Addresses:
    """The address map of a recording with these subnets."""
    secret = Secret(key)
    return Addresses(secret, Macs(secret), [ip_network(net) for net in subnets])
