"""The HTTP API: routes are data, marshmallow reads bodies and queries, errors are problems.

The path of a request:

1. `api.blueprint` has given Chalice one function for each `Listing`; it finds the `Route`, whose
   part of the API is imported at the first request for it, and calls `respond`.
2. `respond.respond` turns every outcome, exceptions too, into one answer and one log line.
3. `accept.accept` lets the request in (`admit` verifies its token and the route's scope), checks
   it against its `Route` and makes a `Call` of it.
4. `Route.answer` serves the call. A command goes through `commands.execute` to the command
   handler; a query reads a view through `queries`, or a stream through `history`.
5. `failures.problem_of` makes a `Problem` of an exception, and `problems` its JSON.
"""

from chalicelib.leftfold.http.late_patterns import import_marshmallow

# Here, because this runs before every other module that imports it.
import_marshmallow()
