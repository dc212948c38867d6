"""The test bed itself: what it starts leaves the host unchanged, also after a kill; `make cluster` does what it prints."""
