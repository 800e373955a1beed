"""Train in several processes at the same time, with a shared server with passwords, and with a new SQLite store.

In the normal run, three processes train at once on each store. With ``LINEUP_TRAININGS=8``, eight processes do.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from lineup.data.download import download
from lineup.data.split import write_split
from lineup.records.record import Record, read_record
from lineup.tracking import plotting
from lineup.tracking.address import PASSWORD, USER, VARIABLE, StoreError, sqlite_uri
from lineup.tracking.contents import ATTEMPT, KEY
from lineup.tracking.errors import store_errors
from lineup.tracking.publish import publish
from lineup.tracking.store import open_store

from .conftest import store_in
from .shared_server import ADMIN_PASSWORD, DATABASE_PASSWORD, SharedServer, clean_environment, shared_server

pytestmark = pytest.mark.slow

COUNT = int(os.environ.get("LINEUP_TRAININGS", "3"))
EPOCHS, LONG = 20, 800
NETWORK = {
    "family": "dense",
    "architecture": "shallow_nn",
    "epochs": EPOCHS,
    "batch_size": 32,
    "learning_rate": 0.001,
    "validation": 0.2,
}
NAMES = [f"model_{number}" for number in range(COUNT)]
PARAMS = {
    "data": {"name": "synthetic", "train_images": 200, "test_images": 50, "seed": 1},
    "split": {"seed": 1},
    "training": {"threads": 1},
    "models": dict.fromkeys(NAMES, NETWORK) | {"long": NETWORK | {"epochs": LONG}},
    "committees": {},
    "champion": {"metric": "loss"},
}
USERS = {"first": "first: secret/4@x?", "second": "second-secret-5%"}
SECRETS = (ADMIN_PASSWORD, DATABASE_PASSWORD, "key-of-the-forms-3", *USERS.values())

# Imports the libraries once, and forks for each line that it reads, because eight imports of TensorFlow and MLflow take
# more than a minute. A line contains the folder of a project, the model, the file for the output, and variables of the
# environment. The longer limits are for busy machines, on which simultaneous training runs log only a part, and
# `lineup publish` the rest.
TRAIN = """
import json, os, sys
import mlflow, mlflow.store.tracking.rest_store, mlflow.store.tracking.sqlalchemy_store
from lineup.cli import main
from lineup.tracking import live
from lineup.training.devices import quiet_stderr
live.CLOSE_SECONDS = 300.0
with quiet_stderr():
    import keras, lineup.training.network

def train(folder, model, output, variables):
    file = os.open(output, os.O_WRONLY | os.O_CREAT)
    os.dup2(file, 1), os.dup2(file, 2)
    os.chdir(folder)
    os.environ.update(variables)
    sys.argv = ["lineup", "train", f"train@{model}"]
    try:
        main()
    except SystemExit as error:
        return error.code
    except BaseException:
        import traceback
        traceback.print_exc()
        return 99

for line in sys.stdin:
    trainings = json.loads(line)
    pids = []
    for training in trainings:
        pid = os.fork()
        if not pid:
            os._exit(train(*training) or 0)
        pids.append(pid)
    print(json.dumps(pids), flush=True)
    print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]), flush=True)
"""


@dataclass(frozen=True)
class Training:
    """A training run in a separate process."""

    project: Path
    model: str
    output: Path
    variables: dict[str, str]


class Trainer:
    """A process that starts several training processes at once, and waits until they end."""

    def __init__(self) -> None:
        environment = clean_environment() | {"MLFLOW_HTTP_REQUEST_TIMEOUT": "120"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", TRAIN], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, trainings: list[Training]) -> list[int]:
        """Start training processes and return their ids."""
        assert self.process.stdin is not None
        lines = [[str(one.project), one.model, str(one.output), one.variables] for one in trainings]
        print(json.dumps(lines), file=self.process.stdin, flush=True)
        return self._answer()

    def wait(self) -> list[int]:
        """Wait for the training processes and return their exit statuses."""
        return self._answer()

    def _answer(self) -> list[int]:
        assert self.process.stdout is not None
        answer: list[int] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture(scope="module")
def trainer() -> Iterator[Trainer]:
    trainer = Trainer()
    yield trainer
    trainer.process.kill()
    trainer.process.wait()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its data, without a store. Copy it."""
    root = tmp_path_factory.mktemp("template") / "project"
    root.mkdir()
    shutil.copy(Path(__file__).parents[2] / "dvc.yaml", root)
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    download("synthetic", root / "data" / "raw", folder=None, train_images=200, test_images=50, seed=1)
    (root / "data" / "splits").mkdir()
    write_split(root / "data" / "raw", root / "data" / "splits" / "dataset.npz", 1)
    return root


@pytest.fixture(scope="module")
def server() -> Iterator[SharedServer]:
    """A server with two users."""
    with shared_server() as running:
        from mlflow.server.auth.client import AuthServiceClient

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(USER, "admin")
            patch.setenv(PASSWORD, ADMIN_PASSWORD)
            for name, password in USERS.items():
                AuthServiceClient(running.address).create_user(name, password)
        yield running


@dataclass(frozen=True)
class Trained:
    """Two projects whose models were trained at the same time, with the shared server and with a new store."""

    shared: Path
    own: Path
    outputs: list[Path]


@pytest.fixture(scope="module")
def trained(
    template: Path, server: SharedServer, trainer: Trainer, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    place = tmp_path_factory.mktemp("trained")
    shared, own = (Path(shutil.copytree(template, place / name)) for name in ("shared", "own"))
    trainings = []
    for number, name in enumerate(NAMES):
        user = list(USERS)[number % len(USERS)]
        known = {VARIABLE: server.address, USER: user, PASSWORD: USERS[user]}
        if number == 0:  # in the address, in which the special characters of the password are quoted
            host = server.address.removeprefix("http://")
            known = {VARIABLE: f"http://{user}:{quote(USERS[user], safe='')}@{host}"}
        trainings.append(Training(shared, name, place / f"shared-{name}", known))
        trainings.append(Training(own, name, place / f"own-{name}", {}))
    trainer.start(trainings)
    statuses = trainer.wait()
    outputs = [training.output for training in trainings]
    said = "".join(output.read_text() for output in outputs)
    assert set(statuses) == {0}, said
    assert "warning" not in said, said
    return Trained(shared, own, outputs)


def records_of(root: Path) -> list[Record]:
    return [read_record(root / "runs" / "models" / name / "seed_1") for name in NAMES]


def check_every_metric(client: MlflowClient, records: list[Record]) -> list[Run]:
    """Check that there is one finished run for each record, with all metrics of all epochs, and return the runs."""
    experiment = client.get_experiment_by_name("lineup-synthetic")
    assert experiment is not None
    runs = {run.data.tags[KEY]: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == sorted(record.header.key for record in records)
    for record in records:
        run = runs[record.header.key]
        assert run.info.status == "FINISHED"
        assert run.data.tags[ATTEMPT] == record.runtime.attempt
        assert record.metrics.items() <= run.data.metrics.items()
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
            points = client.get_metric_history(run.info.run_id, f"epoch/{name}")
            found = sorted((point.step, point.timestamp, point.value) for point in points)
            assert found == [(row.epoch, row.timestamp, getattr(row, name)) for row in record.history]
    return list(runs.values())


@pytest.fixture(autouse=True)
def _without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish one small file instead of the figures, which take most of the time."""
    monkeypatch.setattr(plotting, "_plot", lambda record: {"confusion_matrix": b"a figure"})


def use(patch: pytest.MonkeyPatch, server: SharedServer, user: str, password: str) -> None:
    patch.setenv(VARIABLE, server.address)
    patch.setenv(USER, user)
    patch.setenv(PASSWORD, password)


def test_simultaneous_training_runs_on_a_fresh_sqlite_store(trained: Trained) -> None:
    records = records_of(trained.own)
    assert [len(record.history) for record in records] == [EPOCHS] * COUNT
    check_every_metric(MlflowClient(sqlite_uri(trained.own / "mlflow.db")), records)


def test_simultaneous_training_runs_on_a_shared_server(
    trained: Trained, server: SharedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not (trained.shared / "mlflow.db").exists()
    use(monkeypatch, server, "first", USERS["first"])
    check_every_metric(MlflowClient(server.address), records_of(trained.shared))


def test_artifacts_are_sent_through_the_server_and_no_password_is_kept(
    trained: Trained, server: SharedServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    use(monkeypatch, server, "second", USERS["second"])
    with store_in(trained.shared):
        monkeypatch.setenv(VARIABLE, server.address)
        publish(trained.shared, records_of(trained.shared)[:1], log=print)  # the run of the other user
    runs = check_every_metric(MlflowClient(server.address), records_of(trained.shared))
    assert all(run.info.artifact_uri.startswith("mlflow-artifacts:/") for run in runs)
    stored = [path for path in (server.folder / "artifacts").rglob("*") if path.is_file()]
    assert {"record.json", "confusion_matrix.png", "network.keras"} <= {path.name for path in stored}
    assert not (trained.shared / "mlartifacts").exists()

    said = "".join(capfd.readouterr())
    kept = [*trained.outputs, *trained.shared.rglob("*"), *stored, server.log]
    contents = {str(path): path.read_bytes() for path in kept if path.is_file()}
    contents |= {"output": said.encode(), "database": dump(server)}
    assert b"lineup.key" in contents["database"]
    forms = [form.encode() for secret in SECRETS for form in (secret, quote(secret, safe=""))]
    assert [name for name, content in contents.items() if any(form in content for form in forms)] == []


def dump(server: SharedServer) -> bytes:
    """Return all tables of the runs as text."""
    import psycopg2
    from sqlalchemy.engine import make_url

    url = make_url(server.database)
    lines = []
    with (
        psycopg2.connect(
            host=url.host, port=url.port, user=url.username, password=url.password, dbname="runs"
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT * FROM "{table}"')
            lines += [repr(row) for row in cursor.fetchall()]
    connection.close()
    return "\n".join(lines).encode()


@pytest.mark.parametrize("password", ["", "wrong: secret/6"])
def test_a_wrong_password_gives_one_line_without_it(
    server: SharedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    if password:
        use(monkeypatch, server, "first", password)
    else:
        monkeypatch.setenv(VARIABLE, server.address)
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path, "synthetic")
    assert str(caught.value) == (
        f"MLflow store {server.address}: access denied; {'correct' if password else 'set'} the user and the password in"
        f" {USER} and {PASSWORD}"
    )


def test_a_user_without_permission_gets_one_line(
    server: SharedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.server.auth.client import AuthServiceClient

    use(monkeypatch, server, "first", USERS["first"])
    said = "access denied; this user has no permission for it: ask the administrator of the server"
    with pytest.raises(StoreError, match=said), store_errors(tmp_path):
        AuthServiceClient(server.address).create_user("third", "third-secret-7")


def test_a_server_that_is_killed_and_restarted_during_training(
    server: SharedServer, trainer: Trainer, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(template, tmp_path / "project"))
    use(monkeypatch, server, "first", USERS["first"])
    variables = {name: os.environ[name] for name in (VARIABLE, USER, PASSWORD)}
    (pid,) = trainer.start([Training(root, "long", tmp_path / "output", variables)])
    client = MlflowClient(server.address)
    run = wait_for_epochs(client)
    os.kill(pid, signal.SIGSTOP)  # so that the training cannot end in the meantime
    server.kill()
    os.kill(pid, signal.SIGCONT)
    wait_for(lambda: "warning: no live tracking" in (tmp_path / "output").read_text())
    server.start()
    said = (tmp_path / "output").read_text()
    assert trainer.wait() == [0], said
    assert said.count("warning: ") == 1
    assert "Traceback" not in said
    record = read_record(root / "runs" / "models" / "long" / "seed_1")
    assert len(record.history) == LONG
    with store_in(root):
        monkeypatch.setenv(VARIABLE, server.address)
        publish(root, [record], log=lambda line: None)
    found = client.search_runs([run.info.experiment_id], f"tags.`{KEY}` = '{record.header.key}'")
    assert [one.info.run_id for one in found] == [run.info.run_id]
    assert found[0].info.status == "FINISHED"
    points = client.get_metric_history(run.info.run_id, "epoch/loss")
    assert sorted(point.step for point in points) == list(range(1, LONG + 1))


def wait_for_epochs(client: MlflowClient) -> Run:
    """Wait until the run of the long training process has two epochs, and return the run."""
    found: list[Run] = []

    def has_epochs() -> bool:
        experiments = [experiment.experiment_id for experiment in client.search_experiments()]
        running = client.search_runs(experiments, "attributes.status = 'RUNNING'")
        found[:] = [run for run in running if len(client.get_metric_history(run.info.run_id, "epoch/loss")) >= 2]
        return bool(found)

    wait_for(has_epochs)
    return found[0]


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
