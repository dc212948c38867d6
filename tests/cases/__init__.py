"""Pods that real situations made, and what the commands must say about each."""
