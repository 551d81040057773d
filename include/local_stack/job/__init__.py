"""The main job on a running stack: launch the streams, watch rows arrive, wait until the sinks are equal."""
