"""The pages; some are made from the code (`python -m docs.generate`)."""
