"""A small process beside Dagster that reports when the machine fails, and the alerts with it.

It needs neither Dagster's records nor the outbox of alerts, writes nothing that stays, and keeps
its state in memory: after a restart it may send a message again.
"""
