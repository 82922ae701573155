"""The gallery shows every display, and its code makes its pictures."""

import importlib.util
import re
from pathlib import Path

import pytest

from fastgd import plots

ROOT = Path(__file__).parent.parent
GALLERY = ROOT / "docs" / "gallery.md"
TEXT = GALLERY.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in plots.__all__ if name.endswith("Display")])
def test_every_display_is_in_the_gallery(name):
    assert f"plots.{name}(" in TEXT


@pytest.mark.parametrize("page", [GALLERY, ROOT / "README.md"], ids=lambda path: path.name)
def test_pictures_exist_and_are_small(page):
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]*)\)", page.read_text(encoding="utf-8"))
    assert pictures
    for picture in pictures:
        assert 1000 < (page.parent / picture).stat().st_size < 100_000


@pytest.mark.sweep
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the runs that diverge
def test_the_gallery_is_made_by_its_code(tmp_path):
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "gallery.py")
    gallery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gallery)
    gallery.main(tmp_path)
    made = {path.name for path in (tmp_path / "gallery").iterdir()}
    assert made == {path.name for path in (ROOT / "docs" / "gallery").iterdir()}
