"""Provide the JavaScript library Plotly for pages that work offline.

``plotly.js`` is the unchanged file ``plotly-basic.min.js`` of the npm package plotly.js-basic-dist-min, version 4.1.1.
The file ``plotly_license.txt`` contains the licence of Plotly (MIT).

Examples
--------
>>> plotly_bundle().splitlines()[1]
'* plotly.js (basic - minified) v4.1.1'
"""

from __future__ import annotations

from pathlib import Path

from lineup.files import read_text


def plotly_bundle() -> str:
    """Return the code of the library as text for a ``<script>`` element.

    Raises
    ------
    LineupError
        If the file is missing.
    """
    return read_text(Path(__file__).with_suffix(".js"))
