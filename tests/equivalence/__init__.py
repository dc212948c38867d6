"""Whether the rules decide as they did at an earlier commit: ``python -m tests.equivalence COMMIT``."""
