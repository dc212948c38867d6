"""Makes everything that a release consists of, from a commit: ``make release``."""
