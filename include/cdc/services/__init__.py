"""What the DAGs and the `cdc` command both call: plan, apply, launch, stop, status, health."""
