"""`kubectl get -o json` -> the cluster's half: nodes with flannel's annotations, pods, net-conf.

Only the fields of `collect/kube_objects.py` are kept: no Secret, no environment, no other label.
"""

from pathlib import Path
from typing import TypeVar

import msgspec

from tracer.capture.node_files import LARGEST
from tracer.collect import kube_objects as objects
from tracer.core.credentials import without_credentials
from tracer.model.bundle import Trouble
from tracer.model.cluster import ClusterState, NetConf
from tracer.model.decoding import decoder

Item = TypeVar("Item")

_HINT = "save it with kubectl get -o json (docs/how-to/diagnose-captures.md)"


class _ConfigMap(objects.ConfigMapObject):
    metadata: objects.Meta = msgspec.field(default_factory=objects.Meta)


def cluster_state(folder: Path) -> tuple[ClusterState, tuple[Trouble, ...]]:
    """What `nodes.json`, `pods.json` and `configmaps.json` say, with all pods; and what is missing.

    When it was asked is not known: `captured_at` is empty.
    """
    troubles: list[Trouble] = []
    nodes = _items(folder / "nodes.json", objects.NodeObject, troubles)
    pods = _items(folder / "pods.json", objects.PodObject, troubles)
    maps = _items(folder / "configmaps.json", _ConfigMap, troubles)
    return (
        ClusterState(
            captured_at="",
            nodes=tuple(node.node() for node in nodes),
            pods=tuple(pod.pod() for pod in pods),
            flannel_pods=tuple(pod.flannel_pod() for pod in pods if pod.is_flannels),
            net_conf=_net_conf(maps),
            controller_managers=tuple(
                pod.controller_manager() for pod in pods if pod.is_controller_manager
            ),
        ),
        tuple(troubles),
    )


def _net_conf(maps: list[_ConfigMap]) -> NetConf | None:
    for one in maps:
        text = one.data.get("net-conf.json")
        if text is not None:
            return NetConf(
                text=without_credentials(text),
                source=f"ConfigMap {one.metadata.namespace}/{one.metadata.name}",
            )
    return None


def _items(path: Path, kind: type[Item], troubles: list[Trouble]) -> list[Item]:
    """The objects of a list, or a single one."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
        text = path.read_bytes()
        try:
            return decoder(objects.List[kind]).decode(text).items  # type: ignore[valid-type]
        except msgspec.ValidationError:
            return [decoder(kind).decode(text)]
    except FileNotFoundError:
        why = "is missing"
    except OSError as error:
        why = f"cannot be read: {error.strerror or error}"
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        why = f"is not kubectl's JSON: {error}"
    troubles.append(Trouble(node=None, what=f"{path.name} {why}", hint=_HINT))
    return []
