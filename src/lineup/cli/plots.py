"""Define the commands that plot figures of the data and of models.

Examples
--------
>>> from contextlib import chdir
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     errors("basic_cnn")
Traceback (most recent call last):
    ...
lineup.errors.LineupError: no record yet for basic_cnn; run dvc repro
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineup.cli.common import open_project
from lineup.cli.named_records import check_same_data, existing_records, label_of, named_record
from lineup.errors import LineupError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lineup.data.dataset import Dataset
    from lineup.params import Params
    from lineup.paths import Project
    from lineup.records.record import Record

app = typer.Typer(
    name="plot",
    help="Plot the data, or compare models and committees in a figure.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_NAME = "a model or committee in params.yaml, one of its runs (NAME_seed2), or a folder in experiments/"
Model = Annotated[str, typer.Argument(metavar="NAME", help=f"Name of {_NAME}.")]
Models = Annotated[list[str], typer.Argument(metavar="NAME...", help=f"Names. Each is the name of {_NAME}.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="PNG file to write. Default: a file in experiments/plots."),
]


@app.command()
def data(
    validation: Annotated[
        float | None,
        typer.Option(help="Fraction of images for validation. Default: the most frequent value in params.yaml."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the figures. Default: experiments/plots.")
    ] = None,
) -> None:
    """Plot sample images, the number of images per class, the pixel values, and the mean image per class."""
    from lineup.data.dataset import load_dataset
    from lineup.figures.dataset import data_figures
    from lineup.figures.save import save_png

    project, params = open_project()
    share = validation if validation is not None else _usual_validation(params)
    folder = output or _plots(project)
    figures = data_figures(load_dataset(project.dataset), validation=share)
    for name, figure in figures.items():
        save_png(figure, folder / f"{name}.png")
    print(f"{folder}: {', '.join(f'{name}.png' for name in figures)}")


@app.command()
def curves(names: Models, output: Output = None) -> None:
    """Plot the training and validation curves of several models."""
    import pandas as pd

    from lineup.figures.model_curves import model_curves
    from lineup.records.history import HISTORY_COLUMNS

    project, records = _open_records(names)
    histories = {
        label: pd.DataFrame([dataclasses.asdict(row) for row in record.history], columns=HISTORY_COLUMNS)
        for label, record in records.items()
    }
    figure = model_curves(histories, title="Training and validation curves", subtitle=_curves_line(records))
    _save(figure, project, "curves", list(records), output)


@app.command()
def confusion(first: Model, second: Model, output: Output = None) -> None:
    """Plot the difference between the confusion matrices of two models."""
    from lineup.figures.confusion import confusion_difference
    from lineup.records.record import read_confusion

    project, records = _open_records([first, second])
    one, other = records.values()
    labels = list(records)
    figure = confusion_difference(
        read_confusion(one),
        read_confusion(other),
        one.header.data.classes,
        title=f"{labels[0]} minus {labels[1]}: confusion matrix",
        subtitle=_line(one),
    )
    _save(figure, project, "confusion", labels, output)


@app.command()
def classes(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help=f"Each is the name of {_NAME}. Default: all with a record."),
    ] = None,
    output: Output = None,
) -> None:
    """Plot the accuracy of several models on each class."""
    from lineup.figures.class_accuracy import class_accuracies
    from lineup.records.record import read_confusion

    project, records = _open_records(names or [])
    one = next(iter(records.values()))
    figure = class_accuracies(
        {label: read_confusion(record) for label, record in records.items()},
        one.header.data.classes,
        title="Accuracy on each class",
        subtitle=_line(one),
    )
    _save(figure, project, "classes", list(records) if names else [], output)


@app.command()
def errors(name: Model, output: Output = None) -> None:
    """Plot the misclassified test images for which the model has the highest confidence."""
    from lineup.explain.predictions import errors as plot

    project, params = open_project()
    record = named_record(project, params, name)
    _save(plot(record, _dataset_of(project, record)), project, "errors", [label_of(record)], output)


@app.command()
def differences(committee: Model, output: Output = None) -> None:
    """Plot test images on which a committee and its best member disagree.

    The best member is the member with the highest validation accuracy.
    """
    from lineup.explain.predictions import best_member
    from lineup.explain.predictions import differences as plot

    project, params = open_project()
    record = named_record(project, params, committee)
    member = best_member(record, project.models)
    _save(plot(record, member, _dataset_of(project, record)), project, "differences", [label_of(record)], output)


@app.command()
def roc(names: Models, output: Output = None) -> None:
    """Plot the ROC curves and the cutoff curves of several models side by side."""
    from lineup.figures.side_by_side import roc_and_cutoff

    project, records = _open_records(names)
    figure = roc_and_cutoff(
        {label: record.predictions().test for label, record in records.items()},
        title="ROC curves and cutoff curves, each class against the rest",
        subtitle=_line(next(iter(records.values()))),
    )
    _save(figure, project, "roc", list(records), output)


@app.command()
def gradcam(name: Model, output: Output = None) -> None:
    """Plot the image regions that affect the predictions of a convolutional network (Grad-CAM)."""
    _plot_network("gradcam", name, output)


@app.command()
def filters(name: Model, output: Output = None) -> None:
    """Plot the filters of the first convolution of a network."""
    _plot_network("filters", name, output)


@app.command()
def maps(name: Model, output: Output = None) -> None:
    """Plot the feature maps of each convolution of a network, for one test image of each class."""
    _plot_network("maps", name, output)


@app.command()
def latent(name: Model, output: Output = None) -> None:
    """Plot the latent space of an autoencoder in two dimensions, with PCA and t-SNE."""
    _plot_network("latent", name, output)


def _plot_network(what: str, name: str, output: Path | None) -> None:
    """Load the network of a record, and plot a figure of the network."""
    from lineup.explain.network import open_network
    from lineup.explain.record_figures import PLOTS
    from lineup.records.compact import require_full

    project, params = open_project()
    record = named_record(project, params, name)
    require_full(record)
    dataset = _dataset_of(project, record)
    figure = PLOTS[what](record, dataset, open_network(record))
    _save(figure, project, what, [label_of(record)], output)


def _open_records(names: Sequence[str]) -> tuple[Project, dict[str, Record]]:
    """Open the project, and return a dictionary of records by label. Without names, all models are returned."""
    project, params = open_project()
    found = [named_record(project, params, name) for name in names] if names else existing_records(project, params)
    records: dict[str, Record] = {}
    for record in found:
        if label_of(record) in records:
            raise LineupError(f"{label_of(record)}: named twice; expected different models")
        records[label_of(record)] = record
    check_same_data(found)
    return project, records


def _dataset_of(project: Project, record: Record) -> Dataset:
    """Read the dataset of the project, and check that the record was made from this dataset."""
    from lineup.data.dataset import load_dataset

    dataset = load_dataset(project.dataset)
    if dataset.fingerprint != record.header.data.fingerprint:
        raise LineupError(
            f"{label_of(record)} was made from other images or another split than {project.dataset}; run dvc repro"
        )
    return dataset


def _usual_validation(params: Params) -> float:
    """Return the validation fraction that most models use. Ties go to the smallest share."""
    shares = Counter(recipe.validation for recipe in params.models.values())
    return min(shares, key=lambda share: (-shares[share], share))


def _line(record: Record) -> str:
    """Return a figure subtitle that names the dataset."""
    from lineup.pages.markdown import figure_line

    return figure_line(record.header.data)


def _curves_line(records: dict[str, Record]) -> str:
    """Return a subtitle with the name of the data and the numbers of training and validation images."""
    data = [record.header.data for record in records.values()]
    kind = "GENERATED DATA" if data[0].generated else data[0].title
    splits = sorted({(one.training_images, one.validation_images) for one in data})
    numbers = " or ".join(f"{training:,} training and {validation:,} validation" for training, validation in splits)
    return f"{kind}, {numbers} images"


def _plots(project: Project) -> Path:
    """Return the folder of the figures."""
    return project.experiments / "plots"


def _save(figure: Figure, project: Project, what: str, labels: Sequence[str], output: Path | None) -> None:
    """Save a figure to the given file, or to a file whose name describes the figure."""
    from lineup.figures.save import save_png

    path = output or _plots(project) / f"{'-'.join([what, *labels])[:200]}.png"
    if path.suffix.lower() != ".png":
        raise LineupError(f"{path}: expected the name of a file that ends in .png")
    save_png(figure, path)
    print(path)
