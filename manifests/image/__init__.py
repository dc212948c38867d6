"""What the webhook's image is made of."""
