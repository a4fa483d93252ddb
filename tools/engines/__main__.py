"""Installs every engine that is not installed yet: python -m tools.engines."""

import sys

from tools.bootstrap import progress
from tools.engines import DynamoDBLocal, EngineError, KinesisLocal, MiniStack, OpenSearch

if __name__ == "__main__":
    try:
        with progress() as report:
            for engine in (DynamoDBLocal, OpenSearch, KinesisLocal, MiniStack):
                engine(progress=report).install()
    except EngineError as error:
        sys.exit(f"leftfold: {error}")
