"""Download CelebA, for non-commercial research only (make celeba)."""

from pathlib import Path

from torchvision.datasets import CelebA

from pfgvm.errors import InputError
from stages.common.program import run


def main(root: Path) -> None:
    """Download CelebA with torchvision to `root`/celeba, in the layout of data.source: celeba."""
    try:
        CelebA(str(root), download=True)
    except Exception as error:  # the downloader has many kinds of failure
        folder = root / "celeba"
        raise InputError(
            f"the download failed ({error}). Download img_align_celeba.zip (folder Img) and identity_CelebA.txt "
            "(folder Anno) by hand from the CelebA project page, mmlab.ie.cuhk.edu.hk/projects/CelebA.html, put both "
            f"into {folder} without unpacking, and run: make paper DATA={folder}"
        ) from None


if __name__ == "__main__":
    run(main)
