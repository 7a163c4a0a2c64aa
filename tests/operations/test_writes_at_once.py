"""Of commands that write the same file at once one does, and each of the rest says so; nothing is lost."""

from __future__ import annotations

import threading
from pathlib import Path

from model.errors import InputError
from operations.project.write import FileChange, apply

WRITERS = 8


def test_of_writers_of_one_file_at_once_one_writes_and_the_rest_are_told(tmp_path: Path) -> None:
    file = tmp_path / "stack.yaml"
    for round_ in range(20):
        before = f"round {round_}".encode()
        file.write_bytes(before)
        start = threading.Barrier(WRITERS)
        outcomes: list[str] = []

        def write(
            number: int, before: bytes = before, start: threading.Barrier = start, ended: list[str] = outcomes
        ) -> None:
            start.wait()
            try:
                apply([FileChange(file, before, f"writer {number}".encode())])
            except InputError as error:
                ended.append(error.problem)
            else:
                ended.append(f"writer {number}")

        writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        written = file.read_text()
        assert sorted(outcomes) == sorted([written, *["changed while this command ran"] * (WRITERS - 1)])
        assert list(tmp_path.iterdir()) == [file]
