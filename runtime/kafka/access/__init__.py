"""How one gets into a Kafka: encrypted, by certificate, password or token, and stays in when a session ends."""
