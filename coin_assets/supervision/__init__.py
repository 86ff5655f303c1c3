"""What ``make up`` becomes: a small process that starts Dagster's servers and watches them."""
