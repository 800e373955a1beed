"""End a command cleanly on Ctrl-C (SIGINT), SIGTERM and SIGHUP.

Each signal raises `KeyboardInterrupt` in the main thread, so that the command can clean up. Python handles signals only
between two bytecode instructions. If a library computes for minutes, the exception can be delayed by minutes. If the
main thread does not react in time, a second thread ends the process.

Examples
--------
>>> [number.name for number in SIGNALS]
['SIGINT', 'SIGTERM', 'SIGHUP']
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
REACT_SECONDS = 5.0
"""Maximum time until the main thread reacts to a signal, in seconds."""

before_exit: list[Callable[[], None]] = []
"""Functions that are called in this order before the second thread ends the process."""

received: list[signal.Signals] = []
"""Signals that the main thread has reacted to."""

_reacted = threading.Event()


def handle_signals() -> None:
    """Raise `KeyboardInterrupt` when the process receives one of the signals.

    If the process already ignores a signal, for example under ``nohup``, the signal remains ignored.
    """
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _raise)
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    # A forked process inherits this setting, but this process must not receive its signals.
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))
    threading.Thread(target=_watch, args=(receiver, sender), name="signals", daemon=True).start()


def report(number: int) -> int:
    """Print the name of the signal and return the exit status, such as 130 for Ctrl-C."""
    with suppress(OSError):  # the terminal may be closed
        print(f"stopped by {signal.Signals(number).name}", file=sys.stderr, flush=True)
    return 128 + number


def _raise(number: int, _: FrameType | None) -> None:
    received.append(signal.Signals(number))
    _reacted.set()
    raise KeyboardInterrupt


def _watch(receiver: socket.socket, _: socket.socket) -> None:
    """Wait for a signal. If the main thread does not react in time, end the process."""
    while True:
        (number,) = receiver.recv(1)
        if number in SIGNALS and signal.getsignal(number) is _raise and not _reacted.wait(REACT_SECONDS):
            for call in before_exit:
                call()
            os._exit(report(number))
