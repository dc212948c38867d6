"""The served contract: the real process, over real TLS."""
