"""The incident that this tool was made for: what people try against it does not help."""

import pytest

from cluster import workers
from cluster.faults import FAULTS
from cluster.setup import NODES, PODS, Cluster
from cluster.tests.clock import Clock
from cluster.tests.conftest import TryOut
from cluster.tests.trial import Trial

INCIDENT = FAULTS["vtepmac-annotation-stale"]
AT = "node-b"
CNI_FILES = "/var/lib/cni/flannel"


@pytest.fixture
def incident(try_out: TryOut) -> Trial:
    """The annotation of node-b promises a MAC that its flannel.1 does not have."""
    trial = try_out(INCIDENT)
    trial.inject()
    trial.named()
    return trial


def test_removing_what_the_plugin_remembers_changes_nothing(
    incident: Trial, cluster: Cluster
) -> None:
    """The commands that pods of the node were attached by: the plugin reads them, nobody else."""
    for node in NODES:
        cluster.places[node].run("cp", "-a", CNI_FILES, f"{CNI_FILES}.kept")
        cluster.places[node].run("sh", "-c", f"rm -rf {CNI_FILES}")
    try:
        out = incident.named()
    finally:
        for node in NODES:
            script = f"rm -rf {CNI_FILES}; mv {CNI_FILES}.kept {CNI_FILES}"
            cluster.places[node].run("sh", "-c", script)
    incident.obey(out[0])
    incident.heals()


def test_deleting_the_devices_and_restarting_containerd_and_kubelet_makes_it_worse(
    incident: Trial, cluster: Cluster, clock: Clock
) -> None:
    """Not even with all pods of the node made anew: neither of them makes flannel.1."""
    with clock("useless remedy"):
        place = cluster.places[AT]
        place.run("sh", "-c", "ip link del cni0; ip link del flannel.1")
        workers.restart(place, NODES[AT])
        pods = [pod for pod, node in PODS.items() if node == AT]
        cluster.kubectl("delete", "pod", *pods)
        cluster.make_pods()
    incident.stays()
    incident.follow()
