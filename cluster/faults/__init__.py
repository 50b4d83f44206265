"""What breaks a real cluster, done as it is done in the field; flanneld does the rest by itself."""

from cluster.faults import ghosts, host, intent, nodes, pods, tables, underlay
from cluster.faults.fault import Fault

FAULTS: dict[str, Fault] = {
    fault.name: fault
    for module in (tables, intent, ghosts, nodes, host, pods, underlay)
    for fault in module.FAULTS
}
"""By name, in the order in which they are tried."""
