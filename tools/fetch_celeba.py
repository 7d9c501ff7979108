"""Fetch CelebA, once, for those who may use it."""

from pathlib import Path

from torchvision.datasets import CelebA

from pfgvm.errors import InputError
from stages.common.program import run


def main(root: Path) -> None:
    """Download CelebA through torchvision into `root`/celeba, in the layout that data.source celeba reads."""
    try:
        CelebA(str(root), download=True)
    except Exception as error:  # whatever the downloader meets: a refusal comes in many forms
        folder = root / "celeba"
        raise InputError(
            f"the download was refused ({error}). By hand: from the CelebA project page, "
            "mmlab.ie.cuhk.edu.hk/projects/CelebA.html, fetch img_align_celeba.zip (folder Img) and "
            f"identity_CelebA.txt (folder Anno), put both into {folder} as they are, and run: make paper DATA={folder}"
        ) from None


if __name__ == "__main__":
    run(main)
