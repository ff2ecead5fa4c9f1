"""What stands in front of the gateway, and what of it is believed: who asks, by which name, below which path."""
