"""A small classifier on this machine, as a second opinion about what a model will read: it flags and taints, never blocks.

The model is that of the package stackone-defender (Apache-2.0): all-MiniLM-L6-v2, tuned to prompt injection, 23 MB of
quantized ONNX, which the wheel holds. Of the package only the files are used, and nothing of it is run. `main` of its two
answers is how much a text looks like an injection, `aux` how much it only speaks of them; the presets, which join both, and
the calibration are the maker's, from the model's own `classifier_config.json`.

It knows English, and is wrong about one or two in a hundred ordinary pieces of documents (docs/explain/detection.md), too
often to refuse by. So a finding is advisory: it is recorded, and taints the caller as a suspicion. What it does not read to
the end, for its length or the deadline, passes with a note in the audit log; the engines that block read everything.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from guard.inspect.verdict import Category, EngineFinding, Leg, Outcome, ScanItem, Verdict
from model.errors import InputError

#: Legs that carry what a model reads as content. Definitions and prompts give orders by their nature, and arguments are no
#: content for the model that wrote them.
LEGS = frozenset((Leg.RESULTS, Leg.RESOURCES))
#: Tokens of a window, as the model was trained, two of them its marks; and tokens that two windows share.
WINDOW = 256
OVERLAP = 64
#: A window of so few different tokens (a ruled line, a table's border) has an arbitrary score, says the package's own guard.
FEW = 4


class Scores(NamedTuple):
    """The answers about one window, from 0 to 1."""

    main: float
    aux: float


class Preset(NamedTuple):
    """From where on a window counts as an injection."""

    main: float
    aux: float

    def matches(self, scores: Scores) -> bool:
        return scores.main >= self.main and scores.aux < self.aux


class Classifier(Protocol):
    """A model and its tokenizer."""

    preset: Preset

    def tokens(self, text: str) -> Sequence[int]:
        """The tokens of a text, without marks."""
        ...

    def scores(self, window: Sequence[int]) -> Scores: ...


def windows(tokens: Sequence[int], size: int = WINDOW - 2, overlap: int = OVERLAP) -> Iterator[Sequence[int]]:
    """Windows of at most `size` tokens, each beginning with the last `overlap` of the one before."""
    for start in range(0, max(len(tokens) - overlap, 1), size - overlap):
        yield tokens[start : start + size]


class ModelVerdictEngine:
    """Judges by a classifier on a thread of its own, window by window, until the deadline.

    A failure of the classifier is no verdict like any engine's; text that it did not reach is not.
    """

    name = "model"

    def __init__(self, classifier: Classifier, characters: int) -> None:
        self._classifier = classifier
        self._characters = characters
        # One thread: the next text waits, as two would only take turns.
        self._thread = ThreadPoolExecutor(1, "ringwall-model")

    async def scan(self, item: ScanItem, deadline: float) -> Verdict:
        """Judge `item` before `deadline` (`time.monotonic` seconds)."""
        started = time.monotonic()
        if item.leg not in LEGS:
            return Verdict(Outcome.ALLOW, self.name)
        text = "\n".join(text.value for text in item.texts)
        judging = asyncio.get_running_loop().run_in_executor(self._thread, self._judge, text, deadline)
        await asyncio.wait({judging}, timeout=max(deadline - started, 0))
        if judging.done():
            findings, unread = judging.result()
        else:
            judging.cancel()
            findings, unread = (), "all of it"
        error = f"not judged, for its length or the deadline: {unread}" if unread else None
        milliseconds = (time.monotonic() - started) * 1000
        return Verdict(Outcome.ALLOW, self.name, findings, None, milliseconds, error)

    def basis(self) -> str:
        """Nothing that changes: the classifier says of a text what it said before."""
        return self.name

    async def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _judge(self, text: str, deadline: float) -> tuple[tuple[EngineFinding, ...], str | None]:
        """The finding, and what was not judged. The first window that counts settles it."""
        classifier, unread = self._classifier, len(text) - self._characters
        for number, window in enumerate(windows(classifier.tokens(text[: self._characters]))):
            if time.monotonic() >= deadline:
                return (), f"all behind window {number}"
            if len(set(window)) <= FEW:
                continue
            scores = classifier.scores(window)
            if classifier.preset.matches(scores):
                confidence = round(scores.main, 3)
                return (EngineFinding(Category.INJECTION, "injection", confidence=confidence, advisory=True),), None
        return (), f"{unread} characters at its end" if unread > 0 else None


class OnnxClassifier:
    """The model of stackone-defender, on one thread of the processor; its files are loaded once in a process.

    One window at a time: quantization takes its scale from a whole batch, so that neighbours would change a score.

    Raises:
        InputError: a package is not installed, or the wheel does not hold the model that is known here.
    """

    def __init__(self, sensitivity: Literal["low", "medium", "high"]) -> None:
        try:
            self._tokenizer, self._session, settings = _load()
            preset = settings["multihead_presets"][sensitivity.capitalize()]
            self.preset = Preset(float(preset["mainThreshold"]), float(preset["auxThreshold"]))
            self._temperature = float(settings["calibration"]["temperatureT"])
            self._marks = [self._tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]")]
            self.scores(())
        except ImportError as error:
            package = (error.name or "a package").replace("_", "-")
            raise _unusable(f"needs {package}, which is not installed") from None
        except Exception as error:
            raise _unusable(f"cannot load what stackone-defender holds ({type(error).__name__})") from None

    def tokens(self, text: str) -> Sequence[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def scores(self, window: Sequence[int]) -> Scores:
        import numpy

        first, last = self._marks
        ids = numpy.array([[first, *window, last]], dtype=numpy.int64)
        [[logits]] = self._session.run(None, {"input_ids": ids, "attention_mask": numpy.ones_like(ids)})
        main, aux = (1 / (1 + math.exp(-float(logit) / self._temperature)) for logit in logits)
        return Scores(main, aux)


@cache
def _load() -> tuple[Any, Any, Any]:
    """The tokenizer, the session and the settings of the wheel's model, without running the package itself."""
    import onnxruntime
    import tokenizers

    spec = find_spec("stackone_defender")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(name="stackone_defender")
    folder = Path(spec.submodule_search_locations[0], "models", "minilm-multihead-v5")
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / "model_quantized.onnx"), options, providers=["CPUExecutionProvider"]
    )
    return tokenizer, session, json.loads((folder / "classifier_config.json").read_text("utf-8"))


def _unusable(problem: str) -> InputError:
    return InputError(f"the engine model {problem}", key="guard.engines.model", remedy="pip install 'ringwall[model]'")
