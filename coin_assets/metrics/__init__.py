"""Metrics for Prometheus, derived at each scrape from what exists: no state of their own."""

HOST = "127.0.0.1"
