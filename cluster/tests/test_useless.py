"""What is said not to help is run, and does not."""

import pytest

from cluster.faults import FAULTS
from cluster.tests.conftest import TryOut


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.useless])
def test_a_remedy_that_is_said_not_to_help_does_not_and_what_is_printed_then_does(
    name: str, try_out: TryOut
) -> None:
    trial = try_out(FAULTS[name])
    assert trial.fault.useless is not None
    trial.inject()
    trial.named()
    trial.fault.useless(trial.cluster)
    trial.stays()
    trial.follow()
