"""Every fault is named by its own name and no other, and what is printed against it heals it."""

import pytest

from cluster.faults import FAULTS
from cluster.tests.conftest import TryOut


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_and_each_way_out_that_is_printed_heals_it(
    name: str, try_out: TryOut
) -> None:
    trial = try_out(FAULTS[name])
    if not trial.fault.obey:
        trial.inject()
        trial.named()
        trial.undo()
        trial.heals()
        return
    number, ways = 0, 1
    while number < ways:
        # anew for each way: the commands name pods, which are others after a restart
        trial.inject()
        out = trial.named()
        ways = len(out)
        print(f"--- way {number + 1} of {ways}: {out[number][0].words}")
        trial.obey(out[number])
        trial.heals()
        trial.undo()
        number += 1
