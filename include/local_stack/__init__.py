"""The embedded stack: every real component of the platform on this machine's loopback interface."""
