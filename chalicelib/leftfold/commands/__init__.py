"""Commands: load a stream, decide, append the events; read a state."""
