"""A comment that nothing in a file can break out of, and that always fits."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from model.text import hidden_in
from plan.diff.html import POLICY, render_html
from plan.diff.markdown import CAP, render_markdown
from plan.diff.mermaid import render_mermaid
from plan.diff.model import (
    Change,
    DiffReport,
    Direction,
    KeyChange,
    LoadError,
    Matrix,
    ResourceChange,
    StackDiff,
)

GITHUB_LIMIT = 65_536
NASTY = (
    "@octocat #1 org/repo#2 GH-3 <script>alert(1)</script> ![x](https://evil.example/p.png) [a](javascript:b) | a | b |",
    "```\n````mermaid\n</pre></code></details><img src=x onerror=y>",
    "<!-- ringwall-diff:prod --> --> ]]> &lt;b&gt; \\| \\` `` ` www.evil.example https://evil.example :smile:",
    "\u200b\u202e\u2066tags\U000e0041 \x1b[31m \u2028 # heading\n- [ ] task\n> quote\n---\n1. one",
    '"];click edge "javascript:x"; end; %%{init: {}}%% <br/> </text></svg>',
)
texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=80))


def report(text: str, stack: str = "dev.one") -> DiffReport:
    """The same report whatever the text: it stands wherever a text of a file can."""
    change = Change(
        "grant-gained", Direction.LOOSENS, 95, stack, "guard", f"x{text}", (f"x{text}",), f"x{text}", f"x{text}"
    )
    keys = (KeyChange(f"x{text}", f"x{text}", None),)
    diff = StackDiff(
        stack,
        "server",
        "changed",
        (change,),
        (ResourceChange("urn", "kong:index/plugin:Plugin", f"x{text}", "update", keys),),
        matrix=Matrix((f"x{text}",), ((f"x{text}", "execute"),), (("gained",),)),
    )
    return DiffReport("ringwall", f"x{text}", "head", (diff,), (LoadError("head", "dev", f"x{text}"),))


def skeleton(markdown: str) -> str:
    """Without what stands in literal elements and in the picture's labels."""
    without = re.sub(r"<pre>\n.*?\n</pre>", "<pre/>", markdown, flags=re.S)
    return re.sub(r'\["<b>.*?"\]', "[]", re.sub(r"<code>[^<]*</code>", "<code/>", without))


@given(texts)
@example("@")
@example("<")
def test_no_text_of_a_file_changes_the_comment_around_it(text: str) -> None:
    shown = render_markdown(report(text), "dev", "https://ci.example.com/run/1")
    assert skeleton(shown) == skeleton(render_markdown(report("plain"), "dev", "https://ci.example.com/run/1"))
    assert shown.count("<!--") == 1
    assert shown.startswith("<!-- ringwall-diff:dev -->\n")
    for inner in re.findall(r"<code>(.*?)</code>", shown):
        assert re.fullmatch(r"(\w|[ ]|&#[0-9]+;)*", inner)
    for block in re.findall(r"<pre>\n(.*?)\n</pre>", shown, re.S):
        assert "<" not in block
        assert re.search(r"&(?!(amp|lt|gt|quot|#x27);)", block) is None
    assert hidden_in(shown) == []


@pytest.mark.parametrize("text", NASTY)
def test_a_markdown_parser_makes_no_link_image_or_element_of_it(text: str) -> None:
    html = MarkdownIt("commonmark").enable("table").render(render_markdown(report(text), "dev"))
    elements: set[str] = set()

    class ElementCollector(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            elements.add(tag)

    ElementCollector().feed(html)
    allowed = {"h3", "p", "ul", "li", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}
    assert elements <= allowed | {"sub", "strong", "em"}


@given(texts)
def test_a_mermaid_label_holds_no_syntax(text: str) -> None:
    lines = render_mermaid(report(text).changes).splitlines()
    plain = render_mermaid(report("plain").changes).splitlines()
    assert len(lines) == len(plain)
    (guard,) = [line for line in lines if line.startswith("  guard[")]
    inner = guard.removeprefix('  guard["').removesuffix('"]:::loosens')
    assert re.fullmatch(r"<b>guard</b><br/>1 loosen<br/>([A-Za-z0-9 ]|#[0-9]+;)*", inner)


def many(count: int, *, alike: bool) -> DiffReport:
    stacks = []
    for number in range(count):
        stack = f"dev.server-{number:03}"
        title = "agent ci gains tool delete_everything [execute]" + ("" if alike else f" of {number:03} 🔥")
        risky = Change("grant-gained", Direction.LOOSENS, 95, stack, "guard", title, ("word " * 60,))
        slight = Change("x", Direction.NEUTRAL, 5, stack, "guard", f"port {number}", ("note " * 60,))
        keys = tuple(KeyChange(f"configJson.key{k}", "before", "after " * 20) for k in range(20))
        resource = ResourceChange("urn", "kong:index/plugin:Plugin", f"plugin-{number}", "update", keys)
        stacks.append(StackDiff(stack, "server", "changed", (risky, slight), (resource,)))
    return DiffReport("ringwall", "base", "head", tuple(stacks))


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("count", [1, 200, 2000])
def test_the_comment_fits_whatever_changed_and_says_what_it_left_out(count: int, alike: bool) -> None:
    text = render_markdown(many(count, alike=alike), None, "https://ci.example.com/run/1")
    assert len(text.encode()) <= CAP < GITHUB_LIMIT
    assert ("Left out for length, lowest risk first" in text) == (count > 1)
    assert "[artifact](<https://ci.example.com/run/1>)" in text
    assert text.count("<details") == text.count("</details>")
    assert text.count("<pre>") == text.count("</pre>")


def test_a_long_text_is_shortened_in_the_comment_and_whole_on_the_page() -> None:
    change = Change("x", Direction.LOOSENS, 1, "dev.one", "", "t", (f"{'word ' * 3000}END",))
    long = DiffReport("p", "a", "b", (StackDiff("dev.one", "server", "changed", (change,)),))
    text = render_markdown(long)
    assert "13003 more characters: see the whole report" in text
    assert "END" in render_html(long)


def test_what_is_left_out_weighs_less_than_everything_kept() -> None:
    text = render_markdown(many(2000, alike=False))
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert rows
    assert all("loosens" in row for row in rows)
    assert "delete&#95;everything" in rows[-1]


def test_an_artifact_address_that_is_no_plain_url_is_not_linked() -> None:
    text = render_markdown(report("x"), None, "https://e.example/>)[x](javascript:y)")
    assert "javascript" not in text


def test_only_the_environment_asked_for_is_shown() -> None:
    two_environments = replace(report("x"), stacks=(*report("x").stacks, *report("y", "prod.two").stacks))
    assert "prod&#46;two" not in render_markdown(two_environments, "dev")
    assert "prod&#46;two" in render_markdown(two_environments, None)


def test_nothing_changed_is_said() -> None:
    assert "Nothing that the stack files declare changes." in render_markdown(DiffReport("p", "a", "b"))


@given(texts)
@example(NASTY[0])
def test_the_page_loads_and_runs_nothing(text: str) -> None:
    page = render_html(report(text))
    elements: set[str] = set()
    loads: list[tuple[str, str]] = []

    class LoadCollector(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            elements.add(tag)
            loads.extend(
                (tag, name) for name, _ in attrs if name in ("src", "href", "srcset", "style") or name[:2] == "on"
            )

    LoadCollector().feed(page)
    assert not loads
    assert elements.isdisjoint({"script", "img", "iframe", "link", "a", "object", "form", "base"})
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in page
    assert "url(" not in page.split("</style>")[0]
    assert hidden_in(page) == []
