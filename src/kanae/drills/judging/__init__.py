"""From a history to a verdict. Pure, but for reading files."""
