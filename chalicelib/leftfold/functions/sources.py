"""The sources of the functions' events.

Only CloudFormation knows the real names; infra/resources.json replaces each of these.
"""

EVENTS_STREAM = "arn:aws:dynamodb:region:account:table/events/stream/label"
LOG_STREAM = "arn:aws:dynamodb:region:account:table/log/stream/label"
BUS = "bus"
