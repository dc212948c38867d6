"""Tests of what the benchmarks rely on."""
