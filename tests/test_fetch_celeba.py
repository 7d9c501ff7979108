"""CelebA's download: what is fetched, and what a failure says."""

import pytest

from pfgvm.errors import InputError
from tools import fetch_celeba


def test_the_zip_file_and_the_identities_are_fetched(tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr(fetch_celeba, "download_file_from_google_drive", lambda *file: fetched.append(file[1:3]))
    fetch_celeba.main(tmp_path)
    folder = str(tmp_path / "celeba")
    assert sorted(fetched) == [(folder, "identity_CelebA.txt"), (folder, "img_align_celeba.zip")]


def test_a_failed_download_says_what_to_do(tmp_path, monkeypatch):
    def fails(*file):
        raise RuntimeError("quota")

    monkeypatch.setattr(fetch_celeba, "download_file_from_google_drive", fails)
    with pytest.raises(InputError, match=rf"\(quota\). Download .* run: make paper DATA={tmp_path}/celeba"):
        fetch_celeba.main(tmp_path)
