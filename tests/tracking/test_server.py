"""A committee in the MLflow server: it predicts the probabilities of its record for images of any accepted shape."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineup.committee.build import build_committee
from lineup.committee.select import select
from lineup.committee.settings import Committee
from lineup.records.record import Record
from lineup.tracking.address import sqlite_uri
from lineup.tracking.contents import KEY
from lineup.tracking.publish import publish
from tests.make_records import CLASSES

from .conftest import store_in
from .published import CANDIDATES, IMAGES, client_of, network_record

pytestmark = pytest.mark.slow

NAMES = ["one", "two", "three"]
START_SECONDS = 300


@dataclass(frozen=True)
class Server:
    """A running server and the record of the committee that it serves."""

    address: str
    record: Record

    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request and return the response."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.address}/invocations", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
            return answer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Iterator[Server]:
    """``mlflow models serve --env-manager local`` of a published committee."""
    with store_in(tmp_path_factory.mktemp("served"), empty_store) as root:
        models = root / "runs" / "models"
        records = [network_record(models / name / "seed_1", seed=seed) for seed, name in enumerate(NAMES)]
        trio = Committee(members=NAMES, rule="majority", temperature="before")
        record = build_committee("trio", trio, select("trio", trio, CANDIDATES, models), models, root / "runs" / "trio")
        publish(root, [*records, record], log=lambda line: None)
        client = client_of(root)
        experiments = [item.experiment_id for item in client.search_experiments()]
        (run,) = client.search_runs(experiments, f"tags.`{KEY}` = '{record.header.key}'")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--env-manager", "local", "--port", port]
        environment = dict(os.environ, MLFLOW_TRACKING_URI=sqlite_uri(root / "mlflow.db"))
        environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
        with (root / "server.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--model-uri", f"runs:/{run.info.run_id}/model"],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            wait_for(f"http://127.0.0.1:{port}", process, root / "server.log")
            yield Server(f"http://127.0.0.1:{port}", record)
        finally:
            os.killpg(process.pid, 15)
            process.wait(60)


def wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the server responds."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/ping", timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (784,)], ids=str)
@pytest.mark.parametrize("key", ["inputs", "instances"])
def test_predictions_for_any_accepted_shape_equal_those_of_the_record(
    server: Server, key: str, shape: tuple[int, ...]
) -> None:
    answers = server.post({key: IMAGES.reshape(-1, *shape).tolist()})["predictions"]
    expected = server.record.predictions().test.probabilities
    found = np.array([[answer[name] for name in CLASSES] for answer in answers])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert [answer["label"] for answer in answers] == [CLASSES[number] for number in expected.argmax(axis=1)]
    assert {round(3 * answer["agreement"]) for answer in answers} <= {1, 2, 3}
    assert set(answers[0]) == {"label", "agreement", *CLASSES}


def test_a_request_without_images_is_a_client_error(server: Server) -> None:
    for images, said in (
        ((IMAGES[:2] / 255).tolist(), "every pixel must be a whole number from 0 to 255"),
        ([[1, 2, 3]], "images of shape (1, 3): expected (n, 28, 28), (n, 28, 28, 1) or (n, 784)"),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            server.post({"inputs": images})
        assert caught.value.code == 400
        assert said in caught.value.read().decode()
