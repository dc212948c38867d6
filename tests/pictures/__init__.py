"""Makes pictures of the docs from what runs: ``python -m tests.pictures``."""
