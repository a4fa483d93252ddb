"""Leftfold, the engine: event sourcing on DynamoDB for any domain."""
