"""Settings and clients -> adapters -> services: the only place that reads the environment."""
