"""The rules: bytes and plain values in, values out. No I/O, no clock, no framework; import-linter holds it."""
