"""A certificate authority for one webhook."""
