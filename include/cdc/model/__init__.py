"""The platform's rules as pure functions: events, versions, floors, what sinks keep, leases, parking, health. No I/O."""
