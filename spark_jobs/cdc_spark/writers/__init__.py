"""Where rows go: one module for each kind of sink, and the dead letters."""
