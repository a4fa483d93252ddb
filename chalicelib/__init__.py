"""Leftfold: event sourcing on DynamoDB, Kinesis and Lambda."""
