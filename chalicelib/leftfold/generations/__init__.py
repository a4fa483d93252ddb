"""Writing generations: a second truth is filled from the first, and takes it over stream by stream.

`control` says which generation is active, `copying` makes copies, `copier` follows the earlier
log, `taking` hands one stream over, `owner` does so for commands, `proof` compares the two.
docs/adr/0028 has the protocol, and tests/models the proof of its rules.
"""
