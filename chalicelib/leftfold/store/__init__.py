"""Streams, log, registry and checkpoints: the ports, and their adapters on DynamoDB and in memory."""
