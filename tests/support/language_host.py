"""A Python language host for the plain `pulumi` CLI, for tests.

Pulumi's own host is no Go module and no wheel, so where only package registries are reachable the CLI comes without
one. This one serves the same protocol with `pulumi.automation`'s language server and runs the program folder with this
virtual environment's Python. It installs nothing, reports no required plugin, and runs no policy packs.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def write_language_host(folder: Path, *, python: Path | None = None) -> Path:
    """Write `pulumi-language-python` into `folder`, which the caller puts on PATH; returns the executable.

    Programs run with `python`, by default the interpreter that runs the tests.
    """
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / "pulumi-language-python"
    # A shell line, because a shebang has a length limit that deep temporary folders exceed.
    interpreter = Path(sys.executable) if python is None else python
    executable.write_text(f'#!/bin/sh\nexec "{interpreter}" "{Path(__file__).resolve()}" "$@"\n', encoding="utf-8")
    executable.chmod(0o755)
    return executable


def serve(engine_address: str) -> None:
    """Serve until the engine ends this process: print the port, answer `LanguageRuntime`."""
    import grpc  # type: ignore[import-untyped]
    from google.protobuf import empty_pb2  # type: ignore[import-untyped]
    from pulumi.automation._server import LanguageServer
    from pulumi.runtime import settings
    from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

    class Host(LanguageServer):
        def __init__(self) -> None:
            super().__init__(lambda: None)

        def Handshake(self, request: Any, context: Any) -> Any:
            return language_pb2.LanguageHandshakeResponse()

        def GetPluginInfo(self, request: Any, context: Any) -> Any:
            return plugin_pb2.PluginInfo(version="1.0.0")

        def InstallDependencies(self, request: Any, context: Any) -> Any:
            return iter(())

        def Cancel(self, request: Any, context: Any) -> Any:
            return empty_pb2.Empty()

        def Run(self, request: Any, context: Any) -> Any:
            def program() -> None:
                settings.SETTINGS.root_directory = request.info.root_directory
                runpy.run_path(request.info.program_directory, run_name="__main__")

            self.program = program
            request.args.insert(0, engine_address)
            # As the engine's own host does: the program runs in its own folder.
            os.chdir(request.info.program_directory)
            return super().Run(request, context)  # type: ignore[no-untyped-call]

    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    # The engine interrupts its hosts when a run is over.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    server.start()
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    server.wait_for_termination()


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        threading.Event().wait(1.0)
    os._exit(0)


if __name__ == "__main__":
    # This folder goes first on the import path: keep it from the program.
    sys.path.pop(0)
    serve(sys.argv[-1])
