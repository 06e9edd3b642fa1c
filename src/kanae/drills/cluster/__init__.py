"""The cluster as the orchestrator meets it: asked over SSH and its API, and its power."""
