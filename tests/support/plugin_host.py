"""The part of Pulumi's Python language host that runs a plugin from its source folder, for tests.

As `tests.support.language_host`, which runs programs: Pulumi's own host is no wheel. `python FOLDER ENGINE` is what
Pulumi's host runs as well, there with the virtual environment that PulumiPlugin.yaml names, here with the tests' own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any


def write_plugin_host(folder: Path) -> None:
    """Write `pulumi-language-python` into `folder`, which the caller puts on the engine's PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    executable = folder / "pulumi-language-python"
    executable.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{Path(__file__).resolve()}" "$@"\n', encoding="utf-8")
    executable.chmod(0o755)


def serve() -> None:
    """Serve until the engine ends this process: print the port, answer what the engine asks to start a plugin."""
    import grpc  # type: ignore[import-untyped]
    from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

    started: list[subprocess.Popen[bytes]] = []

    class Host(language_pb2_grpc.LanguageRuntimeServicer):
        def Handshake(self, request: Any, context: Any) -> Any:
            return language_pb2.LanguageHandshakeResponse()

        def GetPluginInfo(self, request: Any, context: Any) -> Any:
            return plugin_pb2.PluginInfo(version="1.0.0")

        def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:
            command = [sys.executable, "-u", request.info.program_directory, *request.args]
            environment = dict(entry.split("=", 1) for entry in request.env) or dict(os.environ)
            with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=request.pwd or None) as plugin:
                started.append(plugin)
                context.add_callback(plugin.terminate)
                assert plugin.stdout is not None
                for line in plugin.stdout:
                    yield language_pb2.RunPluginResponse(stdout=line)
            yield language_pb2.RunPluginResponse(exitcode=plugin.returncode)

    def end(*_: Any) -> None:
        for plugin in started:
            plugin.terminate()
        os._exit(0)

    server = grpc.server(ThreadPoolExecutor(max_workers=4))
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(Host(), server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    # This folder goes first on the import path: keep it from the plugin.
    sys.path.pop(0)
    serve()
