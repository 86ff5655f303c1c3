"""Entry point of Dagster: the definitions of the installation."""

from coin_assets.orchestration.build import build_definitions
from coin_assets.orchestration.run_symbols import names_of_run

defs = build_definitions(symbol_names=names_of_run())
