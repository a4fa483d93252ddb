"""Repairs of commits that code cannot read: a correction for all readers, a skip for one.

A repair is an aggregate like any other, in a stream of its own for each commit. So who decided
what and why stands in the log, and is archived and copied with everything else.
"""
