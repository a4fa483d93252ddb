"""The HTTP face: routes as tables, bodies by marshmallow, errors as problems.

A request passes `respond`, which checks it against its `Route` and turns whatever
happens into an answer; `commands` and `queries` are the only two ways from there.
"""
