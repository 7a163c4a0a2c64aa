"""Texts of 20,000 characters of the kinds that tools return, each the same on every machine with this Python.

They are made of the licence, Python's own library, this project's pages, and records that are numbered on.
"""

from __future__ import annotations

import argparse
import base64
import difflib
import hashlib
import json
import pydoc
from itertools import count, islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LENGTH = 20_000
#: The kinds that are full of what the rules look for; the others are ordinary.
HOSTILE = ("the page about detection", "attacks, one after the other")
_CHINESE = (
    "项目组在周二上午召开了例会。会上确认新版本将于下个月初发布。测试团队汇报说、大部分问题已经修复。只剩下两个与登录有关的缺陷。\n"
    "请大家在周五之前更新文档、并把修改后的说明提交到代码库。客户希望看到更清晰的报表、尤其是按地区和月份汇总的销售数据。\n"
    "服务器的迁移工作进展顺利。新机房的网络延迟比原来低了百分之三十。下一次会议定在四月十二日下午两点、地点是三楼的会议室。\n"
)
_TICKET = """#{number} Import stops at row {row} when a cell is empty

{name} wrote on {day:02} March 2026, 09:{minute:02}:

Hi team,

since the upgrade to 4.{minute} our nightly import of the price list stops at row {row}. It worked before, and the
file is the same as last week. We don't see an error in the web interface, only "Import failed (code {number})".
Could you please have a look? The customer needs the new prices by Friday, so we'd be glad about a workaround too.

Steps to reproduce:
1. Open Settings > Imports and choose the profile "Prices".
2. Upload the attached file and press Start.
3. After about {minute} seconds the bar stops.

Thanks,
{name}

> Have you tried to leave out the empty column?

Yes, then it works, but the column is required by the shop.

---

"""
_NAMES = ("Ana Souza", "Jonas Weber", "Mei Tanaka", "Ole Hansen", "Priya Nair", "Tom Baker")


def _digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def _record(number: int) -> dict[str, object]:
    name = _NAMES[number % len(_NAMES)]
    return {
        "id": 48_000 + number,
        "name": name,
        "email": f"{name.lower().replace(' ', '.')}@example.com",
        "status": ("open", "paid", "shipped")[number % 3],
        "total": round(number * 17.35, 2),
        "updated": f"2026-03-{number % 28 + 1:02}T09:{number % 60:02}:00Z",
        "etag": _digest(number).hex()[:16],
    }


def _log_line(number: int) -> str:
    return (
        f"2026-03-{number % 28 + 1:02} 09:{number % 60:02}:{number * 7 % 60:02},{number % 1000:03} "
        f"{('INFO', 'DEBUG', 'WARNING')[number % 3]} [worker-{number % 8}] shop.http: 10.0.{number % 250}.{number % 199} "
        f'"GET /api/v2/orders/{48_000 + number}?page={number % 9}&sort=-updated HTTP/1.1" 200 {number * 31 % 9000} '
        f'"Mozilla/5.0 (X11; Linux x86_64)" trace={_digest(number).hex()[:32]} {number % 400} ms\n'
    )


def _attachment(number: int) -> str:
    """A part of a mail that holds a picture in base64."""
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(map(_digest, range(number * 40, number * 40 + 40)))
    return (
        f"Here is picture {number} of the new shelf, as it stands in the shop.\n\n--part\nContent-Type: image/png\n"
        f'Content-Disposition: attachment; filename="shelf-{number}.png"\nContent-Transfer-Encoding: base64\n\n'
        f"{base64.encodebytes(picture).decode()}\n"
    )


def _csv_line(number: int) -> str:
    record = _record(number)
    return ",".join(f'"{value}"' if isinstance(value, str) else str(value) for value in record.values()) + "\n"


def _ticket(number: int) -> str:
    name = _NAMES[number % len(_NAMES)]
    return _TICKET.format(number=number + 300, row=number * 37, name=name, day=number % 28 + 1, minute=number % 60)


def _library(pattern: str) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(Path(json.__file__).parents[1].glob(pattern)))


def _pages(pattern: str) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob(pattern)))


def texts() -> dict[str, str]:
    """A text of each kind, by its name."""
    code, other = _library("a*.py"), _library("o*.py")
    diff = difflib.unified_diff(
        code[: 2 * LENGTH].splitlines(True), other[: 2 * LENGTH].splitlines(True), "a.py", "b.py"
    )
    attacks = (ROOT / "tests" / "guard" / "detection" / "forms_tuning.jsonl").read_text(encoding="utf-8")
    kinds = {
        "prose": (ROOT / "LICENSE").read_text(encoding="utf-8") * 3,
        "code": code,
        "code as a string of JSON": json.dumps(code),
        "a page of HTML": pydoc.html.document(argparse),
        "a log": "".join(map(_log_line, range(200))),
        "a diff": "".join(diff),
        "Markdown with commands": _pages("howto/*.md"),
        "200 records of JSON": json.dumps([_record(number) for number in range(200)]),
        "CSV": "".join(map(_csv_line, range(300))),
        "tickets": "".join(map(_ticket, range(40))),
        "mail with pictures in base64": "".join(islice(map(_attachment, count()), 20)),
        "prose in Chinese": _CHINESE * 120,
        HOSTILE[0]: (ROOT / "docs" / "explain" / "detection.md").read_text(encoding="utf-8"),
        HOSTILE[1]: attacks,
    }
    return {name: text[:LENGTH] for name, text in kinds.items()}
