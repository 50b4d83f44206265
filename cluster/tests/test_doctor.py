"""The doctor on a cluster on which all is there."""

from cluster.setup import Cluster
from cluster.tests.flantrace import Flantrace, typed
from cluster.tests.ways import IMAGE


def test_where_all_is_there_the_doctor_says_so(flantrace: Flantrace) -> None:
    done = flantrace.run("doctor")
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing" not in done.stdout


def test_by_pods_that_are_made_for_it_as_well(installed: Cluster) -> None:
    words = ("--ephemeral", "--image", IMAGE, "--pull-policy", "IfNotPresent")
    done = typed(installed, "doctor", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("flantrace can trace on both nodes.")
    left = installed.get("pods", "-n", "flantrace", "-l", "flantrace/ephemeral")["items"]
    assert left == []
