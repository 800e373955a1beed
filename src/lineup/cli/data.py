"""Define the commands that download and split the images.

Examples
--------
>>> from contextlib import chdir
>>> from pathlib import Path
>>> from tempfile import TemporaryDirectory
>>> from lineup.execution.init import create_project
>>> with TemporaryDirectory() as folder, chdir(create_project(Path(folder) / "shoes").root):
...     download()
Synthetic garments: 3,000 training and 1,000 test images generated
"""

from __future__ import annotations

from lineup.cli.common import open_project


def download() -> None:
    """Download or generate the dataset, or read your own images, and write them to data/raw."""
    from lineup.data.download import download as fetch
    from lineup.data.local import local_folder

    project, params = open_project()
    data = params.data
    if data.images is not None:
        from lineup.data.images import read_images

        path = data.images_path(project.root)
        unreadable = data.unreadable
        print(read_images(data.name, path, project.raw, data.image_shape, group=data.group, unreadable=unreadable))
        return
    done = fetch(
        data.name,
        project.raw,
        folder=local_folder(data.folder),
        train_images=data.train_images,
        test_images=data.test_images,
        seed=data.seed,
        shape=data.shape,
    )
    print(done)


def split() -> None:
    """Split the images into training, validation and test images, and write the result to data/splits."""
    from lineup.data.duplicates import DUPLICATES, read_duplicates
    from lineup.data.split import write_split

    project, params = open_project()
    rule = params.split
    dataset = write_split(
        project.raw,
        project.dataset,
        rule.seed,
        test=rule.test,
        duplicates=rule.duplicates,
        near_duplicates=rule.near_duplicates,
    )
    print(
        f"{dataset.title}: {len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images,"
        f" fingerprint {dataset.fingerprint[:12]}"
    )
    print(read_duplicates(project.dataset.parent / DUPLICATES).sentence())
