"""What the documentation's site has beyond docs/: the README as its first page, and a page of the library's functions
for each room. A hook of MkDocs.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "src" / "transfer_atlas"
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
# Rooms whose modules are many and alike, and told of elsewhere: official datasets and the rendered world.
LEFT_OUT = ("datasets/official", "datasets/miniature")
LINK = re.compile(r"(!?)\[([^\]]+)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file of docs/ holds."""
    for outside, inside in OUTSIDE.items():
        files.append(File.generated(config, inside, content=(REPOSITORY / outside).read_text("utf-8")))
    library = api_pages()
    for name, text in library.items():
        files.append(File.generated(config, name, content=text))
    pages = sorted(library, key=lambda name: (name != "api/index.md", name))
    listed = set(re.findall(r"[\w/]+\.md", str(config.nav)))
    more = [file.src_uri for file in files.documentation_pages() if file.src_uri not in {*listed, *pages}]
    unlisted = [name for name in more if not name.startswith("site/")]
    config.nav[-1:] = [*([{"More": unlisted}] if unlisted else []), {"Library": pages}]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between the repository's files as they are on the site; a file that is not on it is named in code."""
    here = PurePosixPath(page.file.src_uri)
    at = {inside: outside for outside, inside in OUTSIDE.items()}.get(str(here), f"docs/{here}")

    def on_site(found: re.Match[str]) -> str:
        image, words, target, anchor = found.groups()
        if "://" in target or target.startswith("mailto:"):
            return found.group(0)
        parts: list[str] = []
        for part in (PurePosixPath(at).parent / target).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        path = "/".join(parts)
        inside = OUTSIDE.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if inside is not None and files.get_file_from_path(inside) is not None:
            up = "../" * (len(here.parts) - 1)
            return f"{image}[{words}]({up}{inside}{anchor or ''})"
        if not (REPOSITORY / path).exists():
            raise FileNotFoundError(f"{at} links to {path}, which does not exist")
        return words if path in words or words.startswith("`") else f"{words} (`{path}`)"

    return LINK.sub(on_site, markdown) if not str(here).startswith("api/") else markdown


def api_pages() -> dict[str, str]:
    """A page for each room of the library, and one that lists them, by path on the site."""
    rooms: dict[str, list[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        inside = path.relative_to(PACKAGE)
        if str(inside).startswith(LEFT_OUT) or path.name.startswith("__"):
            continue
        room = inside.parts[0] if len(inside.parts) > 1 else "library"
        rooms.setdefault(room, []).append(".".join(["transfer_atlas", *inside.with_suffix("").parts]))
    pages = {
        f"api/{room}.md": "\n\n".join([f"# {room}", *(f"::: {module}" for module in modules)]) + "\n"
        for room, modules in rooms.items()
    }
    listed = [f"* [{room}]({room}.md): {len(modules)} modules" for room, modules in sorted(rooms.items())]
    return pages | {"api/index.md": "\n".join(["# The library, room by room", "", *listed]) + "\n"}
