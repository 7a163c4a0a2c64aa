"""The pages of docs/ hold together: each is in the site's contents, each link leads somewhere, each list is seen as one."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.support.pages import DOCS, PAGES, ROOT, anchors, links, prose

EVERY = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))


def contents(part: object) -> list[str]:
    """The pages that a part of the site's contents names."""
    if isinstance(part, str):
        return [part]
    children = part.values() if isinstance(part, dict) else part
    assert not isinstance(children, str)
    return [page for child in children for page in contents(child)]  # type: ignore[attr-defined]


def test_every_page_is_in_the_sites_contents_and_every_entry_is_a_page() -> None:
    site = YAML(typ="safe", pure=True).load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    assert sorted(contents(site["nav"])) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES)


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "README.md", ROOT / "CONTRIBUTING.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@EVERY
def test_no_link_leaves_the_site(page: Path) -> None:
    """What stands outside docs/ is no page of the site: it is named as code."""
    for link in links(page):
        path = link.partition("#")[0]
        assert not path or (page.parent / path).resolve().is_relative_to(DOCS), link


@EVERY
def test_a_blank_line_stands_before_every_list_and_table(page: Path) -> None:
    """GitHub needs none; the site would run the lines together."""
    lines = prose(page).splitlines()
    for before, line in pairwise(lines):
        begins = re.match(r"([-*] |\d+\. |\|)", line)
        if begins and before.strip() and not re.match(r"([-*] |\d+\. |\||  )", before):
            pytest.fail(f"{before!r} before {line!r}")


@EVERY
def test_every_page_begins_with_its_one_title(page: Path) -> None:
    titles = re.findall(r"^# .*$", prose(page), re.MULTILINE)
    assert len(titles) == 1
    assert page.read_text(encoding="utf-8").startswith(titles[0][:3])


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="mkdocs is not installed: run `make setup`")
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    elsewhere = r"<(?:script|img|link|iframe)[^>]+(?:src|href)=\"?(?:https?:)?//[^\" >]+"
    for file in tmp_path.rglob("*.html"):
        assert re.findall(elsewhere, file.read_text(encoding="utf-8")) == [], file.name


@EVERY
def test_a_policy_pack_is_named_by_its_whole_path(page: Path) -> None:
    """Pulumi 3.256 starts no program that it finds by a relative path: "policy pack not found at", with the right path."""
    for path in re.findall(r"--policy-pack[ =](\S+)", page.read_text(encoding="utf-8")):
        assert path.startswith(("/", "~/", "$PWD/")), path
