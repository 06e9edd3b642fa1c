"""Planning: a pure function from {spec, facts} to a graph of steps."""
