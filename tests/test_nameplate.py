"""Which home folder is which, whatever host it is seen from."""

import shutil

from attribution.nameplate import nameplate
from attribution.paths import Home


def test_a_folder_keeps_its_number_wherever_it_is_moved(home, tmp_path):
    made = nameplate(home)
    assert nameplate(home) == made
    moved = Home(tmp_path / "moved")
    home.folder.rename(moved.folder)
    assert nameplate(moved) == made
    assert [path.name for path in moved.folder.iterdir()] == ["nameplate"]


def test_a_copy_has_a_number_of_its_own(home, tmp_path):
    made = nameplate(home)
    copied = Home(tmp_path / "copied")
    shutil.copytree(home.folder, copied.folder)
    own = nameplate(copied)
    assert own != made
    assert (nameplate(copied), nameplate(home)) == (own, made)


def test_one_that_cannot_be_read_is_made_anew(home):
    for content in (b"", b"\xff", b"0123456789abcdef\n"):
        (home.folder / "nameplate").write_bytes(content)
        made = nameplate(home)
        assert len(made) == 16
        assert nameplate(home) == made
