"""kube-controller-manager's command line -> how it gives pod CIDRs to nodes."""

import re
from collections.abc import Iterable
from ipaddress import ip_network

from tracer.model.cluster import ClusterState, ControllerManager
from tracer.model.packet import Net
from tracer.model.state import NodeState

MANIFEST = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
"""Where kubeadm puts the static pod's manifest. An agent keeps the two flags of it, one a line."""

CIDR, ALLOCATE = "--cluster-cidr", "--allocate-node-cidrs"

_WORD = re.compile(r"[^\s\[\]\"']+")
_COMMENT = re.compile(r"(^|\s)#.*")
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
"""What Go's strconv.ParseBool takes for true."""


def flags(arguments: Iterable[str]) -> tuple[str, ...]:
    """The two flags among the arguments of a command, as `--FLAG=VALUE`; of doubles the last.

    As pflag reads them: a text may be the next argument, a switch without value is true, and `_`
    is `-` (k8s.io/component-base/cli/flag, WordSepNormalizeFunc). A shell's command line counts,
    too.
    """
    found: dict[str, str] = {}
    awaited = False
    for word in (word for argument in arguments for word in argument.split()):
        if awaited:
            found[CIDR], awaited = word, False
            continue
        name, equals, value = word.partition("=")
        name = name.replace("_", "-")
        if name == CIDR and not equals:
            awaited = True
        elif name in (CIDR, ALLOCATE):
            found[name] = value if equals else "true"
    return tuple(f"{name}={found[name]}" for name in (CIDR, ALLOCATE) if name in found)


def reduced(manifest: str) -> str:
    """The two flags of a manifest, one a line, and nothing else of it. Not a YAML parser: words."""
    words = (
        word.rstrip(",")
        for line in manifest.splitlines()
        for word in _WORD.findall(_COMMENT.sub("", line))
    )
    return "".join(f"{flag}\n" for flag in flags(word for word in words if word not in ("", "-")))


def controller_manager(
    source: str, node: str | None, arguments: Iterable[str]
) -> ControllerManager:
    """What the command line says. A cluster CIDR that is none is left out."""
    given = dict(flag.partition("=")[::2] for flag in flags(arguments))
    allocate = given.get(ALLOCATE)
    return ControllerManager(
        source=source,
        node=node,
        cluster_cidrs=tuple(_nets(given.get(CIDR, ""))),
        allocate_node_cidrs=None if allocate is None else allocate in _TRUE,
    )


def controller_managers(
    cluster: ClusterState, nodes: Iterable[NodeState] = ()
) -> tuple[ControllerManager, ...]:
    """Those that the API showed, then what the manifests of other nodes say.

    A pod's command line is the one that runs; the manifest of the same node may have been edited
    since, and the kubelet then restarts the pod at once.
    """
    shown = {one.node for one in cluster.controller_managers}
    return (
        *cluster.controller_managers,
        *(
            controller_manager(f"{state.node} {MANIFEST}", state.node, text.splitlines())
            for state in nodes
            if state.node not in shown and (text := state.files.get(MANIFEST)) is not None
        ),
    )


def _nets(text: str) -> Iterable[Net]:
    for one in text.split(","):
        try:
            yield str(ip_network(one.strip(), strict=False))
        except ValueError:
            continue
