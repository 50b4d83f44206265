"""The doctor on a cluster on which all is there."""

from cluster.tests.flantrace import Flantrace


def test_where_all_is_there_the_doctor_says_so(flantrace: Flantrace) -> None:
    done = flantrace.run("doctor")
    print(done.stdout, done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "missing" not in done.stdout
