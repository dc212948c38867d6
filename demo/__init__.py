"""What one needs to see the wrapper at work without a cluster."""
