"""A release: its files are the same bytes each time, Helm takes the chart, and the wheel runs on each Python."""
