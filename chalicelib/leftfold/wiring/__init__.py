"""Puts the application together: no other package reads the environment or makes a client.

`settings` come from the environment, `clients` are those of AWS, `adapters` fulfil the ports with
them, and `services` are made of the adapters. `parts` lists the services that a caller may replace,
and `process` keeps the services of the running process.
"""
