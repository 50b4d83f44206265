"""`make bench`: every figure as a ratio measured in one run."""

from tests.bench import bundles, checks, held, hooks, memory, rates, reading, start


def main() -> None:
    """Hooks first: they want a quiet machine."""
    print("# Cost of a hook (BPF_PROG_TEST_RUN)")
    hooks.main()
    print("\n# A packet held against the leases (BPF_PROG_TEST_RUN)")
    held.main()
    print("\n# Reading records, against BCC's callback")
    reading.main()
    print("\n# What a watch costs in packets a second")
    rates.main()
    print("\n# Memory of a watch")
    memory.main()
    print("\n# A healthy trace of five probes")
    start.main()
    print("\n# A recording of 1,000 nodes")
    bundles.main()
    print("\n# A check")
    checks.main()


if __name__ == "__main__":
    main()
