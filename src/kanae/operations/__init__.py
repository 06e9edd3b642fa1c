"""What kanae does for its operator, as functions from an opened spec to values.

The command line, tests and a page in a browser share these. None of them knows how a question is
asked or a result is shown: who calls hands in a `Console`, or what to ask a password with.
"""
