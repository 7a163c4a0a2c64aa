"""A project's own rules, functions in its `ringwall-rules.py`, and the rules and waivers of a base revision.

The file is Python and runs with the rights of whoever runs Ringwall, like any Pulumi program. In a pull request
`--base` takes it, and the waivers, from the base revision: a change must not bring along the rules it is judged by.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Final

from model.base import validate
from model.errors import InputError
from model.loader import parse, read_text
from model.project import Project, config_of, manifest_key
from model.waivers import Waiver
from plan.rules.base_revision import BaseRevision
from plan.rules.catalog import with_custom
from plan.rules.rule import Rule, rule

FILE: Final = "ringwall-rules.py"


def rules_of(project: Project, *, file: Path | None = None, base: BaseRevision | None = None) -> tuple[Rule, ...]:
    """Ringwall's rules and the project's.

    Args:
        file: another file than the project's `ringwall-rules.py`; it must exist.
        base: read it from that revision instead of the working tree.

    Raises:
        InputError: the named file does not exist, does not run, or gives a rule an id that another rule has.
    """
    rules_file = file if file is not None else project.root / FILE
    if base is not None:
        text = base.read(rules_file)
        if text is None and file is not None:
            raise InputError(f"is not in {base.revision}", file=rules_file, remedy="name a file of that revision")
        return with_custom(() if text is None else load_rules(text, f"{base.revision}:{rules_file.name}"))
    if file is None and not rules_file.is_file():
        return with_custom(())
    return with_custom(load_rules(read_text(rules_file), str(rules_file)))


def load_rules(text: str, name: str) -> tuple[Rule, ...]:
    """The rules that the text of a file defines, in the order of the file.

    Raises:
        InputError: it does not run, or defines no rule; `name` says which file.
    """
    module = ModuleType("ringwall_rules")
    module.__file__ = name
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # dataclasses look their own module up
    try:
        exec(compile(text, name, "exec"), module.__dict__)  # noqa: S102 - the user's own program, as Pulumi runs it
    except InputError as error:
        raise InputError(error.problem, file=name, remedy=error.remedy) from None
    # SystemExit too: the file must not end the check as if everything had passed.
    except (Exception, SystemExit) as error:
        line = error.lineno if isinstance(error, SyntaxError) else _line(error, name)
        place = f"{name}:{line}" if line else name
        raise InputError(f"does not run: {type(error).__name__}: {error}", file=place, remedy="correct it") from None
    finally:
        if before is None:
            del sys.modules[module.__name__]
        else:
            sys.modules[module.__name__] = before
    rules = list({id(value): value for value in vars(module).values() if isinstance(value, Rule)}.values())
    if not rules:
        raise InputError("defines no rule", file=name, remedy="decorate a function with @rule of plan.rules.rule")
    try:
        return tuple(replace(_sound(custom_rule), custom=True) for custom_rule in rules)
    except InputError as error:
        raise InputError(error.problem, file=name, remedy=error.remedy) from None


def _sound(unchecked: Rule) -> Rule:
    """The rule as `@rule` would have made it: a file may write `Rule(…)` itself."""
    return rule(
        id=unchecked.id,
        severity=unchecked.severity,
        reason=unchecked.reason,
        remedy=unchecked.remedy,
        source=unchecked.source,
        outside_production=unchecked.outside_production,
        waivable=unchecked.waivable,
    )(unchecked.check)


def _line(error: BaseException, name: str) -> int | None:
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def base_waivers(project: Project, stack: str, base: BaseRevision) -> tuple[Waiver, ...]:
    """The waivers that the base revision's file of a stack has; none where it had no such file.

    Raises:
        InputErrors: the base revision's waivers are wrong themselves.
    """
    file = project.stack_file(stack)
    text = base.read(file)
    if text is None:
        return ()
    document = parse(text, Path(f"{base.revision}:{file.name}"))
    key = manifest_key(document, stack)
    manifest = config_of(document).get(key)
    entries = manifest.get("waivers") if isinstance(manifest, dict) else None
    if not isinstance(entries, list):
        return ()
    return tuple(
        validate(Waiver, entry, document, ("config", key, "waivers", index)) for index, entry in enumerate(entries)
    )
