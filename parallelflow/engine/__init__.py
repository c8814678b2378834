"""What runs on engines."""
