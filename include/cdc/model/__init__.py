"""The platform's rules as pure functions: events, versions, floors, sinks, leases, health. No I/O."""
