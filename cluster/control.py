"""The control plane, in a namespace of its own: etcd and three programs of Kubernetes."""

from pathlib import Path

from cluster.build import programs
from cluster.daemons import start, until
from cluster.nodes import Place
from cluster.paths import state
from cluster.pki import authority
from cluster.shell import Failed

ADDRESS = "192.168.79.10"
SERVER = f"https://{ADDRESS}:6443"
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"
PODS_6 = "fd24::/48"


def prepare(nodes: tuple[str, ...]) -> None:
    """Every certificate and kubeconfig of the cluster."""
    ours = authority()
    ours.create()
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
    addresses = (ADDRESS, "10.96.0.1", "127.0.0.1")
    server = (*(f"DNS:{name}" for name in names), *(f"IP:{ip}" for ip in addresses))
    ours.sign("apiserver", "kube-apiserver", names=server)
    clients = {
        "admin": ("kubernetes-admin", "system:masters"),
        "kubelet-client": ("kube-apiserver-kubelet-client", "system:masters"),
        "controller-manager": ("system:kube-controller-manager", ""),
        "scheduler": ("system:kube-scheduler", ""),
        "proxy": ("system:kube-proxy", ""),
        **{node: (f"system:node:{node}", "system:nodes") for node in nodes},
    }
    for name, (common_name, group) in clients.items():
        ours.sign(name, common_name, group)
        if name != "kubelet-client":
            ours.kubeconfig(name, SERVER, state() / f"{name}.conf")


def start_etcd(place: Place) -> None:
    """etcd, with its data in memory: a cluster of the tests lives for minutes."""
    data = state() / "etcd"
    data.mkdir(parents=True, exist_ok=True)
    place.run("mount", "-t", "tmpfs", "tmpfs", data)
    words = [f"--data-dir={data}/data", "--unsafe-no-fsync", "--log-level=warn"]
    start(place, "etcd", ["etcd", *words])


def start_apiserver(place: Place) -> None:
    """kube-apiserver, with Node and RBAC authorisation."""
    pki = authority().folder
    words: list[str | Path] = [
        programs() / "kube-apiserver",
        f"--advertise-address={ADDRESS}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        f"--client-ca-file={authority().certificate}",
        "--enable-admission-plugins=NodeRestriction",
        "--etcd-servers=http://127.0.0.1:2379",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--secure-port=6443",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--service-cluster-ip-range={SERVICES}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
    ]
    start(place, "kube-apiserver", words)


def start_others(place: Place, pods: str = PODS) -> None:
    """kube-controller-manager and kube-scheduler. `pods`: their networks, joined by commas."""
    pki = authority().folder
    manager = state() / "controller-manager.conf"
    words: list[str | Path] = [
        programs() / "kube-controller-manager",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={pods}",
        f"--kubeconfig={manager}",
        "--leader-elect=false",
        f"--root-ca-file={authority().certificate}",
        f"--service-account-private-key-file={pki}/sa.key",
        "--use-service-account-credentials=true",
    ]
    start(place, "kube-controller-manager", words)
    scheduler = state() / "scheduler.conf"
    words = [programs() / "kube-scheduler", f"--kubeconfig={scheduler}", "--leader-elect=false"]
    start(place, "kube-scheduler", words)


def await_api(place: Place) -> None:
    """Until the API server says that it is ready. Failed: with the end of its log."""

    def ready() -> bool:
        try:
            config = state() / "admin.conf"
            words = [f"--kubeconfig={config}", "--request-timeout=5s", "get", "--raw", "/readyz"]
            return place.run(programs() / "kubectl", *words) == "ok"
        except Failed:
            return False

    try:
        until("kube-apiserver", ready, 120)
    except Failed as error:
        log = (state() / "logs" / f"{place.name}-kube-apiserver.log").read_text()[-3000:]
        raise Failed(f"{error}\n{log}") from None
