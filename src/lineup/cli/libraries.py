"""Import large libraries in less time than a plain import statement.

Examples
--------
>>> import sys
>>> with hide_libraries(["zipapp"]):
...     import zipapp
Traceback (most recent call last):
    ...
ModuleNotFoundError: import of zipapp halted; None in sys.modules
>>> import zipapp
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

UNUSED = ("matplotlib", "pandas", "sklearn")
"""Optional libraries of Keras. lineup gives it arrays only, and uses neither its plots nor its scikit-learn wrapper."""


def import_keras() -> None:
    """Import Keras and TensorFlow without optional libraries that lineup does not use.

    By default, Keras also imports these libraries, which takes 1.5 s of CPU time and 150 MB of memory. Call this
    function before other code imports Keras. After this call, other code can still import these libraries.
    """
    if "keras" in sys.modules:
        return
    from lineup.training.devices import quiet_stderr

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet_stderr(), hide_libraries(UNUSED):
        import keras  # noqa: F401
        import tensorflow  # noqa: F401
    # Keras searches all objects for reference cycles before it trains a network, which takes 0.3 s without this.
    gc.freeze()


def import_in_background(*names: str) -> threading.Thread:
    """Import modules in a separate thread while TensorFlow trains.

    If a module cannot be imported, this function raises no error. The error is raised when the module is imported
    again.

    Parameters
    ----------
    *names : str
        Names of modules, with dots. Other code can import them at the same time.

    Returns
    -------
    threading.Thread
        The thread, which has already been started. It does not keep the process alive.

    Examples
    --------
    >>> import_in_background("no_such_module", "zipapp").join()
    >>> "zipapp" in sys.modules
    True
    """

    def work() -> None:
        for name in names:
            with suppress(Exception):
                importlib.import_module(name)

    thread = threading.Thread(target=work, name="imports", daemon=True)
    thread.start()
    return thread


@contextmanager
def hide_libraries(names: Iterable[str]) -> Iterator[None]:
    """Prevent Python from importing some libraries, as if they were not installed. Libraries that were imported before
    can still be used.

    Parameters
    ----------
    names : iterable of str
        Names of libraries, without dots.
    """
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # None is Python's mark for "no such module"
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
