"""The docs site: every page of the repository, and references made of code and API, by MkDocs.

    python -m tools.site

The pages are copied to where they are in the repository, so that their links lead to each other
there and on the site. A link that leads nowhere fails the build. Nothing of the site comes from
another host: the fonts are the reader's own, and the program that draws diagrams is a package of npm.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.bootstrap import ROOT, STATE, InstallError, install
from tools.engines import npm
from tools.engines.engine import EngineError

LOCK = Path(__file__).with_name("site.txt")
CONFIG = ROOT / "docs" / "mkdocs.yml"
VENV = STATE / "site" / "venv"
PAGES = STATE / "site" / "pages"
BUILT = STATE / "site" / "html"
# What is no page of the site: what is installed, made, or a template of a page.
LEFT_OUT = {".leftfold", ".git", ".github", "node_modules"}
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")
# The packages whose docstrings are the engine's reference, with what they are for.
REFERENCE = {
    "kernel": "What a context is made of",
    "store": "The ports of the engine to its storage",
    "http": "Routes, fields and problems",
}


class SiteError(Exception):
    """An error in one line: what is wrong with the site."""


def build() -> Path:
    """The folder of the site. Raises SiteError."""
    try:
        install("the site's tools", VENV, LOCK, print)
        mermaid = npm.locked("mermaid").install()
    except (InstallError, EngineError) as error:
        raise SiteError(str(error)) from error
    shutil.rmtree(PAGES, ignore_errors=True)
    for page in pages():
        copy(page)
    for path, text in made().items():
        (PAGES / path).parent.mkdir(parents=True, exist_ok=True)
        (PAGES / path).write_text(text)
    shutil.copyfile(mermaid / "dist" / "mermaid.min.js", PAGES / "mermaid.min.js")
    command = [VENV / "bin" / "mkdocs", "build", "--strict", "--clean"]
    done = subprocess.run(
        [*map(str, command), "--config-file", str(CONFIG), "--site-dir", str(BUILT)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith(("WARN", "ERR"))]
        raise SiteError("\n".join(said) or done.stderr.strip())
    return BUILT


def pages() -> Iterator[Path]:
    """The pages of the repository."""
    for page in sorted(ROOT.rglob("*.md")):
        if not LEFT_OUT & set(page.relative_to(ROOT).parts):
            yield page


def copy(page: Path) -> None:
    """Copies a page, and the files besides pages to which it leads. A link to a folder leads to its
    list. Raises SiteError for a link that leads nowhere.
    """
    text = page.read_text()
    for link in dict.fromkeys(LINK.findall(text)):
        target = (page.parent / link).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            raise SiteError(f"{page.relative_to(ROOT)} leads to {link}, which is not there")
        if target.is_dir():
            text = text.replace(f"]({link})", f"]({link.rstrip('/')}/README.md)")
        elif target.suffix != ".md":
            copied = PAGES / target.relative_to(ROOT)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(target, copied)
    here = PAGES / page.relative_to(ROOT)
    here.parent.mkdir(parents=True, exist_ok=True)
    here.write_text(text)


def made() -> dict[str, str]:
    """The pages that are made of something else, by their paths."""
    return {
        "docs/adr/README.md": listed("Decisions", ROOT / "docs" / "adr", "*.md"),
        "docs/schemas/README.md": listed("Schemas of events", ROOT / "docs" / "schemas", "**/*"),
        "docs/api.md": api(),
        **{
            f"docs/reference/{package}.md": reference(package, about)
            for package, about in REFERENCE.items()
        },
    }


def listed(title: str, folder: Path, pattern: str) -> str:
    """A list of the files of a folder; pages by their titles."""
    lines = [f"# {title}", ""]
    for file in sorted(folder.glob(pattern)):
        if file.is_file():
            name = str(file.relative_to(folder))
            said = title_of(file) if file.suffix == ".md" else f"`{name}`"
            lines.append(f"- [{said}]({name})" if file.suffix == ".md" else f"- {said}")
    return "\n".join(lines) + "\n"


def title_of(page: Path) -> str:
    """The first heading of a page."""
    return next(line[2:] for line in page.read_text().splitlines() if line.startswith("# "))


def api() -> str:
    """The routes of the API, from the OpenAPI document that the application serves."""
    from app import API
    from chalicelib.leftfold.http.openapi import document

    described = document(API)
    lines = ["# API", "", described["info"]["description"], ""]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            lines += [f"## {method.upper()} {path}", "", f"{operation['summary']}.", ""]
            lines += [*parameters(operation), ""]
    return "\n".join(lines)


def parameters(operation: dict[str, Any]) -> Iterator[str]:
    """A table of an operation's parameters, and its answers."""
    named = [one for one in operation["parameters"] if one["in"] in ("path", "query")]
    if named:
        yield "| parameter | in | meaning |"
        yield "| --- | --- | --- |"
    for one in named:
        said = one.get("description") or one["schema"].get("description") or ""
        yield f"| `{one['name']}` | {one['in']} | {said} |"
    yield ""
    for status, answer in operation["responses"].items():
        yield f"- {status}: {answer['description']}"


def reference(package: str, about: str) -> str:
    """The public classes and functions of a package of the engine, by their docstrings."""
    lines = [f"# leftfold.{package}", "", f"{about}.", ""]
    for file in sorted((ROOT / "chalicelib" / "leftfold" / package).rglob("*.py")):
        tree = ast.parse(file.read_text())
        said = ast.get_docstring(tree)
        if said is None:
            continue
        lines += [f"## {file.stem.replace('__init__', package)}", "", said, ""]
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
                lines += [f"### `{signature(node)}`", "", ast.get_docstring(node) or "", ""]
    return "\n".join(lines)


def signature(node: ast.ClassDef | ast.FunctionDef) -> str:
    """The first line of a class or a function."""
    if isinstance(node, ast.ClassDef):
        return f"class {node.name}"
    names = [one.arg for one in (*node.args.posonlyargs, *node.args.args)]
    names += [f"*, {', '.join(one.arg for one in node.args.kwonlyargs)}"] * bool(
        node.args.kwonlyargs
    )
    return f"{node.name}({', '.join(names)})"


if __name__ == "__main__":
    try:
        print(f"the site is in {build().relative_to(ROOT)}")
    except SiteError as error:
        sys.exit(f"site: {error}")
