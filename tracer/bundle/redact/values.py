"""What each kind of rule does with a value."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tracer.bundle.redact.addresses import Addresses
from tracer.bundle.redact.firewall import Firewall
from tracer.bundle.redact.macs import Macs
from tracer.bundle.redact.names import Names, Sort
from tracer.bundle.redact.rules import Kind
from tracer.bundle.redact.text import MAC, Text
from tracer.core.credentials import REMOVED
from tracer.core.leases import DEFAULT_PREFIX

_OWN_ANNOTATION = re.compile(
    "(.*?)(kube-subnet-manager|backend-type|backend-data|backend-v6-data"
    "|(?:node-)?public-ip(?:v6)?|public-ip(?:v6)?-overwrite)",
    re.S,
)
_HOSTNAME, _INSTANCE = "kubernetes.io/hostname", "node.kubernetes.io/instance-type"
_DISTRIBUTIONS = ("k3s", "rke2")
"""What they write as the type of an instance; a cloud's own words would tell the cloud."""
_OF_A_DEVICE = re.compile(r"(net\.ipv[46]\.conf\.)(.+)(\.\w+)")
_NUMBERS = re.compile(r"[-\d\s]*")
_VERSION = re.compile(r":(v?\d+(?:\.\d+)*)[^/:]*$")
_PLACES = (
    "/run/netns/",
    "/var/run/netns/",
    "/run/docker/netns/",
    "/var/run/docker/netns/",
    "/proc/",
)
_PROGRAM = re.compile(
    r"(?:(?:bpf|u32|flower|matchall|basic|fw|cgroup|flow|route|xdp) )?"
    r"(?:pref \d+ handle 0x[0-9a-f]+|program \d+|(?:cil|cali|calico)_[a-z0-9_]+)"
)


class Values:
    """The maps of one redaction, by kind of rule."""

    def __init__(self, names: Names, addresses: Addresses, macs: Macs) -> None:
        self._names, self._addresses, self._macs = names, addresses, macs
        self._text = Text(names, addresses, macs)
        self._handles: dict[int, int] = {}

    def by_kind(self) -> Mapping[Kind, Callable[[Any], Any]]:
        """One function for each kind that looks at nothing but the value."""
        return {
            Kind.MARK: lambda _: True,
            Kind.GONE: lambda _: None,
            Kind.NODE: self._named(Sort.NODE),
            Kind.POD: self._named(Sort.POD),
            Kind.NAMESPACE: self._named(Sort.NAMESPACE),
            Kind.DAEMONSET: self._named(Sort.DAEMONSET),
            Kind.DEVICE: self._named(Sort.DEVICE),
            Kind.END: self._end,
            Kind.HOST: self._names.host,
            Kind.IP: self._ip,
            Kind.NETWORK: self._network,
            Kind.MAC: self._mac,
            Kind.HANDLE: self._handle,
            Kind.PROSE: self._text.prose,
            Kind.TEXT: self._text.structured,
            Kind.FIREWALL: Firewall(self._text).dump,
            Kind.IMAGE: _image,
            Kind.PLACE: _place,
            Kind.PROGRAM: self._program,
            Kind.ANNOTATIONS: self._annotations,
            Kind.LABELS: self._labels,
            Kind.SYSCTLS: self._sysctls,
            Kind.FILES: self._files,
            Kind.RESERVATIONS: self._reservations,
        }

    def _named(self, sort: Sort) -> Callable[[str], str]:
        return lambda name: self._names.token(sort, name)

    def _end(self, name: str) -> str:
        """A pod, a node, or the address of an end that has no other name."""
        try:
            return self._addresses.ip(name)
        except ValueError:
            return self._names.end(name)

    def _ip(self, ip: str) -> str:
        try:
            return self._addresses.ip(ip)
        except ValueError:
            return self._text.prose(ip)

    def _network(self, net: str) -> str:
        try:
            return self._addresses.network(net)
        except ValueError:
            return self._text.prose(net)

    def _mac(self, mac: str) -> str:
        return self._macs.text(mac) if MAC.fullmatch(mac) else self._text.prose(mac)

    def _handle(self, handle: int) -> int:
        return self._handles.setdefault(handle, len(self._handles) + 1)

    def _program(self, name: str) -> str:
        return name if _PROGRAM.fullmatch(name) else self._names.token(Sort.PROGRAM, name)

    def _annotations(self, annotations: Mapping[str, str]) -> dict[str, str]:
        found = {}
        for key, value in annotations.items():
            own = _OWN_ANNOTATION.fullmatch(key)
            if own is not None:
                found[self._prefix(own[1]) + own[2]] = self._text.structured(value)
        return found

    def _prefix(self, prefix: str) -> str:
        """`PREFIX/` or `PREFIX/WORD-`, as flannel's --kube-annotation-prefix makes it."""
        if prefix == DEFAULT_PREFIX:
            return prefix
        domain, slash, word = prefix.partition("/")
        found = self._names.token(Sort.PREFIX, domain) + slash
        return f"{found}{self._names.token(Sort.PREFIX, word)}-" if word or not slash else found

    def _labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        found = {}
        if _HOSTNAME in labels:
            found[_HOSTNAME] = self._names.host(labels[_HOSTNAME])
        if labels.get(_INSTANCE) in _DISTRIBUTIONS:
            found[_INSTANCE] = labels[_INSTANCE]
        return found

    def _sysctls(self, sysctls: Mapping[str, str]) -> dict[str, str]:
        return {
            self._sysctl(name): value if _NUMBERS.fullmatch(value) else self._text.prose(value)
            for name, value in sysctls.items()
        }

    def _sysctl(self, name: str) -> str:
        of = _OF_A_DEVICE.fullmatch(name)
        if of is None or of[2] in ("all", "default"):
            return name
        device = self._names.token(Sort.DEVICE, of[2].replace("/", "."))
        return of[1] + device.replace(".", "/") + of[3]

    def _files(self, files: Mapping[str, str]) -> dict[str, str]:
        scrub = self._text.structured
        return {scrub(path): scrub(text) for path, text in files.items()}

    def _reservations(self, reservations: Mapping[str, str]) -> dict[str, str]:
        return {self._ip(ip): self._text.structured(text) for ip, text in reservations.items()}


def _image(image: str) -> str:
    version = _VERSION.search(image.partition("@")[0])
    return f"image:{version[1]}" if version is not None else "image"


def _place(path: str) -> str:
    return next((place for place in _PLACES if path.startswith(place)), REMOVED)
