"""The programs compile without the kernel's headers, and not for x86_64 alone."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tracer.collect import bpf, btf, layout, symbols, syscall
from tracer.collect.pairing import Filter, flags
from tracer.errors import NotSupported

pytestmark = pytest.mark.kernel

WANTED = Filter(
    pair=("10.244.1.2", "10.244.2.2"), vxlan_ports=(8472,), neighbours=("fd00::1",), netns=(1, 2)
)
HIDDEN = """
set -e
for folder in /usr/src /lib/modules /usr/include/linux /usr/include/asm-generic; do
    if [ -d "$folder" ]; then mount -t tmpfs none "$folder"; fi
done
exec "$@"
"""
LOADS = """
import os
from tracer.collect.bpf import Filter, Watch
assert not os.path.exists("/usr/include/linux/bpf.h") and not os.listdir("/usr/src")
assert not os.path.isdir("/lib/modules") or not os.listdir("/lib/modules")
with Watch("n", Filter(pair=("10.0.0.1", "10.0.0.2"), vxlan_ports=(8472,)), []) as watch:
    print("loaded", watch.drops, watch.problems)
"""


def definitions() -> list[str]:
    types = btf.load()
    assert types is not None
    drops = layout.skb_flags(types)
    assert drops is not None
    return ["-DRING_PAGES=16", "-DHAS_REASON", *flags(WANTED), *drops]


def test_it_compiles_and_loads_with_no_headers_on_the_machine() -> None:
    result = subprocess.run(
        ["unshare", "--mount", "--net", "sh", "-c", HIDDEN, "sh", sys.executable, "-c", LOADS],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stdout == "loaded True []\n", result.stderr


def test_it_compiles_for_aarch64_to_programs_that_this_kernel_accepts() -> None:
    """BCC's front end set up for arm64, and our stub headers; the bytecode verified here.

    Not checked: aarch64's JIT, its page sizes, the offsets in its kernels. It was not run on one.
    """
    is_arm = """
#if !defined(__aarch64__) || defined(__x86_64__)
#error this is not aarch64
#endif
"""
    bpf.compile_source(is_arm, [], arch="arm64").cleanup()
    with pytest.raises(NotSupported, match="does not compile"):
        bpf.compile_source(is_arm, [], arch="x86")
    text = bpf.source("trace.c")
    module = bpf.compile_source(text, definitions(), arch="arm64")
    try:
        for name in ("flantrace_in", "flantrace_out"):
            assert bpf.load(module, name, "SCHED_CLS") > 0
        assert bpf.load(module, "flantrace_freed", "RAW_TRACEPOINT") > 0
    finally:
        module.cleanup()


def test_the_number_of_the_system_call_is_known_by_architecture() -> None:
    assert syscall.number("x86_64") == 321
    assert syscall.number("aarch64") == 280
    with pytest.raises(NotSupported, match="sparc64"):
        syscall.number("sparc64")


def test_the_reader_and_the_programs_agree_on_the_record() -> None:
    header = (bpf.sources() / "observation.h").read_text()
    body = re.search(r"struct observation \{(.*?)\n\};", header, re.DOTALL)
    assert body is not None
    names = tuple(re.findall(r"^\t\w+ (\w+)(?:\[\w+\])?;", body[1], re.MULTILINE))
    assert names == layout.RawRecord._fields
    assert layout.RECORD.size == 224


def test_a_compiler_error_becomes_a_hint_and_stderr_stays_empty(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(NotSupported) as caught:
        bpf.compile_source("int f(struct __sk_buff *s) { return nowhere; }", [])
    assert "nowhere" in caught.value.hint
    assert capfd.readouterr().err == ""


def test_a_refused_program_becomes_a_hint_and_stderr_stays_empty(
    capfd: pytest.CaptureFixture[str],
) -> None:
    text = "int f(struct __sk_buff *s) { return *(u8 *)(long)s->data; }"
    module = bpf.compile_source(text, [])
    with pytest.raises(NotSupported) as caught:
        bpf.load(module, "f", "SCHED_CLS")
    module.cleanup()
    assert "packet" in caught.value.hint
    assert capfd.readouterr().err == ""


def test_libbpf_and_the_plain_scan_read_the_same_types() -> None:
    scan = btf.Btf(btf.Scan(btf.VMLINUX.read_bytes()))
    lib = btf.Btf(btf.Libbpf())
    assert layout.skb_flags(scan) == layout.skb_flags(lib) != None  # noqa: E711
    assert symbols.reasons(scan) == symbols.reasons(lib)
    assert "OTHERHOST" in symbols.reasons(lib).values()
    assert scan.arguments("btf_trace_kfree_skb") == lib.arguments("btf_trace_kfree_skb") != None  # noqa: E711
    assert lib.offset("sk_buff", "no_such_member") is None
    assert scan.offset("no_such_struct", "x") is None


def test_hidden_kernel_addresses_give_no_caller(tmp_path: Path) -> None:
    hidden = tmp_path / "kallsyms"
    hidden.write_text("0000000000000000 T ip_rcv\n0000000000000000 t ip_rcv_core\n")
    assert symbols.Callers(hidden).name(0xFFFFFFFF81000000) is None
    assert symbols.Callers(tmp_path / "absent").name(0xFFFFFFFF81000000) is None
    for path in (hidden, tmp_path / "absent"):
        assert symbols.Callers(path, keep=False).name(0xFFFFFFFF81000000) is None


def test_a_caller_has_the_same_name_whether_the_table_is_kept_or_not() -> None:
    lines = symbols.KALLSYMS.read_text().splitlines()
    code = [int(line.split()[0], 16) for line in lines if line.split()[1] in "tT"]
    kept, read = symbols.Callers(), symbols.Callers(keep=False)
    for address in (code[len(code) // 2], code[len(code) // 3] + 5, max(code) + 9, 0):
        assert read.name(address) == kept.name(address)
    assert kept.name(code[len(code) // 3] + 5) is not None
