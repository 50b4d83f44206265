"""The answer in a few lines of GitHub's and GitLab's Markdown, for a pipeline's summary page."""

from tracer.model.diagnosis import Diagnosis
from tracer.render.markdown_parts import answer, cause, evidence, five_lines, fix
from tracer.render.prose import block
from tracer.render.style import plain
from tracer.render.text import packets


def summary(diagnosis: Diagnosis) -> str:
    """A heading, five lines, the proof, the fix, and the packets folded. Ends in a newline."""
    safe = plain(diagnosis)
    parts = [[f"### {answer(safe)}"], five_lines(safe)]
    finding = cause(safe)
    if finding is not None:
        parts.append(evidence(finding.evidence))
        parts += list(fix(finding))[1:]
    parts += [["<details><summary>the packets</summary>"], block(packets(safe)), ["</details>"]]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"
