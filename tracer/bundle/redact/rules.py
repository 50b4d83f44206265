"""What becomes of a recorded value: the kinds of rules, each in words for people."""

from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What is done with a field. The value: the word for it in the reference, and its meaning."""

    KEEP = ("kept", "as it was recorded")
    INSIDE = ("inside", "a record: its own fields have rules")
    MARK = ("set", "true: this recording was redacted")
    GONE = ("removed", "null")
    NODE = ("node", "a token such as `node-1`")
    POD = (
        "pod",
        "a token such as `pod-1`; a pod of flannel's own keeps its DaemonSet's name before it",
    )
    NAMESPACE = ("namespace", "a token such as `ns-1`; those that every cluster has stay")
    DAEMONSET = ("daemonset", "a token such as `daemonset-1`; those of flannel's manifests stay")
    END = ("end", "`ns-1/pod-1`, a node's token, or an address as such")
    HOST = ("host", "the node's token where the names are one, else a token such as `host-1`")
    DEVICE = ("device", "kept where the kernel, systemd or a plugin gave it, else a token: `dev-1`")
    IP = ("address", "another address of the same kind, in the same subnet as before")
    NETWORK = ("network", "the same map: what lay in it lies in it")
    MAC = ("MAC", "another MAC of the same sort")
    HANDLE = ("number", "1, 2, 3 in order of first use: equal stay equal")
    PROSE = ("words", "`[removed]` for words that are no known harmless ones, names or addresses")
    TEXT = ("text", "tokens for words that are no known harmless ones, names or addresses")
    FIREWALL = ("dump", "the rules, without comments; tokens for names of chains and sets")
    FRAME = ("frame", "addresses and MACs replaced in place, payload cut")
    IMAGE = ("image", "`image:` and the version, without registry and repository")
    PLACE = ("place", "the folder, without the name in it")
    PROGRAM = ("program", "kept where the kernel or a known plugin named it, else a token")
    ANNOTATIONS = ("annotations", "flannel's own, under their prefix or a token for it; as text")
    LABELS = ("labels", "the host's name, and what names a distribution; no others")
    SYSCTLS = ("sysctls", "names as devices, values if they are numbers")
    FILES = ("files", "path and text, each as text")
    RESERVATIONS = ("reservations", "address, container and device, each as such")

    def __init__(self, word: str, meaning: str) -> None:
        self.word = word
        self.meaning = meaning


class Rule(NamedTuple):
    """One field's rule, and why it is enough. `keys`: what is done with a mapping's keys."""

    kind: Kind
    why: str
    keys: Kind | None = None
