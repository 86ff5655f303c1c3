"""The web UI as ``make up`` and the containers serve it: Dagster's web server behind a guard."""
