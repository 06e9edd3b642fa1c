"""What is run on hosts: POSIX sh, made by pure functions from actions and explicit values.

Nothing here reaches a host, and nothing here is a secret: tokens, keys and configuration with them
go by stdin. Every script is recorded in tests/golden/scripts.
"""
