"""The environment in which Git is asked: it finds a repository by the folder that is asked about, and by nothing else."""

from __future__ import annotations

import os
from typing import Final

#: What names a repository, its folders or its objects (`git rev-parse --local-env-vars`). Git sets them for its hooks. In a
#: hook of a linked worktree Git takes the folder that is asked about for the top of the repository: a commit then seems to
#: have none of its files, and none of its rules either.
_OF_ONE_REPOSITORY: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)


def git_environment() -> dict[str, str]:
    """This process's environment without what a caller of it, such as a hook, says of a repository.

    A commit is what its id says: no object stands in for another (git-replace).
    """
    inherited = {name: value for name, value in os.environ.items() if name not in _OF_ONE_REPOSITORY}
    return {**inherited, "GIT_NO_REPLACE_OBJECTS": "1"}
