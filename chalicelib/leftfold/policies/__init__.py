"""Policies at work: commands, e-mails and deadlines that events lead to."""
