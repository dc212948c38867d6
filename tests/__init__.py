"""The tests; `docs/testing.md` says what each level shows."""
