"""flannel's CNI plugin (0.9.1) and what it delegates to, called as a container runtime does."""

import json
from collections.abc import Callable

import pytest

from cluster.build import programs
from cluster.shell import Failed
from cluster.spare import Spare
from cluster.tests.flannel.seen import addresses, link
from cluster.workers import PLUGINS

CONF = {
    "name": "cbr0",
    "cniVersion": "0.3.1",
    "type": "flannel",
    "delegate": {"hairpinMode": True, "isDefaultGateway": True},
}
POOL = "/var/lib/cni/networks/cbr0"
SAVED = "/var/lib/cni/flannel"
SUBNET_ENV = "/run/flannel/subnet.env"

Call = Callable[[str, str], dict[str, object]]


@pytest.fixture
def call(observer: Spare) -> Call:
    """`call("ADD", "pod1")`: with a network namespace of that name, which is made when missing."""
    observer.sh("mount -t tmpfs tmpfs /var/lib; mkdir -p /run/cni /run/netns")
    observer.place.run("cp", programs() / "flannel-cni", "/run/cni/flannel")

    def once(command: str, pod: str) -> dict[str, object]:
        observer.sh(f"[ -e /run/netns/{pod} ] || ip netns add {pod}")
        environ = [
            f"CNI_COMMAND={command}",
            f"CNI_CONTAINERID={pod}",
            f"CNI_NETNS=/run/netns/{pod}",
            "CNI_IFNAME=eth0",
            f"CNI_PATH=/run/cni:{PLUGINS}",
        ]
        words = ["env", *environ, "/run/cni/flannel"]
        said = observer.place.run(*words, text=json.dumps(CONF))
        found: dict[str, object] = json.loads(said or "{}")
        return found

    return once


def test_the_delegate_is_written_down_as_it_was_called(observer: Spare, call: Call) -> None:
    call("ADD", "pod1")
    assert json.loads(observer.place.read(f"{SAVED}/pod1")) == {
        "cniVersion": "0.3.1",
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {
            "ranges": [[{"subnet": "10.244.77.0/24"}]],
            "routes": [{"dst": "10.244.0.0/16"}],
            "type": "host-local",
        },
        "isDefaultGateway": True,
        "isGateway": True,
        "mtu": 1450,
        "name": "cbr0",
        "type": "bridge",
    }
    assert observer.sh(f"stat -c %a {SAVED}/pod1").strip() == "600"


def test_a_pod_gets_the_mtu_and_two_routes_by_cni0(observer: Spare, call: Call) -> None:
    call("ADD", "pod1")
    shown = observer.sh("ip netns exec pod1 ip route; ip netns exec pod1 ip link show eth0")
    assert "default via 10.244.77.1 dev eth0" in shown
    assert "10.244.0.0/16 via 10.244.77.1 dev eth0" in shown
    assert "mtu 1450" in shown
    assert addresses(observer.place, "cni0") == {"10.244.77.1/24"}


def test_host_local_keeps_a_file_for_each_address(observer: Spare, call: Call) -> None:
    call("ADD", "pod1")
    assert observer.sh(f"ls {POOL}").split() == ["10.244.77.2", "last_reserved_ip.0", "lock"]
    text = observer.place.run("od", "-An", "-c", f"{POOL}/10.244.77.2").replace(" ", "")
    assert text.strip() == r"pod1\r\neth0"
    assert observer.place.read(f"{POOL}/last_reserved_ip.0") == "10.244.77.2"


def test_removal_consumes_both_files_and_addresses_are_given_in_turn(
    observer: Spare, call: Call
) -> None:
    call("ADD", "pod1")
    call("DEL", "pod1")
    assert observer.sh(f"ls {SAVED}") == ""
    assert observer.sh(f"ls {POOL}").split() == ["last_reserved_ip.0", "lock"]
    call("ADD", "pod1")
    assert "10.244.77.3" in observer.sh(f"ls {POOL}").split()


def test_removal_without_the_written_delegate_succeeds_and_leaks_the_address_and_the_veth(
    observer: Spare, call: Call
) -> None:
    call("ADD", "pod1")
    observer.place.run("rm", f"{SAVED}/pod1")
    call("DEL", "pod1")
    assert "10.244.77.2" in observer.sh(f"ls {POOL}").split()
    assert "master cni0" in observer.sh("ip link show type veth")


def test_when_all_addresses_are_reserved_host_local_says_so(observer: Spare, call: Call) -> None:
    call("ADD", "pod1")
    observer.sh(f"for i in $(seq 3 254); do printf x > {POOL}/10.244.77.$i; done")
    with pytest.raises(Failed) as raised:
        call("ADD", "pod2")
    assert "no IP addresses available in range set: 10.244.77.1-10.244.77.254" in str(raised.value)


def test_without_subnet_env_no_pod_starts(observer: Spare, call: Call) -> None:
    observer.place.run("rm", SUBNET_ENV)
    with pytest.raises(Failed, match=r"open /run/flannel/subnet\.env: no such file or directory"):
        call("ADD", "pod1")


def test_an_old_subnet_env_is_believed(observer: Spare, call: Call) -> None:
    observer.sh(f"sed -i s/10.244.77.1/10.244.66.1/ {SUBNET_ENV}")
    call("ADD", "pod1")
    assert addresses(observer.place, "cni0") == {"10.244.66.1/24"}


def test_a_bridge_of_another_subnet_is_refused(observer: Spare, call: Call) -> None:
    call("ADD", "pod1")
    observer.sh(f"sed -i s/10.244.77.1/10.244.78.1/ {SUBNET_ENV}")
    with pytest.raises(Failed) as raised:
        call("ADD", "pod2")
    assert "already has an IP address different from 10.244.78.1/24" in str(raised.value)


def test_another_mtu_reaches_new_pods_and_the_bridge_has_that_of_its_smallest_port(
    observer: Spare, call: Call
) -> None:
    """The plugin sets the bridge's MTU when it makes it; from then on the kernel does."""
    call("ADD", "pod1")
    for mtu, bridge in ((1400, 1400), (1500, 1400)):
        observer.sh(f"sed -i s/FLANNEL_MTU=.*/FLANNEL_MTU={mtu}/ {SUBNET_ENV}")
        call("ADD", f"pod{mtu}")
        assert f"mtu {mtu}" in observer.sh(f"ip netns exec pod{mtu} ip link show eth0")
        assert link(observer.place, "cni0")["mtu"] == bridge
    assert "mtu 1450" in observer.sh("ip netns exec pod1 ip link show eth0")
    call("DEL", "pod1400")
    assert link(observer.place, "cni0")["mtu"] == 1450


@pytest.mark.parametrize(
    "harm", ["ip address flush dev cni0", "ip link set cni0 down", "ip link del cni0"]
)
def test_the_next_pod_puts_the_bridge_right(observer: Spare, call: Call, harm: str) -> None:
    call("ADD", "pod1")
    observer.sh(harm)
    call("ADD", "pod2")
    assert addresses(observer.place, "cni0") == {"10.244.77.1/24"}
    assert "UP" in link(observer.place, "cni0")["flags"]
    ports = observer.sh("ip link show type veth").count("master cni0")
    assert ports == (1 if "del" in harm else 2)


def test_the_bridge_plugin_switches_forwarding_on_and_leaves_the_reverse_path_filter(
    observer: Spare, call: Call
) -> None:
    observer.sh("sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=2")
    call("ADD", "pod1")
    assert observer.sh("sysctl -n net.ipv4.ip_forward net.ipv4.conf.all.rp_filter").split() == [
        "1",
        "2",
    ]
