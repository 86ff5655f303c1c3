"""From conditions to incidents, messages, a durable outbox, and channels. No Dagster."""
