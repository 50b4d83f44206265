"""What an installation consists of, and what its pods may do."""

import re
from pathlib import Path
from typing import Any

import pytest

from tracer.collect import files, netns
from tracer.install.manifests import AGENT_LABELS, ephemeral_pod, objects, pod_spec
from tracer.install.privileges import PRIVILEGES, Group, capabilities
from tracer.install.settings import K3S_PATHS, PATHS, Settings

SETTINGS = Settings(image="registry.example/flantrace:1")
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "privileges.md"
TABLE = re.compile(r"(?<=<!-- table:begin -->\n).*?(?=<!-- table:end -->)", re.S)


def of_kind(kind: str, settings: Settings = SETTINGS) -> list[dict[str, Any]]:
    return [one for one in objects(settings) if one["kind"] == kind]


def container(settings: Settings = SETTINGS) -> dict[str, Any]:
    (only,) = pod_spec(settings)["containers"]
    return dict(only)


def test_an_agent_is_not_privileged() -> None:
    context = container()["securityContext"]
    assert context["privileged"] is False
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"]["drop"] == ["ALL"]
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}


def test_an_agent_has_the_capabilities_of_the_table_and_no_others() -> None:
    assert container()["securityContext"]["capabilities"]["add"] == [
        "BPF", "NET_ADMIN", "NET_BROADCAST", "NET_RAW", "PERFMON", "SYSLOG", "SYS_ADMIN",
        "SYS_PTRACE",
    ]  # fmt: skip


def test_one_that_only_watches_may_enter_no_pod() -> None:
    passive = Settings(image="x", passive_only=True)
    assert container(passive)["securityContext"]["capabilities"]["add"] == [
        "BPF", "NET_ADMIN", "NET_RAW", "PERFMON", "SYSLOG",
    ]  # fmt: skip


def test_old_kernels_need_one_more() -> None:
    whole = set(capabilities(passive_only=False, old_kernels=True))
    assert whole - set(capabilities(passive_only=False, old_kernels=False)) == {"SYS_RESOURCE"}


def test_an_agent_has_no_token() -> None:
    (account,) = of_kind("ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert pod_spec(SETTINGS)["automountServiceAccountToken"] is False


def test_no_role_is_bound_to_agents() -> None:
    assert not [one for one in objects(SETTINGS) if one["kind"].endswith("Binding")]


def test_every_path_of_the_host_is_read_only_and_every_other_volume_is_empty() -> None:
    spec = pod_spec(SETTINGS)
    mounts = {one["name"]: one for one in container()["volumeMounts"]}
    for volume in spec["volumes"]:
        mount = mounts.pop(volume["name"])
        if "hostPath" in volume:
            assert mount["mountPath"] == volume["hostPath"]["path"]
            assert mount["readOnly"] is True
            assert mount["mountPropagation"] == "HostToContainer"
        else:
            assert (volume["emptyDir"], mount["mountPath"]) == ({}, "/tmp")
    assert not mounts


def test_what_agents_read_is_mounted_and_nothing_else() -> None:
    """But for the controller manager's manifest, whose flags the API tells, and no host's path."""
    read = {*files.SINGLE, *files.CNI_FOLDERS, files.DELEGATES, files.HOST_LOCAL, netns.NAMED[0]}
    read -= {"/etc/kube-flannel/net-conf.json"}
    mounted = {*PATHS, *K3S_PATHS}
    for path in read:
        assert any(path == one or path.startswith(f"{one}/") for one in mounted), path
    for one in mounted:
        assert any(path == one or path.startswith(f"{one}/") for path in read), one


def test_names_of_volumes_are_dns_labels() -> None:
    for paths in (PATHS, K3S_PATHS):
        for volume in pod_spec(Settings(image="x", paths=paths))["volumes"]:
            assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", volume["name"])


def test_everything_carries_the_label_that_uninstall_goes_by() -> None:
    for one in objects(SETTINGS):
        assert one["metadata"]["labels"]["app.kubernetes.io/name"] == "flantrace"


def test_a_namespace_of_another_name_is_everywhere() -> None:
    for one in objects(Settings(image="x", namespace="tools")):
        if one["kind"] == "Namespace":
            assert one["metadata"]["name"] == "tools"
        elif one["kind"] != "ClusterRole":
            assert one["metadata"]["namespace"] == "tools"


def test_a_pod_for_one_trace_is_the_daemon_sets_but_for_its_end() -> None:
    (daemon_set,) = of_kind("DaemonSet")
    usual = daemon_set["spec"]["template"]["spec"]
    pod = ephemeral_pod(SETTINGS, "node-a", "1f2e", 300)
    spec = pod["spec"]
    changed = {key for key in {*spec, *usual} if spec.get(key) != usual.get(key)}
    assert changed == {
        "serviceAccountName", "nodeSelector", "nodeName", "restartPolicy", "activeDeadlineSeconds",
    }  # fmt: skip
    assert (spec["nodeName"], spec["restartPolicy"], spec["activeDeadlineSeconds"]) == (
        "node-a", "Never", 300,
    )  # fmt: skip
    assert pod["metadata"]["labels"]["flantrace/ephemeral"] == "1f2e"


def test_the_daemon_sets_controller_does_not_adopt_it() -> None:
    labels = ephemeral_pod(SETTINGS, "node-a", "1f2e", 300)["metadata"]["labels"]
    assert not AGENT_LABELS.items() <= labels.items()


def table() -> str:
    """The table of docs/reference/privileges.md, as the code has it."""
    lines = ["| capability | given | for | asked for by | without it |", "|---|---|---|---|---|"]
    lines += [
        f"| {one.capability} | {one.group} | {one.feature} | {one.why} | {one.without} |"
        for one in PRIVILEGES
    ]
    return "\n".join(lines) + "\n"


def test_the_table_of_the_documentation_is_the_codes(request: pytest.FixtureRequest) -> None:
    text = PAGE.read_text()
    if request.config.getoption("--update-golden"):
        PAGE.write_text(TABLE.sub(lambda _: table(), text))
    assert TABLE.findall(PAGE.read_text()) == [table()]


def test_every_privilege_has_its_group() -> None:
    assert {one.group for one in PRIVILEGES} == set(Group)
