"""Words that the core's sentences share."""

from tracer.model.request import End, EndKind, ProbeKind, Request


def end_word(end: End) -> str:
    """An end as it is typed."""
    return f"node/{end.name}" if end.kind is EndKind.NODE else end.name


def trace_command(request: Request) -> str:
    """The command that asks the same question again."""
    words = ["flantrace", end_word(request.source), end_word(request.destination)]
    plan = request.plan
    if plan is None:
        words.append("--passive")
        if request.passive_s is not None:
            words.append(f"--for {request.passive_s:g}s")
    elif plan.kind in (ProbeKind.TCP, ProbeKind.UDP):
        words.append(f"--probe {plan.kind.value} --port {plan.port}")
    if plan is not None and plan.size is not None:
        words.append(f"--size {plan.size}")
    return " ".join(words)


def count_of(part: int, whole: int, noun: str) -> str:
    """`3 of 5 requests`."""
    return f"{part} of {whole} {noun}{'' if whole == 1 else 's'}"
