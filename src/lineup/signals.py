"""End a command in an orderly way on Ctrl-C (SIGINT), SIGTERM and SIGHUP.

Each of these signals raises `KeyboardInterrupt` in the main thread, so that whatever has begun can clean up. Python
raises it only between two of its own steps; a long computation of a library, such as the fit of a support vector
machine, would hold up the end for minutes. A thread therefore waits for the signals too, and ends the process when the
main thread does not react in time.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REACT_SECONDS = 5.0
"""How long the main thread may take until it reacts to a signal."""

before_exit: list[Callable[[], None]] = []
"""What is called, in the order of the list, before a process ends whose main thread does not react."""

received: list[signal.Signals] = []
"""The signals that the main thread has reacted to."""

_reacted = threading.Event()


def handle_signals() -> None:
    """Let the signals that ask this process to end raise `KeyboardInterrupt`; one that is ignored stays ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _raise)
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    # A forked process has this setting, too, and its signals are not ours.
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_watch, args=(receiver, sender), name="signals", daemon=True).start()


def report(number: int) -> int:
    """Print what ended the command, and return its exit status, which is as shells give it: 130 for Ctrl-C."""
    print(f"stopped by {signal.Signals(number).name}", file=sys.stderr, flush=True)
    return 128 + number


def _raise(number: int, _: FrameType | None) -> None:
    received.append(signal.Signals(number))
    _reacted.set()
    raise KeyboardInterrupt


def _watch(receiver: socket.socket, _: socket.socket) -> None:
    """Wait for signals, and end the process if the main thread does not react to one."""
    while True:
        (number,) = receiver.recv(1)
        if number in SIGNALS and signal.getsignal(number) is _raise and not _reacted.wait(REACT_SECONDS):
            for call in before_exit:
                call()
            os._exit(report(number))
