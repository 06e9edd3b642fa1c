"""The prober's process as its orchestrator handles it: where it runs, and how it gets there."""
