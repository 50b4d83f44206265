"""What `flantrace lab status` prints."""

from tracer.lab import journal, paths, server
from tracer.lab.rest import Api
from tracer.lab.variants import VARIANTS


def lines() -> list[str]:
    """A small table of nodes and pods, and the fault in force. Raises NotFound without a lab."""
    here = journal.present()
    shown = [f"{'NODE':<10}{'ADDRESS':<14}{'POD NETWORK':<16}{'VTEP MAC':<19}PODS"]
    for node in here.plan:
        pods = "  ".join(f"{pod.name} {pod.ip}" for pod in node.pods)
        shown.append(
            f"{node.name:<10}{node.address:<14}{node.pod_cidr:<16}{node.vtep_mac:<19}{pods}"
        )
    if server.alive():
        api = Api()
        shown += ["", f"API server  {api.server}"]
        api.close()
    else:
        shown += ["", "API server  gone: flantrace lab up builds the lab anew"]
    shown.append(f"kubeconfig  {paths.KUBECONFIG}")
    shown.append(f"shape       {here.shape}")
    name = journal.in_force()
    if name in VARIANTS:
        shown.append(f"variant     {name}")
    shown.append(f"fault       {name if name not in VARIANTS and name else 'none'}")
    return shown
