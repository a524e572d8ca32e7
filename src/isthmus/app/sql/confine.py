# SPDX-License-Identifier: Apache-2.0
"""A process confines itself: to little memory and time, to reading one folder, to no other process and no network.

Plain Linux, no privilege needed: resource limits (setrlimit(2)), Landlock (landlock(7), from Linux 5.13) and a seccomp
filter (seccomp(2)). Where the kernel has no Landlock, or the machine's calls are not known here, that lock is left out;
`Locks` says which hold.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_SECCOMP_MODE_FILTER: Final = 2

_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_FILES: Final = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
"""ABI → the rights over files it knows, all of which are taken."""
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_NETWORK: Final = 0b11
"""bind and connect of TCP, from ABI 4."""
_SCOPES: Final = 0b11
"""Abstract sockets and signals to processes outside, from ABI 6."""

_X86_64: Final = 0xC000003E
_AARCH64: Final = 0xC00000B7
_CALLS: Final = {
    _X86_64: {
        "socket": 41, "connect": 42, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
        "ptrace": 101, "tkill": 200, "io_setup": 206, "process_vm_readv": 310, "process_vm_writev": 311,
        "memfd_create": 319, "bpf": 321, "execveat": 322, "userfaultfd": 323, "pidfd_open": 434, "clone3": 435,
        "pidfd_getfd": 438, "io_uring_setup": 425, "open_by_handle_at": 304, "unshare": 272, "setns": 308,
        "mount": 165, "chroot": 161, "keyctl": 250, "add_key": 248, "request_key": 249, "perf_event_open": 298,
    },
    _AARCH64: {
        "socket": 198, "connect": 203, "socketpair": 199, "clone": 220, "execve": 221, "kill": 129, "ptrace": 117,
        "tkill": 130, "io_setup": 0, "process_vm_readv": 270, "process_vm_writev": 271, "memfd_create": 279,
        "bpf": 280, "execveat": 281, "userfaultfd": 282, "pidfd_open": 434, "clone3": 435, "pidfd_getfd": 438,
        "io_uring_setup": 425, "open_by_handle_at": 265, "unshare": 97, "setns": 268, "mount": 40, "chroot": 51,
        "keyctl": 219, "add_key": 217, "request_key": 218, "perf_event_open": 241,
    },
}  # fmt: skip
"""Calls that start, reach or look into anything else (asm/unistd.h); they fail with EPERM."""
_MACHINES: Final = {"x86_64": _X86_64, "aarch64": _AARCH64}
_EPERM: Final = 1
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | _EPERM


class Locks(msgspec.Struct, frozen=True):
    """Which of the kernel's locks hold."""

    landlock: int = 0
    """Its ABI; 0: the kernel has none."""
    seccomp: bool = False


def limit(seconds: float, memory: int) -> None:
    """Bounds what this process may use from now on: processor seconds, bytes of address space beyond today's, files."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    _bound(resource.RLIMIT_AS, used + memory)
    _bound(resource.RLIMIT_CPU, int(seconds) + 1)
    _bound(resource.RLIMIT_FSIZE, 0)
    _bound(resource.RLIMIT_NOFILE, 64)
    _bound(resource.RLIMIT_NPROC, 0)
    _bound(resource.RLIMIT_CORE, 0)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def _bound(which: int, most: int) -> None:
    hard = resource.getrlimit(which)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (most, most))


def confine(readable: Sequence[Path]) -> Locks:
    """Takes from this process all but reading below `readable`; for good. Raises OSError when the kernel refuses."""
    if sys.platform != "linux":
        return Locks()
    kernel = ctypes.CDLL(None, use_errno=True)
    _done(kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _done(kernel.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0))
    return Locks(_landlock(kernel, readable), _seccomp(kernel))


def _done(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def _landlock(kernel: ctypes.CDLL, readable: Sequence[Path]) -> int:
    version = int(kernel.syscall(_LANDLOCK_CREATE, None, 0, 1))
    if version < 1:
        return 0
    files = _LANDLOCK_FILES[min(version, 5)]
    rules = struct.pack("=QQQ", files, _NETWORK if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rule_set = _done(kernel.syscall(_LANDLOCK_CREATE, rules, size, 0))
    for path in readable:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        _done(kernel.syscall(_LANDLOCK_ADD, rule_set, 1, struct.pack("=Qi", _READ_FILE | _READ_DIR, folder), 0))
        os.close(folder)
    _done(kernel.syscall(_LANDLOCK_RESTRICT, rule_set, 0))
    os.close(rule_set)
    return version


def _seccomp(kernel: ctypes.CDLL) -> bool:
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    calls = sorted({number for number in _CALLS[machine].values() if number})
    program = _program(machine, calls)
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    held = ctypes.create_string_buffer(code)
    filter_ = struct.pack("@HP", len(program), ctypes.addressof(held))
    _done(kernel.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.create_string_buffer(filter_), 0, 0))
    return True


def _program(machine: int, calls: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """BPF: another architecture, a call of the x32 kind and each of `calls` are denied, the rest is allowed.

    A step is (code, jump if true, jump if false, value); `struct seccomp_data` has the call at 0, its machine at 4.
    """
    load, equal, at_least, give = 0x20, 0x15, 0x35, 0x06
    checks = [(at_least, 0x40000000), *((equal, call) for call in calls)]
    left = len(checks)
    steps = [(load, 0, 0, 4), (equal, 0, left + 2, machine), (load, 0, 0, 0)]
    steps += [(code, left - i, 0, value) for i, (code, value) in enumerate(checks)]
    return [*steps, (give, 0, 0, _ALLOW), (give, 0, 0, _DENY)]
