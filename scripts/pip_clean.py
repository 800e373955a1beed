"""Run pip with the user's package index and network settings, but without all other user settings.

Other settings in a variable PIP_* or a pip.conf, such as `constraint`, `user` or `target`, could change which packages
are installed or where. Environment variables of Python, such as PYTHONPATH, are also removed.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable

from pip._internal.configuration import Configuration
from pip._internal.exceptions import PipError

SOURCES = [
    "index-url",
    "pypi-url",
    "extra-index-url",
    "no-index",
    "find-links",
    "trusted-host",
    "proxy",
    "cert",
    "client-cert",
    "keyring-provider",
    "timeout",
    "default-timeout",
    "retries",
    "cache-dir",
    "no-cache-dir",
]
# Older versions of pip use the system's certificates only on request.
FEATURES = {"use-feature": "truststore", "use-deprecated": "legacy-certs"}


def kept_settings() -> dict[str, str]:
    """Return the settings to keep, as environment variables of pip.

    The user's environment variables override the settings in a pip.conf.
    """
    configuration = Configuration(isolated=False)
    configuration.load()
    kept = {}
    for section in ("global", "install", ":env:"):
        for name in (*SOURCES, *FEATURES):
            try:
                value = str(configuration.get_value(f"{section}.{name}"))
            except PipError:  # it is not set there
                continue
            if name in FEATURES:
                value = FEATURES[name] if FEATURES[name] in value.split() else ""
            if value:
                kept["PIP_" + name.upper().replace("-", "_")] = value
    return kept


def main() -> int:
    """Run pip with the arguments of this script and return its exit status."""
    try:
        kept = kept_settings()
    except PipError as error:
        text = re.sub(r"://\S*@", "://****@", str(error))  # it may quote an address with a password
        print(f"pip's settings cannot be read: {text}", file=sys.stderr)
        return 1
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "PYTHON"))}
    environment |= kept | {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [sys.executable, "-I", "-m", "pip", *sys.argv[1:]]
    if "install" not in sys.argv or "--quiet" in sys.argv:
        return subprocess.run(command, env=environment, check=False).returncode
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        assert process.stdout is not None  # it is a pipe
        show_progress(process.stdout)
    return process.returncode


def show_progress(lines: Iterable[str]) -> None:
    """Print a line for every 20 packages that pip has downloaded, instead of the output of pip."""
    packages = 0
    for line in lines:
        if line.startswith("Collecting "):
            packages += 1
            if packages % 20 == 0:
                print(f"  {packages} packages downloaded", flush=True)
        elif line.startswith("Installing collected packages"):
            print(f"  installing {packages} packages", flush=True)


if __name__ == "__main__":
    sys.exit(main())
