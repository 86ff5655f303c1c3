from coin_assets.orchestration.build import build_definitions

defs = build_definitions()
