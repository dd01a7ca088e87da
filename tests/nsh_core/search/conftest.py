from pathlib import Path

import pytest

from nsh_core import fit, load_dataset, make_config
from tests.nsh_core.images import make_folder


@pytest.fixture(scope="session")
def of_images(once) -> tuple[Path, Path]:
    """A folder of images and a hasher that was trained on them; to be read only."""

    def make(folder: Path) -> None:
        make_folder(folder / "photos")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("NSH_CACHE", str(folder / "cache"))
            dataset = load_dataset(f"imagefolder:{folder / 'photos'}")
            config = make_config({"code_length": 12, "train": {"epochs": 1, "batch_size": 16}})
            fit(config, dataset).save(folder / "model")

    folder = once("of_images", make)
    return folder / "photos", folder / "model"
