"""Real MCP servers from npm and PyPI, the version tried, how each is started, and calls that need no account.

`{dir}` is a folder with files to work on, `{port}` a free loopback port, `{bin}` where the package's programs are.
A call that ends in an error of the server's own (no account, nothing to connect to) is compared like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class RealServer:
    """One server. `http` is the path of its streamable HTTP endpoint; without it, it speaks stdio."""

    name: str
    registry: Literal["npm", "pypi"]
    package: str
    version: str
    command: tuple[str, ...]
    calls: tuple[Call, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    http: str | None = None
    extra: tuple[str, ...] = ()
    """More packages to install beside it, pinned."""
    exposed: bool = False
    """It binds every interface and has no setting against it; tried all the same, on this machine."""
    host: str = "127.0.0.1"
    """The name in the address: some servers allow only the one they print."""


NO_ACCOUNT = "not-a-real-account"
EVERYTHING: tuple[Call, ...] = (
    ("echo", {"message": "hello"}),
    ("get-sum", {"a": 2, "b": 3}),
    ("get-tiny-image", {}),
    ("get-structured-content", {"location": "Chicago"}),
)
EXCEL: tuple[Call, ...] = (
    ("create_workbook", {"path": "{dir}/book.xlsx"}),
    ("write_range", {"path": "{dir}/book.xlsx", "sheet": "Sheet1", "at": "A1", "rows": [["a", 1], ["b", 2]]}),
    ("read_range", {"path": "{dir}/book.xlsx", "sheet": "Sheet1"}),
)

SERVERS = (
    RealServer(
        "everything",
        "npm",
        "@modelcontextprotocol/server-everything",
        "2026.8.31",
        ("{bin}/mcp-server-everything",),
        EVERYTHING,
    ),
    RealServer(
        "everything-http",
        "npm",
        "@modelcontextprotocol/server-everything",
        "2026.8.31",
        ("{bin}/mcp-server-everything", "streamableHttp"),
        EVERYTHING,
        {"PORT": "{port}"},
        http="/mcp",
        exposed=True,
    ),
    RealServer(
        "filesystem",
        "npm",
        "@modelcontextprotocol/server-filesystem",
        "2026.8.31",
        ("{bin}/mcp-server-filesystem", "{dir}"),
        (
            ("list_directory", {"path": "{dir}"}),
            ("read_text_file", {"path": "{dir}/long.txt"}),
            ("read_text_file", {"path": "{dir}/compose.yaml"}),
            (
                "write_file",
                {"path": "{dir}/client.py", "content": 'base_url = "http://localhost:8080"\n# curl x | sh\n'},
            ),
            ("list_allowed_directories", {}),
        ),
    ),
    RealServer(
        "memory",
        "npm",
        "@modelcontextprotocol/server-memory",
        "2026.8.31",
        ("{bin}/mcp-server-memory",),
        (
            ("create_entities", {"entities": [{"name": "Ada", "entityType": "person", "observations": ["writes"]}]}),
            ("open_nodes", {"names": ["Ada"]}),
        ),
        {"MEMORY_FILE_PATH": "{dir}/memory.jsonl"},
    ),
    RealServer(
        "thinking",
        "npm",
        "@modelcontextprotocol/server-sequential-thinking",
        "2026.8.31",
        ("{bin}/mcp-server-sequential-thinking",),
        (
            (
                "sequentialthinking",
                {"thought": "first", "nextThoughtNeeded": False, "thoughtNumber": 1, "totalThoughts": 1},
            ),
        ),
    ),
    RealServer("context7", "npm", "@upstash/context7-mcp", "4.1.1", ("{bin}/context7-mcp",)),
    RealServer(
        "gitlab",
        "npm",
        "@modelcontextprotocol/server-gitlab",
        "2025.4.25",
        ("{bin}/mcp-server-gitlab",),
        (("get_file_contents", {"project_id": "1", "file_path": "README.md"}),),
        {"GITLAB_PERSONAL_ACCESS_TOKEN": NO_ACCOUNT, "GITLAB_API_URL": "http://127.0.0.1:9/api/v4"},
    ),
    RealServer(
        "zereight-gitlab",
        "npm",
        "@zereight/mcp-gitlab",
        "2.1.64",
        ("{bin}/mcp-gitlab",),
        environment={"GITLAB_PERSONAL_ACCESS_TOKEN": NO_ACCOUNT, "GITLAB_API_URL": "http://127.0.0.1:9/api/v4"},
    ),
    RealServer(
        "github",
        "npm",
        "@modelcontextprotocol/server-github",
        "2025.4.8",
        ("{bin}/mcp-server-github",),
        environment={"GITHUB_PERSONAL_ACCESS_TOKEN": NO_ACCOUNT},
    ),
    RealServer("playwright", "npm", "@playwright/mcp", "0.0.83", ("{bin}/playwright-mcp", "--headless")),
    RealServer(
        "playwright-http",
        "npm",
        "@playwright/mcp",
        "0.0.83",
        ("{bin}/playwright-mcp", "--headless", "--port", "{port}", "--host", "127.0.0.1"),
        http="/mcp",
        host="localhost",
    ),
    RealServer("chrome-devtools", "npm", "chrome-devtools-mcp", "1.11.0", ("{bin}/chrome-devtools-mcp", "--headless")),
    RealServer(
        "firecrawl",
        "npm",
        "firecrawl-mcp",
        "3.26.0",
        ("{bin}/firecrawl-mcp",),
        environment={"FIRECRAWL_API_KEY": NO_ACCOUNT},
    ),
    RealServer(
        "notion",
        "npm",
        "@notionhq/notion-mcp-server",
        "2.5.2",
        ("{bin}/notion-mcp-server",),
        environment={"NOTION_TOKEN": NO_ACCOUNT},
    ),
    RealServer(
        "tavily", "npm", "tavily-mcp", "0.2.22", ("{bin}/tavily-mcp",), environment={"TAVILY_API_KEY": NO_ACCOUNT}
    ),
    RealServer(
        "kubernetes",
        "npm",
        "mcp-server-kubernetes",
        "4.1.7",
        ("{bin}/mcp-server-kubernetes",),
        (("kubectl_context", {"operation": "list"}),),
    ),
    RealServer(
        "desktop-commander",
        "npm",
        "@wonderwhy-er/desktop-commander",
        "0.2.52",
        ("{bin}/desktop-commander",),
        (("list_directory", {"path": "{dir}"}),),
    ),
    RealServer(
        "slack",
        "npm",
        "@modelcontextprotocol/server-slack",
        "2025.4.25",
        ("{bin}/mcp-server-slack",),
        environment={"SLACK_BOT_TOKEN": NO_ACCOUNT, "SLACK_TEAM_ID": "T0"},
    ),
    RealServer(
        "brave",
        "npm",
        "@modelcontextprotocol/server-brave-search",
        "0.6.2",
        ("{bin}/mcp-server-brave-search",),
        environment={"BRAVE_API_KEY": NO_ACCOUNT},
    ),
    RealServer("chart", "npm", "@antv/mcp-server-chart", "0.9.10", ("{bin}/mcp-server-chart",)),
    RealServer(
        "cyanheads-git",
        "npm",
        "@cyanheads/git-mcp-server",
        "2.15.3",
        ("{bin}/git-mcp-server",),
        (("git_log", {"path": "{dir}/repo"}), ("git_show", {"path": "{dir}/repo", "object": "HEAD"})),
        {"MCP_TRANSPORT_TYPE": "stdio"},
    ),
    RealServer(
        "searxng",
        "npm",
        "mcp-searxng",
        "2.4.0",
        ("{bin}/mcp-searxng",),
        (("searxng_web_search", {"query": "tide tables"}),),
        {"SEARXNG_URL": "http://127.0.0.1:9"},
    ),
    RealServer(
        "exa", "npm", "exa-mcp-server", "3.4.1", ("{bin}/exa-mcp-server",), environment={"EXA_API_KEY": NO_ACCOUNT}
    ),
    RealServer(
        "mysql",
        "npm",
        "@benborla29/mcp-server-mysql",
        "2.0.9",
        ("{bin}/mcp-server-mysql",),
        environment={"MYSQL_HOST": "127.0.0.1", "MYSQL_PORT": "9", "MYSQL_USER": "nobody", "MYSQL_PASS": NO_ACCOUNT},
    ),
    RealServer(
        "time",
        "pypi",
        "mcp-server-time",
        "2026.10.19",
        ("{bin}/mcp-server-time",),
        (
            (
                "convert_time",
                {"source_timezone": "Europe/Oslo", "time": "10:00", "target_timezone": "Asia/Tokyo"},
            ),
        ),
    ),
    RealServer(
        "git",
        "pypi",
        "mcp-server-git",
        "2026.10.19",
        ("{bin}/mcp-server-git", "--repository", "{dir}/repo"),
        (("git_log", {"repo_path": "{dir}/repo"}), ("git_status", {"repo_path": "{dir}/repo"})),
    ),
    RealServer(
        "fetch",
        "pypi",
        "mcp-server-fetch",
        "2026.10.24",
        ("{bin}/mcp-server-fetch",),
    ),
    RealServer(
        "sqlite",
        "pypi",
        "mcp-server-sqlite",
        "2025.4.25",
        ("{bin}/mcp-server-sqlite", "--db-path", "{dir}/data.sqlite"),
        (("list_tables", {}),),
        extra=("mcp<2",),
    ),
    RealServer(
        "duckdb",
        "pypi",
        "mcp-server-motherduck",
        "1.1.0",
        ("{bin}/mcp-server-motherduck", "--db-path", "{dir}/data.duckdb", "--read-write"),
        (("execute_query", {"sql": "SELECT 1 AS one"}),),
    ),
    RealServer(
        "duckduckgo",
        "pypi",
        "duckduckgo-mcp-server",
        "0.7.0",
        ("{bin}/duckduckgo-mcp-server",),
        (("expand_link", {"token": "no-such-link"}),),
    ),
    RealServer(
        "markitdown",
        "pypi",
        "markitdown-mcp",
        "0.0.1a8",
        ("{bin}/markitdown-mcp",),
        (
            ("convert_to_markdown", {"uri": "file://{dir}/index.html"}),
            ("convert_to_markdown", {"uri": "data:text/html;base64,PGgxPkhpPC9oMT4="}),
        ),
    ),
    RealServer("excel", "pypi", "excel-mcp-server", "2.2.2", ("{bin}/excel-mcp-server", "stdio"), EXCEL),
    RealServer(
        "excel-http",
        "pypi",
        "excel-mcp-server",
        "2.2.2",
        ("{bin}/excel-mcp-server", "streamable-http"),
        EXCEL,
        {"EXCEL_MCP_PORT": "{port}", "EXCEL_FILES_PATH": "{dir}"},
        http="/mcp",
    ),
    RealServer(
        "atlassian",
        "pypi",
        "mcp-atlassian",
        "0.23.1",
        ("{bin}/mcp-atlassian",),
        environment={
            "JIRA_URL": "http://127.0.0.1:9",
            "JIRA_PERSONAL_TOKEN": NO_ACCOUNT,
            "CONFLUENCE_URL": "http://127.0.0.1:9",
            "CONFLUENCE_PERSONAL_TOKEN": NO_ACCOUNT,
            # What onboard advises: it writes sets of names in another order at each start.
            "PYTHONHASHSEED": "0",
        },
    ),
    RealServer(
        "dynamodb",
        "pypi",
        "awslabs.dynamodb-mcp-server",
        "2.1.8",
        ("{bin}/awslabs.dynamodb-mcp-server",),
        (("dynamodb_data_modeling", {}),),
    ),
    RealServer(
        "redis",
        "pypi",
        "redis-mcp-server",
        "0.5.1",
        ("{bin}/redis-mcp-server", "--url", "redis://127.0.0.1:9/0"),
        (("dbsize", {}),),
    ),
    RealServer(
        "calculator",
        "pypi",
        "mcp-server-calculator",
        "0.2.1",
        ("{bin}/mcp-server-calculator",),
        (("calculate", {"expression": "2 * (3 + 4)"}),),
    ),
    RealServer("wikipedia", "pypi", "wikipedia-mcp", "2.0.1", ("{bin}/wikipedia-mcp",)),
    RealServer(
        "wikipedia-http",
        "pypi",
        "wikipedia-mcp",
        "2.0.1",
        ("{bin}/wikipedia-mcp", "--transport", "http", "--port", "{port}", "--host", "127.0.0.1"),
        http="/mcp",
    ),
    RealServer(
        "word",
        "pypi",
        "office-word-mcp-server",
        "1.1.11",
        ("{bin}/word_mcp_server",),
        (("create_document", {"filename": "{dir}/letter.docx", "title": "Letter"}),),
    ),
    RealServer(
        "fastmcp-http",
        "pypi",
        "fastmcp",
        "4.2.3",
        ("{bin}/python", "{here}/fastmcp_server.py", "{port}"),
        (("add", {"a": 2, "b": 3}), ("greet", {"name": "Ada"})),
        http="/mcp",
    ),
    RealServer(
        "sdk-2026",
        "pypi",
        "mcp",
        "2.3.0",
        ("{bin}/python", "{here}/sdk_server.py", "{port}"),
        (("add", {"a": 2, "b": 3}),),
        http="/mcp",
    ),
)
