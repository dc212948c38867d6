"""The data files: the catalogue of sidecars with its examples and its laws."""
