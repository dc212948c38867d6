"""Attacks on a running service that take too long for the test suite: `make attacks` runs them and prints what each costs."""
