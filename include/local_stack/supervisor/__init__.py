"""The supervisor: a daemon that starts the components, restarts dead ones and stops all of them in order."""
