"""The flags and the help of `ringwall explain`; what it does is `cli.explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, complete_stack

Server = Annotated[
    str,
    typer.Argument(
        metavar="STACK",
        help="A server or model route, such as dev.github.",
        autocompletion=complete_stack,
        show_default=False,
    ),
]
Prompt = Annotated[
    str | None,
    typer.Option("--prompt", metavar="NAME", help="Ask for a prompt instead of a tool.", show_default=False),
]
Resource = Annotated[
    str | None,
    typer.Option("--resource", metavar="URI", help="Ask for a resource instead of a tool.", show_default=False),
]


def explain(
    stack: Server,
    tool: Annotated[
        str | None,
        typer.Argument(metavar="TOOL|MODEL", help="The tool, or the model of a model route.", show_default=False),
    ] = None,
    arguments: Annotated[
        str | None,
        typer.Argument(
            metavar="ARGUMENTS",
            help="Its arguments as a JSON object. For a model the request, or the text of one message.",
            show_default=False,
        ),
    ] = None,
    principal: Annotated[
        str, typer.Option("--as", metavar="PRINCIPAL", help="person:EMAIL or agent:NAME.", show_default=False)
    ] = ...,  # type: ignore[assignment]
    groups: Annotated[
        list[str] | None,
        typer.Option(
            "--groups",
            metavar="NAME",
            help="Groups the person is in, as the environment or the identity provider names them; repeatable, or a,b.",
            show_default=False,
        ),
    ] = None,
    through: Annotated[
        str | None,
        typer.Option("--through", metavar="CLIENT", help="By a hosted client's own front door.", show_default=False),
    ] = None,
    country: Annotated[
        str | None, typer.Option("--country", metavar="CODE", help="Where the request comes from.", show_default=False)
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="IP", help="The address it comes from.", show_default=False),
    ] = None,
    prompt: Prompt = None,
    resource: Resource = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Explain what each ring says to one call, by which line of which file.

    Offline: the guard's own code decides on the files as they are. A refusal comes with the narrow change that would allow
    the call. Exit code 0 when it is allowed, 3 when a ring refuses it. What only a request shows (country, device) is a
    condition, unless an option says it.
    """
    from cli.explain import explain as work  # noqa: PLC0415 - 0.6 s of imports that --help and completion do without

    work(
        stack,
        principal=principal,
        groups=groups,
        through=through,
        country=country,
        address=address,
        tool=tool,
        prompt=prompt,
        resource=resource,
        arguments=arguments,
        as_json=as_json,
    )
