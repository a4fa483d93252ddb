"""Streams, log, registry and checkpoints, on DynamoDB and in memory."""
