"""The ``lineup`` command: parse, call, print.

Nothing heavy is imported at module level, so that ``lineup --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineup import __version__, signals
from lineup.errors import LineupError, shortened
from lineup.paths import Project, find_project
from lineup.terminal import tolerate_encodings

if TYPE_CHECKING:
    from lineup.committee.champion import Champion
    from lineup.params import Params
    from lineup.records.record import Record

app = typer.Typer(
    name="lineup",
    help="Line up image classifiers and committees of them on the same images, and see with evidence which to trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Record_ = Annotated[
    Path | None,
    typer.Option(
        "--record", metavar="FOLDER", help="Where the record goes. Default: a new folder in experiments/, published."
    ),
]


# With an underscore, too: `mlflow run -P learning_rate=0.002` becomes --learning_rate 0.002.
Setting = partial(typer.Option, help="Instead of the recipe's own.")


def main() -> None:
    """Run the command.

    A `LineupError`, or one of the system such as a full disk, is one line and exit status 1; a signal that ends the
    command is one line, too, and 128 plus its number.
    """
    tolerate_encodings()
    if "DVC_STAGE" in os.environ:
        # Under `mlflow run -e main` every stage inherits the outer run and would write into it.
        os.environ.pop("MLFLOW_RUN_ID", None)
    signals.handle_signals()
    try:
        app()
    except SystemExit as end:
        # What the framework of the command line makes of every KeyboardInterrupt.
        sys.exit(signals.report(signals.received[0]) if signals.received and end.code == 130 else end.code)
    except LineupError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"error: {_system_error(error)}", file=sys.stderr)
        sys.exit(1)


def _system_error(error: OSError) -> str:
    """Return what the system could not do, and with which file."""
    if error.filename is None or error.strerror is None:
        return shortened(error)
    return f"{error.filename}: {error.strerror}"


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    if version:
        print(f"lineup {__version__}")
        raise typer.Exit


@app.command()
def check(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file to write when all is well, for the pipeline.")
    ] = None,
) -> None:
    """Check params.yaml: names, keys and values."""
    from lineup.files import replacing_file

    _, params = _project()
    print(f"params.yaml: {params.summary()}")
    if output:
        with replacing_file(output) as partial:
            partial.write_text("lineup check found no mistake in params.yaml\n", encoding="utf-8")


@app.command()
def download() -> None:
    """Fetch the dataset named in params.yaml, or draw it, into data/raw."""
    from lineup.data.download import download as fetch
    from lineup.data.local import local_folder

    project, params = _project()
    data = params.data
    done = fetch(
        data.name,
        project.raw,
        folder=local_folder(data.folder),
        train_images=data.train_images,
        test_images=data.test_images,
        seed=data.seed,
    )
    print(done)


@app.command()
def split() -> None:
    """Write all images and the one nested, stratified split into data/splits."""
    from lineup.data.split import write_split

    project, params = _project()
    dataset = write_split(project.raw, project.dataset, params.split.seed)
    print(
        f"{dataset.title}: {len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images,"
        f" fingerprint {dataset.fingerprint[:12]}"
    )


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="Name of a model in params.yaml, or of its stage: train@NAME.")],
    record: Record_ = None,
    epochs: Annotated[int | None, Setting("--epochs")] = None,
    batch_size: Annotated[int | None, Setting("--batch-size", "--batch_size")] = None,
    learning_rate: Annotated[float | None, Setting("--learning-rate", "--learning_rate")] = None,
    validation: Annotated[float | None, Setting("--validation")] = None,
    seed: Annotated[int | None, Setting("--seed")] = None,
) -> None:
    """Train one model and leave its record, with live curves in MLflow.

    Without --record it is a single experiment: its record goes to a new folder in experiments/ and its run to MLflow,
    and the pipeline's own records stay as they are. With the name of a stage its record goes to runs/models.
    Interrupted, a long training of the pipeline goes on from its last backup; a single experiment starts again.
    """
    project, params = _project()
    model, record = _of_stage("train", model, project.models, record)
    given = {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "validation": validation,
        "seed": seed,
    }
    recipe = params.recipe(model, **{name: value for name, value in given.items() if value is not None})

    from lineup.data.dataset import load_dataset
    from lineup.tracking.live import LiveRun
    from lineup.training.progress import Progress
    from lineup.training.train import train_model

    folder, experiment = _place(project, model, record)
    dataset = load_dataset(project.dataset)
    with LiveRun(project.root, os.environ.get("MLFLOW_RUN_ID")) as live:
        done = train_model(
            model,
            recipe,
            dataset,
            folder,
            threads=params.training.threads,
            experiment=experiment,
            # Each single experiment is a run of its own: none would ever go on from what another one left.
            backups=project.backups if experiment is None else None,
            listeners=[Progress(), live],
        )
        live.finish(done)
    _finish(project, done)


@app.command()
def select() -> None:
    """Choose the members of every committee and write them down, with a hash of their predictions."""
    from lineup.committee.select import select_all

    project, params = _project()
    select_all(params.committees, params.architectures(), project.models, project.selection)


@app.command()
def committee(
    name: Annotated[str, typer.Argument(help="Name of a committee in params.yaml, or of its stage: committee@NAME.")],
    record: Record_ = None,
) -> None:
    """Combine the stored predictions of a committee's members and leave its record.

    What its rule needs is fitted on images that all members held out. Without --record it is a single experiment: its
    record goes to a new folder in experiments/ and its run to MLflow. With the name of a stage its record goes to
    runs/committees.
    """
    from lineup.committee.build import build_committee
    from lineup.committee.select import read_selection, select

    project, params = _project()
    name, record = _of_stage("committee", name, project.committees, record)
    settings = params.committee(name)
    folder, experiment = _place(project, name, record)
    if record:
        members = read_selection(project.selection / f"{name}.json")
    else:
        members = select(name, settings, params.architectures(), project.models)
    _finish(project, build_committee(name, settings, members, project.models, folder, experiment=experiment))


@app.command()
def evaluate(
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the pages go. Default: experiments/evaluate.")
    ] = None,
) -> None:
    """Compare all models and committees of params.yaml: leaderboard, evidence, tables and figures."""
    from lineup.pages.evaluate import evaluate as write_pages

    project, params = _project()
    folder = output or project.experiments / "evaluate"
    records = _all_records(project, params)
    write_pages(records, folder)
    if run_id := os.environ.get("MLFLOW_RUN_ID"):
        from lineup.tracking.publish import publish_folder

        publish_folder(project.root, params.data.name, run_id, folder)
    print(f"{folder}: leaderboard.md and evidence.md, with their tables and figures")


@app.command()
def reproduce(
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where the page goes. Default: experiments/reproduce.")
    ] = None,
) -> None:
    """Hold the results against the published ones: page and table."""
    from lineup.pages.reproduce import MEASUREMENTS
    from lineup.pages.reproduce import reproduce as write_page

    project, params = _project()
    folder = output or project.experiments / "reproduce"
    write_page(_all_records(project, params), project.root / MEASUREMENTS, folder)
    print(f"{folder}: reproduction.md and reproduction.csv")


@app.command()
def champion(
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the choice is written. Default: it is only printed.")
    ] = None,
) -> None:
    """Choose the best of all models and committees, by validation images and the rule in params.yaml."""
    from lineup.committee.champion import choose, write_champion

    project, params = _project()
    chosen = choose(_all_records(project, params), params.champion)
    print(
        f"champion: {chosen.name}, by validation {chosen.metric} on {chosen.images:,} images among {chosen.candidates};"
        f" accuracy {chosen.val_accuracy:.4f} there, {chosen.test_accuracy:.4f} on the test images"
    )
    if output:
        write_champion(output, chosen)


@app.command()
def leaderboard(
    readme: Annotated[bool, typer.Option("--readme", help="Write the table into README.md, too.")] = False,
) -> None:
    """Print the leaderboard of the last evaluation."""
    from lineup.pages.show import show_leaderboard, write_readme

    project = find_project()
    show_leaderboard(project)
    if readme:
        write_readme(project)


@app.command()
def publish() -> None:
    """Bring MLflow into line with all records: make missing runs, complete half ones, leave the others."""
    from lineup.records.record import HEADER, read_record
    from lineup.tracking.publish import publish as publish_records

    project, params = _project()
    records, missing = _records(project, params)
    for name in missing:
        print(f"{name}: no record yet")
    singles = sorted(path.parent for path in project.experiments.glob(f"*/{HEADER}"))
    publish_records(project.root, [*records, *map(read_record, singles)], champion=_champion(project), tell=print)


@app.command()
def models(family: Annotated[str | None, typer.Option(help="Only this family.")] = None) -> None:
    """List the registered architectures: name, family, report, parameters."""
    from lineup.pages.show import show_architectures

    show_architectures(family)


@app.command()
def doctor() -> None:
    """Say what of this machine and checkout is fine, what is not, and what to do."""
    from lineup.execution.doctor import examine

    if not examine():
        raise typer.Exit(1)


@app.command()
def repro(
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, max=256, help="How many stages may run at once.")] = 1,
) -> None:
    """Bring the whole pipeline up to date, as dvc repro does, several stages side by side."""
    from lineup.execution.repro import repro as run_stages

    project, _ = _project()  # before DVC reads params.yaml, for which it has no limits
    run_stages(project.root, jobs)


@app.command()
def demo() -> None:
    """Run the whole pipeline on a small generated dataset in .demo, beside the real results."""
    from lineup.execution.demo import run_demo

    run_demo(find_project())


@app.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000) -> None:
    """Open the MLflow UI of this project's store on 127.0.0.1."""
    from lineup.tracking.ui import serve_ui

    project, params = _project()
    serve_ui(project.root, params.data.name, port)


def _project() -> tuple[Project, Params]:
    from lineup.params import load_params

    project = find_project()
    return project, load_params(project.params)


def _of_stage(group: str, name: str, folder: Path, record: Path | None) -> tuple[str, Path | None]:
    """Return the name of a model or committee and where its record goes, from that name or from that of its stage.

    Called from a subfolder, DVC puts the path of ``dvc.yaml`` before a stage: ``../dvc.yaml:train@basic_cnn``.
    """
    before, at, after = name.rpartition(":")[2].partition("@")
    if at and before == group:
        return after, record or folder / after
    return name, record


def _place(project: Project, name: str, record: Path | None) -> tuple[Path, str | None]:
    """Return the folder of a record, and the name of a single experiment or None for a stage of the pipeline."""
    import uuid

    if record is not None:
        from lineup.records.place import check_place

        check_place(record, name, project)
        return record, None
    experiment = uuid.uuid4().hex[:8]
    return project.experiments / f"{name}-{experiment}", experiment


def _champion(project: Project) -> Champion | None:
    from lineup.committee.champion import read_champion

    return read_champion(project.champion) if project.champion.is_file() else None


def _finish(project: Project, record: Record) -> None:
    """Print a record's result; publish it at once if it is a single experiment."""
    header, metrics = record.header, record.metrics
    data = f"{header.data.name} (generated data)" if header.data.generated else header.data.name
    print(
        f"{header.name}: test accuracy {metrics['test_accuracy']:.4f}, validation {metrics['val_accuracy']:.4f}"
        f" on {data}, record in {record.folder}"
    )
    if header.experiment is None:
        return
    from lineup.records.record import read_record
    from lineup.tracking.publish import publish as publish_records

    members = [read_record(project.models / member.name) for member in header.members]
    publish_records(project.root, [*members, record], tell=print, run_id=os.environ.get("MLFLOW_RUN_ID"))


def _all_records(project: Project, params: Params) -> list[Record]:
    """Return the pipeline's records; a LineupError names those that are missing."""
    records, missing = _records(project, params)
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise LineupError(f"no record yet of {', '.join(missing[:3])}{more}; run dvc repro")
    return records


def _records(project: Project, params: Params) -> tuple[list[Record], list[str]]:
    """Return the pipeline's records, models before committees, and the names of those that are missing."""
    from lineup.records.record import HEADER, read_record

    folders = [project.models / name for name in params.models]
    folders += [project.committees / name for name in params.committees]
    found = [folder for folder in folders if (folder / HEADER).exists()]
    return [read_record(folder) for folder in found], [folder.name for folder in folders if folder not in found]
