"""The documentation as a site: built strictly, searchable, with the library's pages; links lead somewhere."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def pages():
    """The hook that adds pages."""
    specification = importlib.util.spec_from_file_location("pages", REPOSITORY / "docs/site/pages.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    site = tmp_path / "site"
    assert "Which model should I start from" in (site / "index.html").read_text("utf-8")
    page = (site / "api/transferability.html").read_text("utf-8")
    assert 'id="transfer_atlas.transferability.logme.logme"' in page
    found = json.loads((site / "search/search_index.json").read_text("utf-8"))["docs"]
    places = {entry["location"].split("#")[0] for entry in found if "harbour" in entry["text"]}
    assert "add_a_dataset.html" in places
    elsewhere = [path for path in site.rglob("*.html") if 'src="http' in path.read_text("utf-8")]
    assert not elsewhere, "the site fetches nothing from elsewhere"


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("index.md", "[docs](docs/metrics.md#x)", "[docs](metrics.md#x)"),
        ("metrics.md", "[home](../README.md)", "[home](index.md)"),
        ("metrics.md", "[study](../config.yaml)", "study (`config.yaml`)"),
        ("metrics.md", "[out](https://x.org/a.md)", "[out](https://x.org/a.md)"),
        ("contributing.md", "![map](docs/pictures/a.png)", "![map](pictures/a.png)"),
    ],
)
def test_links_lead_to_pages_of_the_site(pages, page, link, expected):
    known = {"metrics.md", "index.md", "pictures/a.png"}
    files = SimpleNamespace(get_file_from_path=lambda path: path if path in known else None)
    here = SimpleNamespace(file=SimpleNamespace(src_uri=page))
    assert pages.on_page_markdown(link, here, {}, files) == expected
    with pytest.raises(FileNotFoundError, match="links to nowhere"):
        pages.on_page_markdown(
            "[x](nowhere.py)", SimpleNamespace(file=SimpleNamespace(src_uri="index.md")), {}, files
        )
