"""Backups: one file with etcd's snapshot and all that is needed beside it to have the cluster back.

`model` says what is in one, `archive` writes and reads them, `keys` are those of their encryption,
`name` is what a file is called.
"""
