"""Define the command that predicts the classes of pictures.

Examples
--------
>>> from contextlib import chdir
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     predict([Path("boot.jpg")], model="basic_cnn")
Traceback (most recent call last):
    ...
lineup.errors.LineupError: no record yet for basic_cnn; run dvc repro
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lineup.cli.common import open_project
from lineup.cli.libraries import import_keras
from lineup.cli.named_records import label_of, member_records, named_record
from lineup.errors import LineupError

if TYPE_CHECKING:
    import numpy as np

    from lineup.evaluation.novelty import NoveltyDetector
    from lineup.params import Params
    from lineup.paths import Project
    from lineup.records.record import Record
    from lineup.serving.answers import Answer, Threshold
    from lineup.serving.predictor import PredictorWithMembers

CHAMPION = "champion"
_MOST = 1_000
"""Largest number of pictures in one call, which limits the memory."""


@dataclass(frozen=True, eq=False)
class _Picture:
    """Picture from a file, before and after the conversion for the model."""

    path: Path
    colours: np.ndarray
    image: np.ndarray


def predict(
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE...", help="Pictures in the format PNG, JPEG or WebP, of any size.")
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A model or committee in params.yaml, one of its runs (NAME_seed2), a folder in experiments/, or"
            " champion.",
        ),
    ] = CHAMPION,
    accuracy: Annotated[
        float,
        typer.Option(min=0, max=1, help="Accuracy on validation images that sets the threshold for 'not sure'."),
    ] = 0.98,
    show: Annotated[
        Path | None, typer.Option(metavar="FILE", help="PNG file for a figure of the pictures and their predictions.")
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Only resize the pictures. Use this for images of the dataset itself.")
    ] = False,
) -> None:
    """Predict the classes of pictures.

    The command cuts out the object in each picture, and converts the object to the size and colours of the training
    images. In a project with your own images, lineup only resizes the pictures, in the same way as the training images.
    Pictures that already look like training images are not changed. If a file cannot be read, the command prints an
    error, processes the other files, and exits with status 1.

    A picture is flagged if it differs strongly from the training images and its prediction is uncertain. With the
    default threshold, 5 % of the validation images are flagged.
    """
    from lineup.records.compact import require_full
    from lineup.serving.answers import describe, sure_threshold

    if show is not None and show.suffix.lower() != ".png":
        raise LineupError(f"{show}: expected the name of a file that ends in .png")
    if len(images) > _MOST:
        raise LineupError(f"expected at most {_MOST:,} pictures, found {len(images):,}; run the command several times")
    project, params = open_project()
    record = _record(project, params, model)
    require_full(record)
    pictures = _read(images, record, plain)
    if pictures:
        threshold = sure_threshold(record.predictions().val, accuracy)
        print(_heading(record, threshold, accuracy))
        members = member_records(project, record)
        answers = _answer(_load(record, members), _detector(project, record, members), pictures, record, threshold)
        for picture, answer in zip(pictures, answers, strict=True):
            print(f"{picture.path}: {describe(answer)}")
        if show is not None:
            _save(pictures, answers, record, show)
            print(show)
    if len(pictures) < len(images):
        raise typer.Exit(1)


def _record(project: Project, params: Params, name: str) -> Record:
    """Return the record with the given name. The default is the record of the champion."""
    from lineup.committee.champion import Champion
    from lineup.schema import read_checked

    if name != CHAMPION:
        return named_record(project, params, name)
    if not project.champion.is_file():
        raise LineupError(f"{project.champion}: no champion yet; run dvc repro, or choose a model with --model")
    return named_record(project, params, read_checked(project.champion, Champion).name)


def _read(paths: list[Path], record: Record, plain: bool) -> list[_Picture]:
    """Read and prepare pictures, and print one line for each file that cannot be read."""
    from lineup.data.pictures import read_picture
    from lineup.data.preparation import prepare, resize

    data = record.header.data
    height, width, channels = data.shape
    shape, pictures = (height, width, channels), []
    for path in paths:
        try:
            colours = read_picture(path)
            image = resize(colours, shape) if plain else prepare(data.name, colours, shape)
        except LineupError as error:
            print(f"error: {error}", file=sys.stderr)
        else:
            pictures.append(_Picture(path, colours, image))
    return pictures


def _load(record: Record, members: list[Record]) -> PredictorWithMembers:
    """Load the model of a record. If the record belongs to a committee, load the models of all members."""
    from lineup.records.record import MODEL
    from lineup.serving.predictor import load_with_members

    if any(one.header.kind == "network" for one in (record, *members)):
        import_keras()
    height, width, channels = record.header.data.shape
    folders = {member.header.label: member.folder / MODEL for member in members}
    return load_with_members(record.folder / MODEL, (height, width, channels), folders)


def _detector(project: Project, record: Record, members: list[Record]) -> NoveltyDetector | None:
    """Return the detector of unlike images. If the dataset is missing, print an explanation and return None."""
    from lineup.data.dataset import load_dataset
    from lineup.serving.novelty import novelty_detector

    try:
        return novelty_detector(load_dataset(project.dataset), record, members)
    except LineupError as error:
        print(f"Pictures unlike the training images are not flagged: {error}")
        return None


def _answer(
    predictor: PredictorWithMembers,
    detector: NoveltyDetector | None,
    pictures: list[_Picture],
    record: Record,
    threshold: Threshold,
) -> list[Answer]:
    """Predict all pictures at once."""
    import numpy as np

    from lineup.serving.answers import answer_of
    from lineup.serving.predictor import agreement

    images = np.stack([picture.image for picture in pictures])
    probabilities, each = predictor(images)
    unlike = np.zeros(len(images), bool) if detector is None else detector.is_novel(images, each)
    return [
        answer_of(
            row,
            record.header.data.classes,
            threshold.probability,
            agreement=float(share),
            members=len(each),
            unlike=bool(flag),
        )
        for row, share, flag in zip(probabilities, agreement(probabilities, each), unlike, strict=True)
    ]


def _heading(record: Record, threshold: Threshold, accuracy: float) -> str:
    """Describe the model and the threshold."""
    from lineup.pages.markdown import GENERATED

    data = record.header.data
    about = f"{label_of(record)}, trained on {data.title}."
    if math.isinf(threshold.probability):
        sure = f"It is never sure, because no threshold gives an accuracy of {accuracy:g} on the validation images."
    else:
        sure = (
            f"It is sure if the probability is at least {threshold.probability:.3f}. This applies to"
            f" {threshold.coverage:.1%} of the validation images, with an accuracy of {threshold.accuracy:.4f}."
        )
    return " ".join([about, sure, *([GENERATED] if data.generated else [])])


def _save(pictures: list[_Picture], answers: list[Answer], record: Record, path: Path) -> None:
    """Save one figure that shows each picture, the image that the model received and the prediction."""
    from lineup.figures.predictions import MOST, ShownPicture, predictions
    from lineup.figures.save import save_png
    from lineup.serving.answers import agreement_text

    shown = [
        ShownPicture(
            picture.path.name,
            picture.colours,
            picture.image,
            answer.top,
            agreement_text(answer) if answer.members > 1 else "",
            warning=answer.warning,
        )
        for picture, answer in zip(pictures[:MOST], answers, strict=False)
    ]
    data = record.header.data
    subtitle = f"trained on {'GENERATED DATA' if data.generated else data.title}"
    save_png(predictions(shown, title=f"{label_of(record)}: predictions", subtitle=subtitle), path)
