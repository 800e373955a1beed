"""Run pip with those of the user's settings alone that say where packages come from and how to reach them.

Any other setting, of a variable PIP_* or of a pip.conf, could change what is installed or where: a constraint, `user`,
`target`, `no-deps`. Python's own variables, such as PYTHONPATH, are left out as well.
"""

import os
import re
import subprocess
import sys

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
# Older pips trust the system's certificates on request only.
FEATURES = {"use-feature": "truststore", "use-deprecated": "legacy-certs"}


def kept_settings() -> dict[str, str]:
    """Return the settings to keep, as environment variables of pip; a variable wins over a pip.conf."""
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
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
