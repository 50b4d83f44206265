"""The rules of what was asked, what the API said, and how the recording went."""

from collections.abc import Mapping

from tracer.bundle.redact.rules import Kind, Rule
from tracer.model.bundle import AgentReport, Bundle, Trouble
from tracer.model.cluster import (
    ClusterState,
    ControllerManager,
    FlannelPod,
    NetConf,
    Node,
    Pod,
    Service,
)
from tracer.model.message import Datagram, Sent
from tracer.model.record import Record
from tracer.model.request import CheckRequest, End, ProbePlan, Request

K = Kind

RECORDING: Mapping[type[Record], Mapping[str, Rule]] = {
    Bundle: {
        "format": Rule(K.KEEP, "The number of the files' format."),
        "tool_version": Rule(K.KEEP, "flantrace's own version."),
        "created_at": Rule(K.KEEP, "When it was recorded: the evidence is dated by it."),
        "request": Rule(K.INSIDE, "What was asked."),
        "check": Rule(K.INSIDE, "What was asked of a check."),
        "cluster": Rule(K.INSIDE, "What the Kubernetes API said."),
        "nodes": Rule(K.INSIDE, "What each node's kernel said.", keys=K.NODE),
        "agents": Rule(K.INSIDE, "How each agent ended.", keys=K.NODE),
        "observations": Rule(K.INSIDE, "The packets."),
        "sent": Rule(K.INSIDE, "What the probing socket saw."),
        "datagrams": Rule(K.INSIDE, "flantrace's own test datagrams."),
        "troubles": Rule(K.INSIDE, "What could not be collected."),
        "watched": Rule(K.INSIDE, "What a watch knew of traffic."),
        "redacted": Rule(K.MARK, "Every report made from it says so."),
    },
    Request: {
        "source": Rule(K.INSIDE, "Who sends."),
        "destination": Rule(K.INSIDE, "Who receives."),
        "plan": Rule(K.INSIDE, "What was sent."),
        "passive_s": Rule(K.KEEP, "A duration."),
        "probe_id": Rule(K.KEEP, "A random number of flantrace; probes are told by it."),
        "predict": Rule(K.KEEP, "Yes or no."),
        "active": Rule(K.KEEP, "Yes or no."),
    },
    CheckRequest: {
        "nodes": Rule(K.NODE, "The same tokens as everywhere."),
        "agents": Rule(K.KEEP, "Yes or no."),
    },
    End: {
        "kind": Rule(K.KEEP, "`pod` or `node`."),
        "name": Rule(K.END, "The same token as everywhere."),
        "node": Rule(K.NODE, "The same token as everywhere."),
        "ip": Rule(K.IP, "The packets are found by it, and are mapped alike."),
        "host_network": Rule(K.KEEP, "Yes or no."),
        "assumed": Rule(K.KEEP, "Yes or no."),
    },
    ProbePlan: {
        "kind": Rule(K.KEEP, "`icmp`, `tcp` or `udp`."),
        "port": Rule(K.KEEP, "A port tells which rule of a firewall is meant."),
        "count": Rule(K.KEEP, "A number."),
        "size": Rule(K.KEEP, "A number: MTU faults are found by sizes."),
        "full_mtu": Rule(K.KEEP, "Yes or no."),
        "sizes": Rule(K.KEEP, "Numbers: MTU faults are found by sizes."),
    },
    ClusterState: {
        "captured_at": Rule(K.KEEP, "A moment."),
        "nodes": Rule(K.INSIDE, "Node objects."),
        "pods": Rule(K.INSIDE, "The traced pods."),
        "flannel_pods": Rule(K.INSIDE, "The pods that run flanneld."),
        "net_conf": Rule(K.INSIDE, "flannel's configuration."),
        "controller_managers": Rule(K.INSIDE, "How pod CIDRs are given."),
        "services": Rule(K.INSIDE, "Services by which an end was named."),
        "server": Rule(K.GONE, "Where the API server is; nothing is concluded from it."),
    },
    Node: {
        "name": Rule(K.NODE, "A node's name often holds the owner's domain."),
        "internal_ips": Rule(K.IP, "Held against the addresses of the node's devices."),
        "external_ips": Rule(K.IP, "Public ones come out in blocks that nobody has."),
        "pod_cidrs": Rule(K.NETWORK, "Its first address, flannel's own, stays the first."),
        "annotations": Rule(K.ANNOTATIONS, "The lease: MAC, VNI and address are read from it."),
        "labels": Rule(K.LABELS, "Other labels are never recorded."),
        "ready": Rule(K.KEEP, "Yes or no."),
        "created": Rule(K.KEEP, "A moment."),
        "kubelet_version": Rule(K.KEEP, "A version; k3s is told by it."),
        "unschedulable": Rule(K.KEEP, "Yes or no."),
        "deleting": Rule(K.KEEP, "Yes or no."),
    },
    Service: {
        "namespace": Rule(K.NAMESPACE, "Often a customer's or a product's name."),
        "name": Rule(K.POD, "Often an application's name."),
        "cluster_ips": Rule(K.IP, "The map of all addresses."),
        "endpoints": Rule(K.IP, "The pods' addresses, mapped alike."),
    },
    ControllerManager: {
        "source": Rule(K.TEXT, "A pod of kube-system, or a manifest's path."),
        "node": Rule(K.NODE, "The same token as everywhere."),
        "cluster_cidrs": Rule(K.NETWORK, "It holds what it held."),
        "allocate_node_cidrs": Rule(K.KEEP, "Yes or no."),
    },
    Pod: {
        "namespace": Rule(K.NAMESPACE, "Often a customer's or a product's name."),
        "name": Rule(K.POD, "Often an application's name."),
        "ips": Rule(K.IP, "In the pod CIDR of its node, as before."),
        "node": Rule(K.NODE, "The same token as everywhere."),
        "host_network": Rule(K.KEEP, "Yes or no."),
        "phase": Rule(K.KEEP, "One of Kubernetes' five words."),
        "created": Rule(K.KEEP, "A moment."),
    },
    FlannelPod: {
        "namespace": Rule(
            K.NAMESPACE, "`kube-flannel` and `kube-system` stay: commands need them."
        ),
        "name": Rule(K.POD, "Its end is random, and could be looked up in somebody's logs."),
        "node": Rule(K.NODE, "The same token as everywhere."),
        "started": Rule(K.KEEP, "A moment: faults begin with restarts."),
        "image": Rule(K.IMAGE, "A registry's name is its owner's; the version matters."),
        "daemonset": Rule(K.DAEMONSET, "Commands need it."),
        "ready": Rule(K.KEEP, "Yes or no."),
    },
    NetConf: {
        "text": Rule(K.TEXT, "Network, VNI and port are read from it."),
        "source": Rule(K.TEXT, "Kind, namespace and name of a ConfigMap."),
    },
    AgentReport: {
        "node": Rule(K.NODE, "The same token as everywhere."),
        "end": Rule(K.KEEP, "How the agent ended, by one of three words."),
        "points": Rule(K.INSIDE, "The devices that were watched."),
        "attach": Rule(K.KEEP, "`tcx` or `clsact`."),
        "drops": Rule(K.KEEP, "Yes or no."),
        "reasons": Rule(K.KEEP, "Yes or no."),
        "lost": Rule(K.KEEP, "A number: what was missed makes a verdict UNKNOWN."),
        "counters": Rule(K.INSIDE, "What the devices counted.", keys=K.DEVICE),
    },
    Trouble: {
        "node": Rule(K.NODE, "The same token as everywhere."),
        "what": Rule(K.PROSE, "It may quote what ssh, sudo or a login banner said."),
        "hint": Rule(K.PROSE, "flantrace's own advice, with names in it."),
    },
    Sent: {
        "seq": Rule(K.KEEP, "A number."),
        "size": Rule(K.KEEP, "A number."),
        "sent_ns": Rule(K.KEEP, "Nanoseconds since the node started."),
        "reply": Rule(K.PROSE, "An answer in flantrace's words, with an address in it."),
        "reply_from": Rule(K.IP, "Who answered: not always the destination."),
        "rtt_us": Rule(K.KEEP, "A duration."),
        "error": Rule(K.PROSE, "The C library's words."),
        "src_port": Rule(K.KEEP, "A port: probes are told by it."),
    },
    Datagram: {
        "src": Rule(K.IP, "A node's underlay address."),
        "dst": Rule(K.IP, "A node's underlay address."),
        "src_port": Rule(K.KEEP, "A port: the datagrams are told by it."),
        "ports": Rule(K.KEEP, "Ports."),
    },
}
