"""Every metric of a watch: its name, its labels, and what it means to whoever is on call."""

from typing import NamedTuple

COUNTER, GAUGE, INFO = "counter", "gauge", "info"


class Described(NamedTuple):
    """One metric, as `# HELP` and docs/reference/metrics.md tell of it."""

    name: str
    """As it is scraped, with its suffix."""
    kind: str
    labels: tuple[str, ...]
    help: str


PACKETS = Described(
    "flantrace_packets_total", COUNTER, ("node", "peer", "hook"),
    "Packets to or from pods of this peer that passed this hook of this node. A super-packet counts"
    " as the packets that the wire carries of it.",
)  # fmt: skip
BYTES = Described(
    "flantrace_bytes_total", COUNTER, ("node", "peer", "hook"),
    "Bytes of these packets as frames at this hook; the headers of a super-packet count once.",
)  # fmt: skip
HOST_PACKETS = Described(
    "flantrace_host_packets_total", COUNTER, ("node", "peer", "hook"),
    "Of these packets, those from or to the node's own flannel address. They pass no bridge.",
)  # fmt: skip
DEVIATING = Described(
    "flantrace_deviating_packets_total", COUNTER, ("node", "peer", "kind"),
    "Packets that are not as the leases say: traffic is misaddressed, here or at the peer. One that"
    " deviates in two ways counts in both kinds; a super-packet counts once.",
)  # fmt: skip
DROPPED = Described(
    "flantrace_dropped_packets_total", COUNTER, ("node", "peer", "reason", "caller"),
    "Packets of this peer that this node's kernel threw away, by its reason and the function that"
    " did. Network policies drop packets, too.",
)  # fmt: skip
UNTOLD = Described(
    "flantrace_untold_drops_total", COUNTER, ("node",),
    "Dropped packets that were counted without peer and reason, for want of room in the kernel's"
    " table: flantrace_dropped_packets_total is too low by so many.",
)  # fmt: skip
LOST_RECORDS = Described(
    "flantrace_lost_records_total", COUNTER, ("node",),
    "Packets that were to be recorded and found no room: the agent does not keep up. Counters stay"
    " exact; findings may lack proof.",
)  # fmt: skip
RECORDS = Described(
    "flantrace_records_total", COUNTER, ("node",),
    "Packets that were recorded in full: samples, and those that deviate.",
)  # fmt: skip
FINDINGS = Described(
    "flantrace_findings", GAUGE, ("node", "rule", "severity"),
    "Findings that are open now, by the node where the cause sits. `flantrace explain RULE` tells"
    " what each means and how to put it right. No series: none is open.",
)  # fmt: skip
OPENED = Described(
    "flantrace_findings_opened_total", COUNTER, ("rule",),
    "How often a finding of this rule was opened since the watch began.",
)  # fmt: skip
LEASES = Described(
    "flantrace_leases", GAUGE, ("node",),
    "Leases of flannel that this node's packets are held against.",
)  # fmt: skip
LEASES_AGE = Described(
    "flantrace_leases_age_seconds", GAUGE, ("node",),
    "Time since the API server last said anything; packets are held against what it said then. No"
    " series: it has said nothing yet.",
)  # fmt: skip
SAMPLING = Described(
    "flantrace_sampling_ratio", GAUGE, ("node",),
    "Part of all packets that is recorded as a sample; 0: none is.",
)  # fmt: skip
OVERHEAD = Described(
    "flantrace_overhead_ratio", GAUGE, ("node",),
    "Part of one CPU that the programs in the kernel took in the last period. No series: it is not"
    " measured.",
)  # fmt: skip
WATCHED = Described(
    "flantrace_watched_seconds", GAUGE, ("node",),
    "How long this node has been watched. Smaller than before: the watch was started anew.",
)  # fmt: skip
STATUS_AGE = Described(
    "flantrace_status_age_seconds", GAUGE, ("node",),
    "Time since this node last said anything to the watch. More than a few seconds: what is shown"
    " of it is old.",
)  # fmt: skip
UNNAMED = Described(
    "flantrace_unnamed_peers", GAUGE, ("node",),
    'Peers with traffic that are summed as peer="other", since a hundred came before them.',
)  # fmt: skip
BUILD = Described(
    "flantrace_build_info", INFO, ("version",), "The version of flantrace. Always 1."
)  # fmt: skip

METRICS = (
    FINDINGS, OPENED, PACKETS, BYTES, HOST_PACKETS, DEVIATING, DROPPED, UNTOLD,
    LEASES, LEASES_AGE, SAMPLING, RECORDS, LOST_RECORDS, OVERHEAD, WATCHED, STATUS_AGE, UNNAMED,
    BUILD,
)  # fmt: skip
"""In the order in which a scrape and the reference show them."""
