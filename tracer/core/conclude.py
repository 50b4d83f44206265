"""What a recording amounts to: a diagnosis of packets, or an examination of nodes."""

from typing import TypeAlias

from tracer.core.diagnose import diagnose
from tracer.core.examine import examine
from tracer.model.bundle import Bundle
from tracer.model.diagnosis import Diagnosis
from tracer.model.examination import Examination

Conclusion: TypeAlias = Diagnosis | Examination


def conclude(bundle: Bundle) -> Conclusion:
    """The same bundle gives the same conclusion."""
    return examine(bundle) if bundle.request is None else diagnose(bundle)


def exit_code(conclusion: Conclusion) -> int:
    """0: all is well, 1: a fault, 3: unknown (docs/reference/exit-codes.md)."""
    if isinstance(conclusion, Examination):
        return conclusion.exit_code
    return conclusion.verdict.exit_code
