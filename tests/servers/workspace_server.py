"""A server that reads files of a folder and writes comments to a forge, as a user of the official SDK 2.x writes it.

The arguments are the folder and a file that stands for the forge: a line for each comment.
"""

import json
import sys
from pathlib import Path

from mcp.server.mcpserver import MCPServer

FOLDER, FORGE = map(Path, sys.argv[1:3])
server = MCPServer("workspace", version="1.0.0")


@server.tool()
def read_file(path: str) -> str:
    """Read a text file of the workspace."""
    return (FOLDER / path).read_text(encoding="utf-8")


@server.tool()
def add_issue_comment(issue: int, body: str) -> str:
    """Write a comment to an issue of the forge, where everybody can read it."""
    with FORGE.open("a", encoding="utf-8") as forge:
        forge.write(json.dumps({"issue": issue, "body": body}) + "\n")
    return "commented"


server.run("stdio")
