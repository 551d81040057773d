"""`make drill`: faults planted on the running stack, and what the platform makes of each."""
