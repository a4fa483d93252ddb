"""Who calls: access tokens of an OpenID Connect issuer, and what their callers may do.

`tokens` verifies a token and makes a `Caller` of it, with the issuer's public keys, which `keys`
keeps. Nothing here knows HTTP: `leftfold.http.admit` decides what a caller gets.
"""
