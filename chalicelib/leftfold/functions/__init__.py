"""The Lambda functions that events, schedules and wakes start.

`application` gives Chalice one function for each view and policy of a domain, from `readers`, and
those of the engine that each application has; each is in the module of its name. `truth` has the
functions that run once for a truth, however many applications it has. `sources` names the streams
that feed an application's functions, and `budgets` how long before its time-out each function begins
nothing more.
"""
