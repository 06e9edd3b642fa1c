"""Which drills there are, which hosts they take, and whether the cluster can bear it."""
