"""Talks to callgrind from inside the program that it watches.

A client request is a no-op on a real processor and a message under valgrind. valgrind's C header
has it as a macro; here the same instructions are written into executable memory and called through
ctypes. x86-64 only.
"""

import ctypes
import mmap
import platform
from pathlib import Path
from typing import Final

_BASE: Final = (ord("C") << 24) | (ord("T") << 16)
_DUMP_STATS_AT: Final = _BASE + 3
_ZERO_STATS: Final = _BASE + 1
_START_INSTRUMENTATION: Final = _BASE + 4
_STOP_INSTRUMENTATION: Final = _BASE + 5

_MACHINE_CODE: Final = bytes.fromhex(
    "4889f8"  # mov rax, rdi: the request and its arguments
    "31d2"  # xor edx, edx: the answer outside valgrind
    "48c1c703"  # rol rdi, 3: the preamble, 128 bits of rotation in all
    "48c1c70d"  # rol rdi, 13
    "48c1c73d"  # rol rdi, 61
    "48c1c733"  # rol rdi, 51
    "4887db"  # xchg rbx, rbx: the request itself
    "4889d0"  # mov rax, rdx
    "c3"  # ret
)


class Callgrind:
    """Switches the counting of instructions on and off.

    Raises:
        RuntimeError: The processor is not an x86-64.
    """

    def __init__(self) -> None:
        if platform.machine() != "x86_64":
            raise RuntimeError("counting instructions needs an x86-64; use --no-instructions")
        self._page = mmap.mmap(
            -1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        )
        self._page.write(_MACHINE_CODE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._page))
        self._send = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(address)

    def start(self) -> None:
        """Count from now on, from zero."""
        self._request(_START_INSTRUMENTATION)
        self._request(_ZERO_STATS)

    def stop(self, label: str) -> None:
        """Write the counts to a dump with that label and count no more."""
        text = ctypes.create_string_buffer(label.encode())
        self._request(_DUMP_STATS_AT, ctypes.addressof(text))
        self._request(_STOP_INSTRUMENTATION)

    def _request(self, code: int, argument: int = 0) -> None:
        self._send(ctypes.byref((ctypes.c_uint64 * 6)(code, argument)))


def totals(folder: Path) -> dict[str, int]:
    """Return the instructions of every labelled dump in a folder.

    Args:
        folder: Where callgrind wrote its dumps.
    """
    found: dict[str, int] = {}
    for path in folder.glob("callgrind.out.*"):
        label, total = _read(path)
        if label is not None and total is not None:
            found[label] = total
    return found


def _read(path: Path) -> tuple[str | None, int | None]:
    label, total = None, None
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if line.startswith("desc: Trigger: Client Request:"):
                label = line.partition("Client Request:")[2].strip()
            elif line.startswith(("totals:", "summary:")):
                total = int(line.split()[1])
    return label, total
