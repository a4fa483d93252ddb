"""The Lambda functions that events, schedules and rings start."""
