"""Installing on the real cluster: what the documentation says to type, and what people run into."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import control, workers
from cluster.daemons import until
from cluster.paths import ROOT, state
from cluster.pki import authority
from cluster.setup import NODES, Cluster, pod
from cluster.shell import Failed
from cluster.tests.flantrace import environ
from cluster.tests.ways import IMAGE, built_image
from tracer.install.privileges import capabilities

PAGE = ROOT / "docs" / "how-to" / "install-on-a-cluster.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.S | re.M)


@pytest.fixture(scope="module")
def shop(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster with flantrace's image, and the two pods of which the page tells."""
    mark = state() / "flantrace-is-installed"
    mark.unlink(missing_ok=True)  # we install and uninstall as the page says
    typed(cluster, "flantrace uninstall")
    image = built_image(tmp_path_factory.mktemp("image"))
    for node in NODES:
        workers.ctr(cluster.places[node], "images", "import", image)
    cluster.kubectl("create", "namespace", "shop")
    until("the shop's service account", lambda: _has_account(cluster), 60)
    _start(cluster, "web", "node-a")
    _start(cluster, "db-0", "node-b")
    yield cluster
    typed(cluster, "flantrace uninstall")
    cluster.kubectl("delete", "namespace", "shop")


def _has_account(cluster: Cluster) -> bool:
    try:
        cluster.get("-n", "shop", "serviceaccount", "default")
    except Failed:
        return False
    return True


def _start(cluster: Cluster, name: str, node: str) -> None:
    """A pod of the shop, until it is ready."""
    one: dict[str, Any] = pod(name, node)
    one["metadata"]["namespace"] = "shop"
    cluster.apply([one])
    ready = ("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=120s")
    cluster.kubectl("-n", "shop", *ready)


def typed(
    cluster: Cluster, line: str, folder: Path | None = None, kubeconfig: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """One line in the shell of the operator."""
    given = {**environ(), "IMAGE": IMAGE}
    if kubeconfig is not None:
        given["KUBECONFIG"] = str(kubeconfig)
    enter = [*cluster.operator.enter, "env", "-C", str(folder or state())]
    return subprocess.run(
        [*enter, "sh", "-c", line],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=given,
        timeout=300,
    )  # fmt: skip


def commands() -> list[str]:
    """Every line of the page that is to be typed."""
    return [line for block in BLOCK.findall(PAGE.read_text()) for line in block.splitlines()]


def test_the_page_is_typed_from_its_first_line_to_its_last(shop: Cluster) -> None:
    folder = state() / "typed"
    folder.mkdir()
    lines = commands()
    assert len(lines) > 15
    for line in lines:
        done = typed(shop, line, folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        if line.startswith("flantrace") and " shop/web " in line:
            assert "\nDELIVERED  5 of 5 requests, 5 of 5 replies" in done.stdout
        if line == "flantrace check":
            assert "\nHEALTHY  no fault on 2 nodes" in done.stdout
    assert not remains(shop)


def remains(cluster: Cluster) -> list[str]:
    """What there is of flantrace in the cluster."""
    found = cluster.kubectl("get", "namespaces,clusterroles,clusterrolebindings", "-o", "name")
    return [line for line in found.splitlines() if "flantrace" in line]


@pytest.fixture
def installed(shop: Cluster) -> Cluster:
    done = typed(shop, 'flantrace install --image "$IMAGE"')
    assert (done.returncode, done.stdout) == (0, "flantrace runs on 2 nodes\n"), done.stderr
    return shop


def inside(cluster: Cluster, code: str) -> str:
    """What Python says in an agent's container, whose image has no shell."""
    words = ("exec", "ds/flantrace-agent", "--", "python3", "-c", code)
    return cluster.kubectl("-n", "flantrace", *words).strip()


def test_an_agents_container_has_the_documented_capabilities_and_no_token(
    installed: Cluster,
) -> None:
    status = dict(
        line.split(":\t", 1)
        for line in inside(installed, "print(open('/proc/self/status').read())").splitlines()
        if ":\t" in line
    )
    code = "from tracer.collect.capabilities import effective; print(*sorted(effective()))"
    assert inside(installed, code).split() == capabilities(passive_only=False, old_kernels=False)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["CapBnd"] == status["CapEff"]
    gone = "import os; print(os.path.exists('/var/run/secrets/kubernetes.io'))"
    assert inside(installed, gone) == "False"


def test_nothing_of_a_node_can_be_written_from_an_agents_container(installed: Cluster) -> None:
    code = """
for folder in ("", "/run/flannel", "/run/netns", "/etc/cni/net.d", "/var/lib/cni", "/usr/bin"):
    try:
        open(f"{folder}/x", "w")
        print("written", folder)
    except OSError:
        pass
open("/tmp/x", "w")
print("done")
"""
    assert inside(installed, code) == "done"


def test_a_pod_that_is_made_after_the_agent_is_found(installed: Cluster) -> None:
    _start(installed, "late", "node-b")
    done = typed(installed, "flantrace shop/web shop/late")
    installed.kubectl("-n", "shop", "delete", "pod", "late")
    assert done.returncode == 0, done.stdout


def test_a_second_install_changes_nothing(installed: Cluster) -> None:
    before = installed.get("-n", "flantrace", "daemonset", "flantrace-agent")["metadata"]
    assert typed(installed, 'flantrace install --image "$IMAGE"').returncode == 0
    after = installed.get("-n", "flantrace", "daemonset", "flantrace-agent")["metadata"]
    assert before["generation"] == after["generation"]


def test_an_image_that_is_not_there_is_told_in_the_kubelets_words(shop: Cluster) -> None:
    done = typed(shop, "flantrace install --image localhost/absent:1 --pull-policy Never --wait 8")
    assert done.returncode == 4
    assert "flantrace does not run on 2 of 2 nodes: node-a: ErrImageNeverPull" in done.stderr
    again = typed(shop, 'flantrace install --image "$IMAGE"')
    assert again.returncode == 0, again.stderr


@pytest.fixture
def jdoe(installed: Cluster) -> Iterator[Path]:
    """The kubeconfig of somebody to whom nothing is bound yet."""
    ours, config = authority(), state() / "jdoe.conf"
    ours.sign("jdoe", "jdoe")
    ours.kubeconfig("jdoe", f"https://{control.ADDRESS}:6443", config)
    yield config
    typed(installed, "kubectl -n flantrace delete rolebinding --all")
    typed(installed, "kubectl delete clusterrolebinding flantrace-jdoe --ignore-not-found")


def bound() -> list[str]:
    """What the page says to type to let somebody trace."""
    return [line for line in commands() if "binding" in line and "create" in line]


def test_whoever_has_the_operators_roles_may_trace_and_check_and_nothing_else(
    shop: Cluster, jdoe: Path
) -> None:
    refused = typed(shop, "flantrace shop/web shop/db-0", kubeconfig=jdoe)
    assert refused.returncode == 4
    assert "the API server does not let us read" in refused.stderr
    for line in bound():
        assert typed(shop, line).returncode == 0
    for line in ("flantrace shop/web shop/db-0", "flantrace check", "flantrace doctor"):
        done = typed(shop, line, kubeconfig=jdoe)
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    for verb, thing in (("get", "secrets"), ("create", "pods"), ("delete", "pods")):
        asked = typed(shop, f"kubectl auth can-i {verb} {thing} -n flantrace", kubeconfig=jdoe)
        assert asked.stdout == "no\n"


@pytest.mark.parametrize("verb", ["get", "create"])
def test_either_verb_of_exec_alone_is_not_enough(shop: Cluster, jdoe: Path, verb: str) -> None:
    for line in bound():
        typed(shop, line)
    rule = f'[{{"op": "replace", "path": "/rules/0/verbs", "value": ["{verb}"]}}]'
    patch = ("patch", "role", "flantrace-operator", "--type=json", "-p", rule)
    shop.kubectl("-n", "flantrace", *patch)
    done = typed(shop, "flantrace check", kubeconfig=jdoe)
    assert done.returncode == 3
    assert "needs get and create of pods/exec in namespace flantrace" in " ".join(
        done.stdout.split()
    )


def test_pods_for_one_trace_need_the_other_role(shop: Cluster, jdoe: Path) -> None:
    for line in bound():
        typed(shop, line)
    line = 'flantrace --ephemeral --image "$IMAGE" shop/web shop/db-0'
    refused = typed(shop, line, kubeconfig=jdoe)
    assert refused.returncode != 0
    assert "create pods" in " ".join((refused.stdout + refused.stderr).split())
    words = "--role flantrace-ephemeral --user jdoe"
    typed(shop, f"kubectl -n flantrace create rolebinding jdoe-pods {words}")
    done = typed(shop, line, kubeconfig=jdoe)
    assert done.returncode == 0, done.stdout + done.stderr


def test_other_peoples_things_keep_their_namespace(installed: Cluster) -> None:
    installed.kubectl("-n", "flantrace", "create", "configmap", "notes", "--from-literal=a=b")
    done = typed(installed, "flantrace uninstall")
    assert done.returncode == 2
    assert "holds other people's things: configmaps/notes" in done.stderr
    installed.kubectl("-n", "flantrace", "delete", "configmap", "notes")
    assert typed(installed, "flantrace check").returncode == 0


def test_uninstall_leaves_no_object_and_no_container(installed: Cluster) -> None:
    assert running_agents(installed) == len(NODES)
    assert typed(installed, "flantrace uninstall").returncode == 0
    assert not remains(installed)
    assert running_agents(installed) == 0
    assert typed(installed, "flantrace uninstall").stdout == "flantrace was not installed\n"


def running_agents(cluster: Cluster) -> int:
    """Containers of flantrace's image that run on the nodes."""
    lists = (workers.ctr(cluster.places[node], "containers", "list") for node in NODES)
    return sum(line.count(IMAGE) for text in lists for line in text.splitlines())
