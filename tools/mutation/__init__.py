"""Mutation testing: small faults are planted in the code, and a test must fail for each."""
