"""Defaults that are models are made without compiling them, and are what they would be if they had been validated."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

import model
from model.base import Model

MODULES = [f"model.{module.name}" for module in pkgutil.iter_modules(model.__path__)]


def default_models() -> Iterator[tuple[str, BaseModel]]:
    """Every default that is a model, with its place."""
    for name in MODULES:
        for kind in vars(importlib.import_module(name)).values():
            if isinstance(kind, type) and issubclass(kind, Model) and kind.__module__ == name:
                for key, field in kind.model_fields.items():
                    if isinstance(field.default, BaseModel):
                        yield f"{kind.__name__}.{key}", field.default


DEFAULTS = dict(default_models())


@pytest.mark.parametrize("place", DEFAULTS)
def test_default_is_what_its_validation_gives(place: str) -> None:
    default = DEFAULTS[place]

    validated = type(default).model_validate(default.model_dump(exclude_unset=True))

    assert validated == default
    assert validated.model_fields_set == default.model_fields_set
    assert validated.model_dump() == default.model_dump()


def test_no_model_is_compiled_before_its_first_use() -> None:
    program = (
        f"import importlib\nfrom model.base import Model\nfor name in {MODULES}: importlib.import_module(name)\n"
        "kinds, compiled = [Model], []\n"
        "while kinds:\n"
        "    kind = kinds.pop()\n"
        "    kinds += kind.__subclasses__()\n"
        "    compiled += [kind.__name__] if kind.__dict__.get('__pydantic_complete__') else []\n"
        "print(sorted(set(compiled) - {'Model'}))"
    )

    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert finished.stdout.strip() == "[]"
