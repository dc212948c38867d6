"""The wrapper in real shells, around real processes."""
