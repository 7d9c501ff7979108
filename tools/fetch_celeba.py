"""Download CelebA, for non-commercial research only (make celeba)."""

from pathlib import Path

from torchvision.datasets import CelebA
from torchvision.datasets.utils import download_file_from_google_drive

from pfgvm.errors import InputError
from pfgvm.faces.celeba import IDENTITIES, IMAGE_FOLDER
from stages.common.program import run


def main(root: Path) -> None:
    """Download CelebA's aligned images and identities to `root`/celeba, in the layout of data.source: celeba."""
    folder = root / "celeba"
    try:
        # Not CelebA(download=True), which also extracts the zip file: a kill would leave a part of the images.
        for file_id, md5, name in CelebA.file_list:
            if name in (f"{IMAGE_FOLDER}.zip", IDENTITIES):
                download_file_from_google_drive(file_id, str(folder), name, md5)
    except Exception as error:  # the downloader has many kinds of failure
        raise InputError(
            f"the download failed ({error}). Download img_align_celeba.zip (folder Img) and identity_CelebA.txt "
            "(folder Anno) by hand from the CelebA project page, mmlab.ie.cuhk.edu.hk/projects/CelebA.html, put both "
            f"into {folder} without unpacking, and run: make paper DATA={folder}"
        ) from None


if __name__ == "__main__":
    run(main)
