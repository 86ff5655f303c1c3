"""Entry point of Dagster: the definitions of the installation."""

from coin_assets.orchestration.build import build_definitions

defs = build_definitions()
