"""The platform's rules as pure functions: versions, generations, ledger, lease, parking, health. No I/O."""
