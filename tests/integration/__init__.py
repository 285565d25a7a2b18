"""Real sockets on the loopback interface, and real processes: what a user would see."""
