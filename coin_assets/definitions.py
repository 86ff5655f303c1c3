from coin_assets.build import build_definitions

defs = build_definitions()
