"""Names to tokens: `node-1`, `pod-2`. The same name is the same token wherever it stands."""

import re
from base64 import b32encode
from enum import StrEnum

from tracer.bundle.redact.secret import Secret


class Sort(StrEnum):
    """What a name is the name of; its tokens begin with this word."""

    NODE = "node"
    HOST = "host"
    POD = "pod"
    NAMESPACE = "ns"
    DAEMONSET = "daemonset"
    DEVICE = "dev"
    PREFIX = "prefix"
    """What stands before flannel's own names in annotations."""
    PROGRAM = "program"
    CONTAINER = "container"
    NAME = "name"
    """Whatever it is: a chain, a set, a file."""


KEPT = {
    Sort.NAMESPACE: {"default", "kube-system", "kube-flannel", "kube-public", "kube-node-lease"},
    Sort.DAEMONSET: {"kube-flannel-ds", "kube-flannel", "canal", "rke2-canal"},
}
"""Names that every cluster has: they say nothing of this one, and commands need them."""

_NUMBERED = "br|bond|cbr|cni|docker|dummy|eth|gre|ib|lo|sit|tap|team|tun|tunl|veth|virbr|vnet|wlan"
_DEVICE = re.compile(
    rf"(?:(?:{_NUMBERED})\d*"
    r"|en[ops]\d+(?:[fs]\d+)*(?:[dv]\d+|np\d+)?|flannel(?:-v6)?\.\d+|flannel-wg(?:-v6)?|kube-bridge|kube-ipvs0|nodelocaldns"
    r"|(?:lxc|veth)[0-9a-f]+|br-[0-9a-f]{12}|cilium_(?:host|net|vxlan|wg0)|lxc_health|vxlan(?:-v6)?\.calico"
    r")(?:\.\d{1,4})?"
)
"""Devices named by the kernel, systemd or a network plugin, at random or by number.

Not among them: names made from a MAC (enx...), and those that hash a pod's name without a key,
which anybody can compute for a name that he guesses (Calico's cali..., AWS's eni...).
"""

_LONGEST_WORD = 51


def is_usual_device(name: str) -> bool:
    """A device's name that says nothing of its owner."""
    return _DEVICE.fullmatch(name) is not None


class Names:
    """The map of one redaction.

    Tokens are numbered in the order of first use. `secret`: they are made from the name instead, so
    that two recordings, in which that order may differ, get the same ones.
    """

    def __init__(self, secret: Secret | None) -> None:
        self._secret = secret
        self._tokens: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()
        self._counts: dict[str, int] = {}
        self._words: dict[str, str] = {}

    def token(self, sort: Sort, name: str) -> str:
        """What stands for a name; names that every cluster has, and "", stand for themselves."""
        if (
            not name
            or name in KEPT.get(sort, ())
            or (sort is Sort.DEVICE and is_usual_device(name))
        ):
            return name
        return self._token(sort, name, sort.value)

    def like(self, sort: Sort, name: str, stem: str) -> str:
        """The same, where the token is to begin with another word."""
        return self._token(sort, name, stem)

    def meet(self, sort: Sort, name: str) -> None:
        """Learn a name that free text may hold. One of two sorts is read as the first one met."""
        token = self.token(sort, name)
        if name and token != name:
            self._words.setdefault(name.lower(), token)

    def word(self, word: str) -> str | None:
        """The token of a learned name; None: it is none."""
        return self._words.get(word.lower())

    def end(self, name: str) -> str:
        """`NAMESPACE/POD`, or a node."""
        namespace, slash, pod = name.partition("/")
        if not slash:
            return self.token(Sort.NODE, name)
        return f"{self.token(Sort.NAMESPACE, namespace)}/{self.token(Sort.POD, pod)}"

    def host(self, name: str) -> str:
        """A machine's own name: its node's token where the two names are one."""
        return self._tokens.get((Sort.NODE, name)) or self.token(Sort.HOST, name)

    def _token(self, sort: Sort, name: str, stem: str) -> str:
        found = self._tokens.get((sort, name))
        if found is None:
            found = self._tokens[sort, name] = self._fresh(name, stem)
            self._taken.add(found)
        return found

    def _fresh(self, name: str, stem: str) -> str:
        if self._secret is None:
            self._counts[stem] = self._counts.get(stem, 0) + 1
            return f"{stem}-{self._counts[stem]}"
        digest = self._secret.digest("name", f"{stem} {name}".encode())
        word = b32encode(digest).decode().lower().rstrip("=")
        tokens = (f"{stem}-{word[:length]}" for length in range(6, _LONGEST_WORD + 2))
        return next(token for token in tokens if token not in self._taken)
